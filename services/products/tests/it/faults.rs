//! Each write path fails at its commit, before and after it is on disk: it happened whole or not at all, and the same call
//! again makes it happen once.

use tempfile::TempDir;
use tonic::{Response, Status};
use vitrina_chassis::{Clock, Context, UserId, testing};
use vitrina_proto::products::v1 as pb;
use vitrina_storage::fault::{self, Faults, When};
use vitrina_storage::{Options, Store};

use crate::harness::{OrderId, Shop, ars, by, keyed, lamp, until};

/// A shop whose store fails on command. Its broker is closed, so that the relay writes nothing in between.
async fn failing() -> (Shop, Faults) {
    let dir = TempDir::new().expect("there is room");
    let (store, faults) = fault::open(&dir.path().join("store")).expect("an empty store opens");
    // The first sweep of a store writes a checkpoint; done here, it does not get between a step and its failure.
    store.sweep(testing::START_MS).await.expect("a new store is swept");
    let broker = vitrina_broker::embedded(
        Store::open(&dir.path().join("broker"), Options::default()).expect("an empty store opens"),
    );
    broker.close().await;
    (Shop::of(Context::new(store, Clock::manual(testing::START_MS), broker), dir), faults)
}

/// Everything that a step may have changed: the product, the seller's list, and the events.
async fn state(shop: &Shop, seller: UserId) -> (Vec<pb::Product>, u64) {
    let request = by(seller, pb::ListProductsRequest::default());
    let products = shop.client().list_products(request).await.expect("a list is read").into_inner().items;
    (products, shop.ctx.store.outbox().pending_count())
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Create,
    Update,
    Offer,
    Adjust,
    Reserve,
    Commit,
    Release,
    Delete,
    Import,
}

async fn take(shop: &Shop, step: Step, ana: UserId, id: &str, order: OrderId) -> Result<(), Status> {
    let (mut client, id) = (shop.client(), id.to_owned());
    match step {
        Step::Create => {
            let request = pb::CreateProductRequest { sku: Some("new".into()), ..lamp() };
            client.create_product(keyed(by(ana, request), "k")).await.map(done)
        }
        Step::Update => {
            let request = pb::UpdateProductRequest { id, name: Some("New".into()), ..Default::default() };
            client.update_product(keyed(by(ana, request), "k")).await.map(done)
        }
        Step::Offer => {
            let request =
                pb::PutOfferRequest { id, price: ars(1), ends_at: shop.in_ms(1000), ..Default::default() };
            client.put_offer(keyed(by(ana, request), "k")).await.map(done)
        }
        Step::Adjust => {
            let request = pb::AdjustStockRequest { id, delta: 1, reason: "found".into(), variant_id: None };
            client.adjust_stock(keyed(by(ana, request), "k")).await.map(done)
        }
        Step::Reserve => shop.reserve(order, &[(&id, 2)], shop.in_ms(60_000)).await.map(drop),
        Step::Commit => shop.commit(order).await.map(drop),
        Step::Release => shop.release(order).await.map(drop),
        Step::Delete => {
            client.delete_product(keyed(by(ana, pb::DeleteProductRequest { id }), "k")).await.map(done)
        }
        Step::Import => {
            let csv = b"sku,title,price\na,Lamp,1\nb,Lamp,1\n".to_vec();
            client
                .import_products(by(ana, pb::ImportProductsRequest { csv, ..Default::default() }))
                .await
                .map(done)
        }
    }
}

fn done<T>(_: Response<T>) {}

async fn check_step(step: Step, when: When) {
    let (shop, faults) = failing().await;
    let ana = UserId::generate();
    let id = shop.create(ana, 5).await.id;
    let order = OrderId::generate();
    if matches!(step, Step::Commit | Step::Release) {
        take(&shop, Step::Reserve, ana, &id, order).await.expect("it is fine");
    }
    let before = state(&shop, ana).await;
    faults.fail(1, when);
    assert!(take(&shop, step, ana, &id, order).await.is_err(), "{step:?} {when:?}");
    faults.heal();
    until("the store can be written", || async { shop.ctx.store.is_read_only().is_none() }).await;
    let failed = state(&shop, ana).await;
    assert_eq!(failed == before, when == When::BeforeWrite, "{step:?} {when:?}");
    take(&shop, step, ana, &id, order).await.expect("it is fine");
    let after = state(&shop, ana).await;
    assert_ne!(after, before, "{step:?} {when:?}");
    if when == When::AfterWrite {
        assert_eq!(after, failed, "{step:?} happened twice");
    }
    let events = if matches!(step, Step::Import) { 2 } else { 1 };
    assert_eq!(after.1, before.1 + events, "{step:?} {when:?}");
}

#[tokio::test]
async fn every_write_that_fails_happened_whole_or_not_at_all() {
    use Step::{Adjust, Commit, Create, Delete, Import, Offer, Release, Reserve, Update};
    for step in [Create, Update, Offer, Adjust, Reserve, Commit, Release, Delete, Import] {
        for when in [When::BeforeWrite, When::AfterWrite] {
            check_step(step, when).await;
        }
    }
}
