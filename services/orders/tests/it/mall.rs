//! Users, products, publications and orders, running together in one process over one broker and one clock.

use std::future::Future;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tempfile::TempDir;
use tonic::{Code, Request, Status};
pub(crate) use vitrina_chassis::testing::{by, keyed, until};
use vitrina_chassis::{Clock, Context, Fault, Running, Service, Transport, UserId, metadata, testing};
use vitrina_orders::Config;
use vitrina_proto::Clients;
use vitrina_proto::common::v1::Money;
use vitrina_proto::orders::v1::{self as pb, OrderState, orders_client::OrdersClient};
use vitrina_proto::products::v1 as products;
use vitrina_proto::publications::v1::{self as publications, PaymentMethod};
use vitrina_proto::routes::Service as Name;
use vitrina_proto::users::v1 as users;
use vitrina_storage::{Options, Store};

/// Everything that runs.
pub(crate) struct Mall {
    pub(crate) ctx: Context,
    pub(crate) orders: Running,
    pub(crate) clients: Clients<Transport>,
    pub(crate) config: Config,
    others: Vec<Running>,
    dirs: (TempDir, TempDir),
}

/// A thing for sale.
#[derive(Clone, Debug)]
pub(crate) struct Thing {
    pub(crate) seller: UserId,
    pub(crate) product: String,
    pub(crate) publication: String,
}

impl Mall {
    pub(crate) async fn open() -> Mall {
        Mall::with(|_| {}).await
    }

    /// A mall whose orders are set up otherwise.
    pub(crate) async fn with(set: impl FnOnce(&mut Config)) -> Mall {
        let dir = TempDir::new().expect("there is room");
        let store =
            Store::open(&dir.path().join("orders"), Options::default()).expect("an empty store opens");
        Mall::over(store, dir, set).await
    }

    /// A mall whose orders are kept in this store.
    pub(crate) async fn over(store: Store, dir: TempDir, set: impl FnOnce(&mut Config)) -> Mall {
        let (base, base_dir) = testing::context();
        // Signed notifications carry the time of the machine, so the clock begins there.
        let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_millis();
        let clock = Clock::manual(u64::try_from(now_ms).expect("it fits"));
        let at = |store| Context::new(store, clock.clone(), base.broker.clone());
        let open = |name: &str| Store::open(&dir.path().join(name), Options::default()).expect("it opens");
        let index_dir = dir.path().join("index");
        let user_config = vitrina_users::Config {
            password_cost: vitrina_users::PasswordCost::LEAST,
            ..vitrina_users::Config::new([1; 32])
        };
        let product_config =
            vitrina_products::Config { lease_sweep_interval_ms: 20, ..vitrina_products::Config::default() };
        let publication_config = vitrina_publications::Config {
            index_dir,
            event_wait_ms: 30_000,
            ..vitrina_publications::Config::default()
        };
        let (of_users, of_products, of_publications) =
            (at(open("users")), at(open("products")), at(open("publications")));
        let users = run(&of_users, vitrina_users::start(of_users.clone(), user_config).expect("it starts"));
        let products = run(&of_products, vitrina_products::start(of_products.clone(), product_config));
        let publications = run(
            &of_publications,
            vitrina_publications::start(of_publications.clone(), publication_config).expect("it starts"),
        );
        let others = vec![users, products, publications];
        for running in &others {
            running.listening().await;
        }
        let clients = Clients::new(|name| {
            Transport::from(match name {
                Name::Products => others[1].in_process(),
                Name::Publications => others[2].in_process(),
                _ => others[0].in_process(),
            })
        });
        let mut config =
            Config { drive_interval_ms: 20, grace_ms: 0, ..Config::new([2; 32], clients.clone()) };
        set(&mut config);
        let ctx = at(store);
        let orders = start(&ctx, &config);
        Mall { ctx, orders, clients, config, others, dirs: (dir, base_dir) }
    }

    /// Ends the service of orders where it is, as a crash does, and starts it anew on what is on disk.
    pub(crate) async fn crash(self) -> Mall {
        let Mall { ctx, orders, clients, config, others, dirs } = self;
        drop(orders);
        ctx.store.close().await;
        let store =
            Store::open(&dirs.0.path().join("orders"), Options::default()).expect("the store opens again");
        let ctx = Context::new(store, ctx.clock.clone(), ctx.broker.clone());
        let orders = start(&ctx, &config);
        Mall { ctx, orders, clients, config, others, dirs }
    }

    pub(crate) fn client(&self) -> OrdersClient<Transport> {
        OrdersClient::new(Transport::from(self.orders.in_process()))
    }

    /// A user who sells.
    pub(crate) async fn seller(&self, name: &str) -> UserId {
        let mut users = self.clients.users.clone();
        let request = users::RegisterRequest {
            email: format!("{name}@example.com"),
            username: name.to_owned(),
            password: "correct horse battery".to_owned(),
            first_name: name.to_owned(),
            last_name: "García".to_owned(),
            language: None,
        };
        let reply = users.register(request).await.expect("a user registers").into_inner();
        let id: UserId = reply.user.expect("there is a user").id.parse().expect("an id");
        let request = users::CreateSellerRequest { display_name: format!("Shop of {name}") };
        users.create_seller(by(id, request)).await.expect("a user may sell");
        id
    }

