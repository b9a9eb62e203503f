//! Each write path fails at its commit, before and after it is on disk: it happened whole or not at all, and the same again
//! makes it happen once. Here and not through the running service, whose relay and indexer write at moments of their own.

use std::ops::Bound;
use std::time::Duration;

use tempfile::TempDir;
use vitrina_chassis::ids::UserId;
use vitrina_chassis::{Call, Caller, Clock, Context, Message, testing};
use vitrina_proto::common::v1::Money;
use vitrina_proto::events::v1 as heard;
use vitrina_proto::products::v1::{Product, ProductStatus};
use vitrina_proto::publications::v1 as pb;
use vitrina_storage::fault::{self, Faults, When};
use vitrina_storage::{Direction, Options, Raw, Store};

use super::App;
use crate::config::Config;
use crate::error::Error;
use crate::model::{ProductId, PublicationId};
use crate::{events, indexer};

/// How long the store may take to come back.
const PATIENCE: Duration = Duration::from_secs(30);

/// The rooms of the service on a store that fails on command, without its loops.
struct Rooms {
    app: App,
    faults: Faults,
    seller: UserId,
    buyer: UserId,
    product: ProductId,
    _dir: TempDir,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Create,
    Update,
    Status,
    Close,
    Ask,
    Answer,
    RemoveQuestion,
    HearProduct,
    HearDeleted,
    HearPublished,
    HearUser,
    HearWish,
    HearUnwish,
}

impl Rooms {
    async fn open() -> Rooms {
        let dir = TempDir::new().expect("there is room");
        let (store, faults) = fault::open(&dir.path().join("store")).expect("an empty store opens");
        // The first sweep of a store writes a checkpoint; done here, it does not get between a step and its failure.
        store.sweep(testing::START_MS).await.expect("a new store is swept");
        let broker = vitrina_broker::embedded(
            Store::open(&dir.path().join("broker"), Options::default()).expect("an empty store opens"),
        );
        let ctx = Context::new(store, Clock::manual(testing::START_MS), broker);
        let config = Config { index_dir: dir.path().join("index"), event_wait_ms: 0, ..Config::default() };
        let search = indexer::open(&ctx, &config).expect("an empty index opens").search;
        Rooms {
            app: App::new(&ctx, search.into(), &config),
            faults,
            seller: UserId::generate(),
            buyer: UserId::generate(),
            product: ProductId::generate(),
            _dir: dir,
        }
    }

    /// A call of the seller or the buyer, always with the same key.
    fn call<T>(&self, caller: Caller, request: T) -> Call<T> {
        Call::new(caller, request, self.app.clock.now_ms()).keyed("k")
    }

    fn heard_product(&self, version: u32) -> Product {
        Product {
            id: self.product.to_string(),
            version,
            seller_id: self.seller.to_string(),
            category: "hogar".to_owned(),
            price: Some(Money { minor: 100, currency: "ARS".to_owned() }),
            status: ProductStatus::Active.into(),
            ..Product::default()
        }
    }

    /// Takes in a message as the inbox does.
    async fn hear(&self, topic: &str, payload: &impl prost::Message) -> Result<(), Error> {
        let message = Message {
            id: topic.to_owned(),
            topic: topic.to_owned(),
            key: self.product.to_string(),
            payload: payload.encode_to_vec().into(),
            headers: Vec::new(),
        };
        let store = &self.app.store;
        if store.is_handled(&message.id)? {
            return Ok(());
        }
        if let Some(mut commit) = events::heard(store, &message, self.app.clock.now_ms())? {
            commit.mark_handled(&message.id);
            store.commit(commit).await?;
        }
        Ok(())
    }

    async fn hear_wish(&self, topic: &str, publication: &str) -> Result<(), Error> {
        let (user_id, publication_id) = (self.buyer.to_string(), publication.to_owned());
        self.hear(topic, &heard::WishlistChanged { user_id, publication_id }).await
    }

    async fn create(&self) -> Result<String, Error> {
        let request = pb::CreatePublicationRequest {
            product_id: self.product.to_string(),
            title: "Lámpara".to_owned(),
            payment_methods: vec![pb::PaymentMethod::Manual.into()],
            ..Default::default()
        };
        Ok(self.app.create_publication(self.call(Caller::seller(self.seller), request)).await?.reply.id)
    }

    async fn ask(&self, publication: &str) -> Result<String, Error> {
        let request =
            pb::AskQuestionRequest { publication_id: publication.to_owned(), text: "¿Qué tal?".to_owned() };
        Ok(self.app.ask_question(self.call(Caller::user(self.buyer), request)).await?.reply.id)
    }

