//! A running service with its store, its index, its broker and a clock that the test moves, and the calls that tests make.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tempfile::TempDir;
use tonic::{Request, Response, Status};
use vitrina_broker::Broker;
pub(crate) use vitrina_chassis::testing::{
    as_caller, by, keyed, listen, matching, next_event, reason, said, until, wrong_fields,
};
use vitrina_chassis::{Caller, Clock, Context, InProcess, Running, UserId, testing};
use vitrina_proto::Timestamp;
use vitrina_proto::common::v1::Money;
use vitrina_proto::events::v1 as events;
use vitrina_proto::products::v1::{Condition, Offer, Product, ProductStatus, Stock};
use vitrina_proto::publications::v1 as pb;
use vitrina_proto::publications::v1::publications_client::PublicationsClient;
use vitrina_publications::{Config, Error};
use vitrina_storage::{Options, Store};

/// How long the service waits for events: longer than any delay of a busy machine.
const EVENT_WAIT_MS: u64 = 20_000;

vitrina_chassis::id_type!(
    /// A product.
    ProductId, "prd_"
);
vitrina_chassis::id_type!(
    /// A publication.
    PublicationId, "pub_"
);

pub(crate) type Client = PublicationsClient<InProcess>;

pub(crate) struct Shop {
    pub(crate) ctx: Context,
    running: Running,
    config: Config,
    dir: TempDir,
}

/// What a crash leaves.
pub(crate) struct Remains {
    clock: Clock,
    broker: Arc<dyn Broker>,
    config: Config,
    dir: TempDir,
}

impl Shop {
    /// A shop that has its queue, so that it hears everything.
    pub(crate) async fn open() -> Shop {
        Shop::waiting(EVENT_WAIT_MS).await
    }

    /// A shop that waits so long for events.
    pub(crate) async fn waiting(event_wait_ms: u64) -> Shop {
        let (ctx, dir) = testing::context();
        let index_dir = dir.path().join("index");
        let config = Config { index_dir, event_wait_ms, ..Config::default() };
        Shop::start(ctx, config, dir).await
    }

    async fn start(ctx: Context, config: Config, dir: TempDir) -> Shop {
        let service = tokio::time::timeout(testing::PATIENCE, async {
            loop {
                match vitrina_publications::start(ctx.clone(), config.clone()) {
                    Ok(service) => break service,
                    // Threads of the crashed service still write the index.
                    Err(Error::Index(_)) => tokio::time::sleep(Duration::from_millis(5)).await,
                    Err(error) => panic!("the service does not start: {error:?}"),
                }
            }
        });
        let service = service.await.expect("the index is free in time");
        let running = vitrina_chassis::start(ctx.clone(), service).expect("the service starts");
        running.listening().await;
        Shop { ctx, running, config, dir }
    }

    /// Ends the service where it stands.
    pub(crate) async fn crash(self) -> Remains {
        let Shop { ctx, running, config, dir } = self;
        drop(running);
        ctx.store.close().await;
        Remains { clock: ctx.clock, broker: ctx.broker, config, dir }
    }

    pub(crate) fn client(&self) -> Client {
        PublicationsClient::new(self.running.in_process())
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.ctx.clock.now_ms()
    }

    /// An offer from now on.
    pub(crate) fn offer(&self, minor: i64, for_ms: u64) -> Option<Offer> {
        Some(Offer {
            price: ars(minor),
            starts_at: Some(Timestamp::from_unix_ms(self.now_ms())),
            ends_at: Some(Timestamp::from_unix_ms(self.now_ms() + for_ms)),
        })
    }

    /// Has the service hear of an event, as a message of its own.
    pub(crate) async fn hear(&self, topic: &str, key: &str, payload: &impl prost::Message) {
        send(&self.ctx.broker, topic, key, payload).await;
    }

    /// Has the service hear of a product.
    pub(crate) async fn hear_product(&self, product: &Product) {
        let payload = events::ProductChanged { product: Some(product.clone()), ..Default::default() };
        self.hear("product.changed", &product.id, &payload).await;
    }

    /// Has the service hear of a user.
    pub(crate) async fn hear_user(&self, id: UserId, version: u32, username: &str) {
        let payload = events::UserChanged {
            id: id.to_string(),
            version,
            username: username.to_owned(),
            language: "es".to_owned(),
        };
        self.hear("user.changed", &payload.id, &payload).await;
    }

    /// Has the service hear of a wish.
    pub(crate) async fn hear_wish(&self, topic: &str, user: UserId, publication: &str) {
        let payload =
            events::WishlistChanged { user_id: user.to_string(), publication_id: publication.to_owned() };
        self.hear(topic, publication, &payload).await;
    }

    /// A user of whom the service hears.
    pub(crate) async fn user(&self, username: &str) -> UserId {
        let id = UserId::generate();
        self.hear_user(id, 1, username).await;
        id
    }

