//! A running service with its store, its broker and a clock that the test moves, and the calls that tests make.

use std::collections::BTreeMap;

use tempfile::TempDir;
use tonic::{Request, Response, Status};
pub(crate) use vitrina_chassis::testing::{by, keyed, listen, matching, reason, said, until, wrong_fields};
use vitrina_chassis::{Context, InProcess, Running, UserId, testing};
use vitrina_products::Config;
use vitrina_proto::Timestamp;
use vitrina_proto::common::v1::Money;
use vitrina_proto::events::v1::{ProductChanged, PublicationChanged};
use vitrina_proto::products::v1 as pb;
use vitrina_proto::products::v1::products_client::ProductsClient;
use vitrina_proto::publications::v1::{Publication, PublicationStatus};

vitrina_chassis::id_type!(
    /// An order.
    OrderId, "ord_"
);
vitrina_chassis::id_type!(
    /// A publication.
    PublicationId, "pub_"
);

pub(crate) type Client = ProductsClient<InProcess>;

pub(crate) struct Shop {
    pub(crate) ctx: Context,
    pub(crate) running: Running,
    _dir: TempDir,
}

impl Shop {
    pub(crate) fn open() -> Shop {
        let (ctx, dir) = testing::context();
        Shop::of(ctx, dir)
    }

    pub(crate) fn of(ctx: Context, dir: TempDir) -> Shop {
        let config = Config { lease_sweep_interval_ms: 20, publication_wait_ms: 20_000, ..Config::default() };
        let service = vitrina_products::start(ctx.clone(), config);
        let running = vitrina_chassis::start(ctx.clone(), service).expect("the service starts");
        Shop { ctx, running, _dir: dir }
    }

    pub(crate) fn client(&self) -> Client {
        ProductsClient::new(self.running.in_process()).max_encoding_message_size(usize::MAX)
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.ctx.clock.now_ms()
    }

    pub(crate) fn in_ms(&self, ms: u64) -> Option<Timestamp> {
        Some(Timestamp::from_unix_ms(self.now_ms() + ms))
    }

    pub(crate) async fn create(&self, seller: UserId, on_hand: u32) -> pb::Product {
        let request = pb::CreateProductRequest { stock: Some(pb::NewStock { on_hand }), ..lamp() };
        self.client().create_product(by(seller, request)).await.expect("a lamp is fine").into_inner()
    }

    pub(crate) async fn get(&self, seller: UserId, id: &str) -> Result<pb::Product, Status> {
        let request = pb::GetProductRequest { id: id.to_owned() };
        self.client().get_product(by(seller, request)).await.map(Response::into_inner)
    }

    pub(crate) async fn stock(&self, id: &str) -> (u32, u32) {
        let request = pb::BatchGetProductsRequest { ids: vec![id.to_owned()] };
        let list = self
            .client()
            .batch_get_products(Request::new(request))
            .await
            .expect("a batch is read")
            .into_inner();
        let stock = list.items[0].stock.expect("there is a stock");
        assert_eq!(stock.available, stock.on_hand - stock.reserved);
        (stock.on_hand, stock.reserved)
    }

    pub(crate) async fn reserve(
        &self,
        order: OrderId,
        lines: &[(&str, u32)],
        until: Option<Timestamp>,
    ) -> Result<pb::Reservation, Status> {
        let lines = lines.iter().map(|(id, quantity)| pb::ReserveLine {
            product_id: (*id).to_owned(),
            variant_id: None,
            quantity: *quantity,
        });
        let request = pb::ReserveRequest { order_id: order.to_string(), lines: lines.collect(), until };
        self.client().reserve(Request::new(request)).await.map(Response::into_inner)
    }

    pub(crate) async fn release(&self, order: OrderId) -> Result<pb::Reservation, Status> {
        let request = pb::ReservationRequest { order_id: order.to_string() };
        self.client().release_reservation(Request::new(request)).await.map(Response::into_inner)
    }

    pub(crate) async fn commit(&self, order: OrderId) -> Result<pb::Reservation, Status> {
        let request = pb::ReservationRequest { order_id: order.to_string() };
        self.client().commit_reservation(Request::new(request)).await.map(Response::into_inner)
    }

    /// Tells the service what the publications have done, once it listens.
    pub(crate) async fn hear(
        &self,
        id: PublicationId,
        product: &pb::Product,
        version: u32,
        status: PublicationStatus,
    ) {
        self.running.listening().await;
        let publication = Publication {
            id: id.to_string(),
            version,
            product_id: product.id.clone(),
            seller_id: product.seller_id.clone(),
            status: status.into(),
            ..Publication::default()
        };
        let topic =
            if status == PublicationStatus::Closed { "publication.closed" } else { "publication.changed" };
        let (message, key) = (format!("{id}-{version}"), id.to_string());
        let payload = PublicationChanged { publication: Some(publication) };
        testing::publish(&*self.ctx.broker, &message, topic, &key, &payload).await;
    }

    pub(crate) async fn until_published(&self, seller: UserId, id: &str, publication: Option<PublicationId>) {
        let wanted = publication.map(|id| id.to_string());
        until("the publication is known", || async {
            self.get(seller, id).await.is_ok_and(|product| product.publication_id == wanted)
        })
        .await;
    }
}

pub(crate) fn ars(minor: i64) -> Option<Money> {
    Some(Money { minor, currency: "ARS".into() })
}

/// A request that is fine.
pub(crate) fn lamp() -> pb::CreateProductRequest {
    pb::CreateProductRequest {
        name: "Lamp".into(),
        description: Some("It shines.".into()),
        condition: pb::Condition::New.into(),
        category: "home/lamps".into(),
        brand: Some("Lux".into()),
        attributes: BTreeMap::from([("watt".into(), "9".into())]),
        price: ars(100_000),
        stock: Some(pb::NewStock { on_hand: 5 }),
        variants: Vec::new(),
        sku: None,
    }
}

pub(crate) fn variant(sku: &str, on_hand: u32) -> pb::NewVariant {
    pb::NewVariant {
        sku: sku.into(),
        options: BTreeMap::from([("size".into(), sku.into())]),
        price: None,
        stock: Some(pb::NewStock { on_hand }),
    }
}

/// The next event, as its topic and product.
pub(crate) async fn next_event(consumer: &mut vitrina_broker::Consumer) -> (String, pb::Product) {
    let (topic, event) = testing::next_event::<ProductChanged>(consumer).await;
    (topic, event.product.expect("the product is in it"))
}
