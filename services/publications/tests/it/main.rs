//! The service as its callers see it: through the real router, on a real store, fed by the embedded broker.

use std::time::Duration;

use prost::Message as _;
use tempfile::TempDir;
use tonic::{Code, Request};
use vitrina_chassis::{Caller, Context, InProcess, Running, UserId, testing};
use vitrina_proto::common::v1::Money;
use vitrina_proto::events::v1::ProductChanged;
use vitrina_proto::products::v1::{Product, ProductStatus, Stock};
use vitrina_proto::publications::v1 as pb;
use vitrina_proto::publications::v1::publications_client::PublicationsClient;
use vitrina_publications::Config;

/// How long a condition is waited for: generous, since the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(30);

vitrina_chassis::id_type!(
    /// A product.
    ProductId, "prd_"
);

struct Shop {
    ctx: Context,
    running: Running,
    _dir: TempDir,
}

impl Shop {
    fn open() -> Shop {
        let (ctx, dir) = testing::context();
        let config = Config { index_dir: dir.path().join("index"), ..Config::default() };
        let service = vitrina_publications::start(ctx.clone(), config).expect("an empty index opens");
        let running = vitrina_chassis::start(ctx.clone(), service).expect("the service starts");
        Shop { ctx, running, _dir: dir }
    }

    fn client(&self) -> PublicationsClient<InProcess> {
        PublicationsClient::new(self.running.in_process())
    }

    /// A product of the seller, of which the service hears.
    async fn product(&self, seller: UserId) -> String {
        self.running.listening().await;
        let id = ProductId::generate().to_string();
        let product = Product {
            id: id.clone(),
            version: 1,
            seller_id: seller.to_string(),
            category: "home/light".to_owned(),
            price: Some(Money { minor: 500, currency: "ARS".to_owned() }),
            stock: Some(Stock { on_hand: 3, reserved: 0, available: 3 }),
            status: ProductStatus::Active.into(),
            ..Product::default()
        };
        let message = vitrina_broker::Message {
            id: id.clone(),
            topic: "product.changed".to_owned(),
            key: id.clone(),
            payload: ProductChanged { product: Some(product) }.encode_to_vec().into(),
            headers: Vec::new(),
        };
        self.ctx.broker.publish(message).await.expect("the broker takes it");
        id
    }
}

fn by<T>(caller: Caller, request: T) -> Request<T> {
    let mut request = Request::new(request);
    caller.to_metadata(request.metadata_mut());
    request
}

fn lamp(product_id: String) -> pb::CreatePublicationRequest {
    pb::CreatePublicationRequest {
        product_id,
        title: "Lámpara de pie".to_owned(),
        payment_methods: vec![pb::PaymentMethod::Manual.into()],
        ..pb::CreatePublicationRequest::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publication_is_made_once_found_asked_about_and_closed() {
    let shop = Shop::open();
    let (seller, buyer) = (UserId::generate(), UserId::generate());
    let product = shop.product(seller).await;
    let mut client = shop.client();
    let create = || by(Caller::seller(seller), lamp(product.clone()));
    let made = client.create_publication(create()).await.expect("the product is own").into_inner();
    assert_eq!(client.create_publication(create()).await.unwrap_err().code(), Code::Aborted);
    let stranger = by(Caller::seller(buyer), lamp(product.clone()));
    assert_eq!(client.create_publication(stranger).await.unwrap_err().code(), Code::NotFound);

    let found = tokio::time::timeout(PATIENCE, async {
        loop {
            let request = pb::SearchRequest { q: Some("lamparas".to_owned()), ..Default::default() };
            let reply =
                client.search(Request::new(request)).await.expect("a search is answered").into_inner();
            if reply.total > 0 {
                break reply;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    let found = found.await.expect("the index catches up");
    assert_eq!((found.items[0].id.as_str(), found.items[0].available), (made.id.as_str(), 3));

    let text = "¿Tiene garantía?".to_owned();
    let question = || pb::AskQuestionRequest { publication_id: made.id.clone(), text: text.clone() };
    let own = client.ask_question(by(Caller::seller(seller), question())).await.unwrap_err();
    assert_eq!(own.code(), Code::PermissionDenied);
    let asked =
        client.ask_question(by(Caller::user(buyer), question())).await.expect("it is on sale").into_inner();
    let answer = || pb::AnswerQuestionRequest { id: asked.id.clone(), text: "Sí".to_owned() };
    client.answer_question(by(Caller::seller(seller), answer())).await.expect("it is open");
    let again = client.answer_question(by(Caller::seller(seller), answer())).await.unwrap_err();
    assert_eq!(again.code(), Code::Aborted);

    let close = pb::DeletePublicationRequest { id: made.id.clone() };
    client.delete_publication(by(Caller::seller(seller), close)).await.expect("it is own");
    let get = Request::new(pb::GetPublicationRequest { id: made.id });
    assert_eq!(client.get_publication(get).await.unwrap_err().code(), Code::NotFound);
}