    /// Publishes a product, of which the service hears.
    pub(crate) async fn publish(&self, product: &Product, title: &str) -> pb::Publication {
        self.hear_product(product).await;
        let request = new(product, title);
        self.client().create_publication(by(owner(product), request)).await.expect("it is fine").into_inner()
    }

    pub(crate) async fn get(&self, caller: Caller, id: &str) -> Result<pb::Publication, Status> {
        let request = pb::GetPublicationRequest { id: id.to_owned() };
        self.client().get_publication(as_caller(caller, request)).await.map(Response::into_inner)
    }

    pub(crate) async fn put_status(
        &self,
        seller: UserId,
        id: &str,
        status: pb::PublicationStatus,
    ) -> Result<pb::Publication, Status> {
        let request = pb::PutStatusRequest { id: id.to_owned(), status: status.into() };
        self.client().put_status(by(seller, request)).await.map(Response::into_inner)
    }

    pub(crate) async fn ask(&self, user: UserId, publication: &str) -> Result<pb::Question, Status> {
        let request = pb::AskQuestionRequest {
            publication_id: publication.to_owned(),
            text: "¿Tiene garantía?".into(),
        };
        let request = as_caller(Caller::user(user), request);
        self.client().ask_question(request).await.map(Response::into_inner)
    }

    pub(crate) async fn search(&self, request: pb::SearchRequest) -> pb::SearchReply {
        self.client().search(Request::new(request)).await.expect("a search is answered").into_inner()
    }

    /// Titles in the order in which a search finds them.
    pub(crate) async fn titles(&self, request: pb::SearchRequest) -> Vec<String> {
        self.search(request).await.items.into_iter().map(|item| item.title).collect()
    }

    /// Waits until so many publications are found in all.
    pub(crate) async fn until_found(&self, total: u32) {
        until("the index has all", || async { self.search(everything()).await.total == total }).await;
    }
}

impl Remains {
    pub(crate) fn index_dir(&self) -> PathBuf {
        self.config.index_dir.clone()
    }

    /// Publishes imported products for the service that is away, so many at once.
    pub(crate) async fn publish(
        &self,
        at_once: usize,
        ids: &[String],
        event: impl Fn(&str) -> events::ProductPublished,
    ) {
        for some in ids.chunks(at_once) {
            let mut sent = tokio::task::JoinSet::new();
            for payload in some.iter().map(|id| event(id)) {
                let (broker, key) = (Arc::clone(&self.broker), payload.publication_id.clone());
                sent.spawn(async move { send(&broker, "product.published", &key, &payload).await });
            }
            sent.join_all().await;
        }
    }

    /// Starts again on what is there.
    pub(crate) async fn open(self) -> Shop {
        let Remains { clock, broker, config, dir } = self;
        let store = Store::open(&dir.path().join("store"), Options::default()).expect("the store opens");
        Shop::start(Context::new(store, clock, broker), config, dir).await
    }
}

async fn send(broker: &Arc<dyn Broker>, topic: &str, key: &str, payload: &impl prost::Message) {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let id = format!("message-{}", NEXT.fetch_add(1, Ordering::Relaxed));
    testing::publish(&**broker, &id, topic, key, payload).await;
}

/// A product as its events tell of it.
pub(crate) fn product(seller: UserId) -> Product {
    Product {
        id: ProductId::generate().to_string(),
        version: 1,
        seller_id: seller.to_string(),
        description: "De metal.".to_owned(),
        condition: Condition::New.into(),
        category: "hogar/luz".to_owned(),
        brand: Some("Lux".to_owned()),
        price: ars(100_000),
        stock: Some(stock(3)),
        status: ProductStatus::Active.into(),
        ..Product::default()
    }
}

pub(crate) fn stock(available: u32) -> Stock {
    Stock { on_hand: available, reserved: 0, available }
}

pub(crate) fn ars(minor: i64) -> Option<Money> {
    Some(Money { minor, currency: "ARS".into() })
}

pub(crate) fn owner(product: &Product) -> UserId {
    product.seller_id.parse().expect("it is the id of a user")
}

/// A request that is fine.
pub(crate) fn new(product: &Product, title: &str) -> pb::CreatePublicationRequest {
    pb::CreatePublicationRequest {
        product_id: product.id.clone(),
        title: title.to_owned(),
        payment_methods: vec![pb::PaymentMethod::Manual.into()],
        ..pb::CreatePublicationRequest::default()
    }
}

/// A search without words.
pub(crate) fn everything() -> pb::SearchRequest {
    pb::SearchRequest::default()
}

/// A search for words.
pub(crate) fn words(words: &str) -> pb::SearchRequest {
    pb::SearchRequest { q: Some(words.to_owned()), ..everything() }
}