    /// A thing with so many units, offered at 1,000.00 ARS.
    pub(crate) async fn thing(&self, seller: UserId, on_hand: u32) -> Thing {
        let request = products::CreateProductRequest {
            name: "Lamp".into(),
            condition: products::Condition::New.into(),
            category: "home/lamps".into(),
            price: ars(100_000),
            stock: Some(products::NewStock { on_hand }),
            ..products::CreateProductRequest::default()
        };
        let product = self.clients.products.clone().create_product(by(seller, request)).await;
        let product = product.expect("a product is made").into_inner();
        let request = publications::CreatePublicationRequest {
            product_id: product.id.clone(),
            title: "A lamp".into(),
            payment_methods: vec![PaymentMethod::Automatic.into(), PaymentMethod::Manual.into()],
            ..publications::CreatePublicationRequest::default()
        };
        let publication = self.clients.publications.clone().create_publication(by(seller, request)).await;
        let publication = publication.expect("it is published").into_inner();
        Thing { seller, product: product.id, publication: publication.id }
    }

    /// Units on hand and reserved.
    pub(crate) async fn stock(&self, thing: &Thing) -> (u32, u32) {
        let request = products::BatchGetProductsRequest { ids: vec![thing.product.clone()] };
        let list = self.clients.products.clone().batch_get_products(request).await.expect("a batch is read");
        let stock = list.into_inner().items[0].stock.expect("there is a stock");
        (stock.on_hand, stock.reserved)
    }

    /// Waits until the stock is so.
    pub(crate) async fn until_stock(&self, thing: &Thing, wanted: (u32, u32)) {
        self.eventually("the stock is as wanted", || async { self.stock(thing).await == wanted }).await;
    }

    pub(crate) async fn buy(
        &self,
        buyer: UserId,
        thing: &Thing,
        method: PaymentMethod,
    ) -> Result<pb::Order, Status> {
        self.buy_keyed(buyer, thing, method, &UserId::generate().to_string()).await
    }

    pub(crate) async fn buy_keyed(
        &self,
        buyer: UserId,
        thing: &Thing,
        method: PaymentMethod,
        key: &str,
    ) -> Result<pb::Order, Status> {
        let request = keyed(by(buyer, buy(thing, method)), key);
        let reply = self.client().buy_now(request).await?.into_inner();
        Ok(reply.orders.into_iter().next().expect("there is an order"))
    }

    pub(crate) async fn order(&self, user: UserId, id: &str) -> pb::Order {
        self.client().get_order(by(user, named(id))).await.expect("a party reads it").into_inner()
    }

    pub(crate) async fn until_state(&self, user: UserId, id: &str, state: OrderState) -> pb::Order {
        self.eventually(state.as_str_name(), || async { self.order(user, id).await.state() == state }).await;
        self.order(user, id).await
    }

    /// Waits until a condition holds while the clock runs, ten times as fast as it does outside: what is put off is tried again.
    pub(crate) async fn eventually<F: Future<Output = bool>>(
        &self,
        what: &str,
        mut holds: impl FnMut() -> F,
    ) {
        until(what, || {
            self.ctx.clock.advance(Duration::from_millis(100));
            holds()
        })
        .await;
    }

    /// The caller's orders in one role.
    pub(crate) async fn list(&self, user: UserId, role: &str) -> Vec<pb::Order> {
        let request = pb::ListOrdersRequest {
            role: Some(role.into()),
            limit: Some(100),
            ..pb::ListOrdersRequest::default()
        };
        self.client().list_orders(by(user, request)).await.expect("a list is read").into_inner().items
    }
}

fn run(ctx: &Context, service: Service) -> Running {
    vitrina_chassis::start(ctx.clone(), service).expect("the service starts")
}

fn start(ctx: &Context, config: &Config) -> Running {
    run(ctx, vitrina_orders::start(ctx.clone(), config.clone()).expect("the service is built"))
}

/// A call of a guest with the token of a cart.
pub(crate) fn guest<T>(token: &str, request: T) -> Request<T> {
    let mut request = Request::new(request);
    request.metadata_mut().insert(metadata::CART_TOKEN, token.parse().expect("a token is ASCII"));
    request
}

pub(crate) fn ars(minor: i64) -> Option<Money> {
    Some(Money { minor, currency: "ARS".into() })
}

pub(crate) fn named(id: &str) -> pb::OrderRequest {
    pb::OrderRequest { id: id.to_owned() }
}

/// One unit of a thing, bought at once.
pub(crate) fn buy(thing: &Thing, method: PaymentMethod) -> pb::BuyNowRequest {
    pb::BuyNowRequest {
        publication_id: thing.publication.clone(),
        quantity: 1,
        payment_method: method.into(),
        ..pb::BuyNowRequest::default()
    }
}

/// Checks what a call was refused with.
#[track_caller]
pub(crate) fn check_refused<T: std::fmt::Debug>(result: Result<T, Status>, code: Code, reason: &str) {
    let status = result.expect_err("it is refused");
    assert_eq!((status.code(), Fault::from_status(&status).reason.as_ref()), (code, reason), "{status:?}");
}

/// The states of an order's timeline.
pub(crate) fn states(order: &pb::Order) -> Vec<OrderState> {
    order.timeline.iter().map(pb::OrderMove::state).collect()
}