    async fn take(&self, step: Step, publication: &str, question: &str) -> Result<(), Error> {
        let (app, seller) = (&self.app, Caller::seller(self.seller));
        let (id, asked) = (publication.to_owned(), question.to_owned());
        match step {
            Step::Create => self.create().await.map(drop),
            Step::Update => {
                let title = Some("Velador".to_owned());
                let request = pb::UpdatePublicationRequest { id, title, ..Default::default() };
                app.update_publication(self.call(seller, request)).await.map(drop)
            }
            Step::Status => {
                let request = pb::PutStatusRequest { id, status: pb::PublicationStatus::Paused.into() };
                app.put_status(self.call(seller, request)).await.map(drop)
            }
            Step::Close => {
                app.delete_publication(self.call(seller, pb::DeletePublicationRequest { id })).await.map(drop)
            }
            Step::Ask => self.ask(publication).await.map(drop),
            Step::Answer => {
                let request = pb::AnswerQuestionRequest { id: asked, text: "Bien.".to_owned() };
                app.answer_question(self.call(seller, request)).await.map(drop)
            }
            Step::RemoveQuestion => {
                let request = pb::DeleteQuestionRequest { id: asked };
                app.delete_question(self.call(Caller::user(self.buyer), request)).await.map(drop)
            }
            Step::HearProduct => self.hear_product("product.changed", self.heard_product(2)).await,
            Step::HearDeleted => {
                let deleted = Product { status: ProductStatus::Deleted.into(), ..self.heard_product(2) };
                self.hear_product("product.deleted", deleted).await
            }
            Step::HearPublished => {
                let publication_id = PublicationId::at(1).to_string();
                let product = Some(self.heard_product(2));
                let payload = heard::ProductPublished { product, publication_id, ..Default::default() };
                self.hear("product.published", &payload).await
            }
            Step::HearUser => {
                let payload =
                    heard::UserChanged { id: self.buyer.to_string(), version: 1, ..Default::default() };
                self.hear("user.registered", &payload).await
            }
            Step::HearWish => self.hear_wish("wishlist.added", publication).await,
            Step::HearUnwish => self.hear_wish("wishlist.removed", publication).await,
        }
    }

    async fn hear_product(&self, topic: &str, product: Product) -> Result<(), Error> {
        self.hear(topic, &heard::ProductChanged { product: Some(product), ..Default::default() }).await
    }

    /// Every row of the service, and how many events wait.
    fn state(&self) -> (Vec<(Vec<u8>, Raw)>, u64) {
        let store = &self.app.store;
        let rows = store.scan((Bound::Unbounded, Bound::Unbounded), 1000, Direction::Forward);
        (rows.expect("the store is read"), store.outbox().pending_count())
    }

    async fn until_writable(&self) {
        let look = async {
            while self.app.store.is_read_only().is_some() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        assert!(tokio::time::timeout(PATIENCE, look).await.is_ok(), "the store does not come back");
    }
}

async fn check_step(step: Step, when: When) {
    let rooms = Rooms::open().await;
    let (mut publication, mut question) = (String::new(), String::new());
    rooms.hear_product("product.stock_changed", rooms.heard_product(1)).await.expect("it is fine");
    if !matches!(step, Step::Create | Step::HearPublished) {
        publication = rooms.create().await.expect("it is fine");
    }
    if matches!(step, Step::Answer | Step::RemoveQuestion) {
        question = rooms.ask(&publication).await.expect("it is fine");
    }
    if step == Step::HearUnwish {
        rooms.take(Step::HearWish, &publication, "").await.expect("it is fine");
    }
    let before = rooms.state();
    rooms.faults.fail(1, when);
    assert!(rooms.take(step, &publication, &question).await.is_err(), "{step:?} {when:?}");
    rooms.faults.heal();
    rooms.until_writable().await;
    let failed = rooms.state();
    assert_eq!(failed == before, when == When::BeforeWrite, "{step:?} {when:?}");
    rooms.take(step, &publication, &question).await.expect("it is fine");
    let after = rooms.state();
    assert_ne!(after, before, "{step:?} {when:?}");
    if when == When::AfterWrite {
        assert_eq!(after, failed, "{step:?} happened twice");
    }
    use Step::{HearProduct, HearPublished, HearUnwish, HearUser, HearWish};
    let is_silent = matches!(step, HearProduct | HearPublished | HearUser | HearWish | HearUnwish);
    assert_eq!(after.1, before.1 + u64::from(!is_silent), "{step:?} {when:?}");
}

#[tokio::test]
async fn every_write_that_fails_happened_whole_or_not_at_all() {
    use Step::*;
    for step in [
        Create,
        Update,
        Status,
        Close,
        Ask,
        Answer,
        RemoveQuestion,
        HearProduct,
        HearDeleted,
        HearPublished,
        HearUser,
        HearWish,
        HearUnwish,
    ] {
        for when in [When::BeforeWrite, When::AfterWrite] {
            check_step(step, when).await;
        }
    }
}
