//! Each write path fails at each of its commits, before and after it is on disk: it happened whole or not at all, and the same
//! call again makes it happen once.

use tempfile::TempDir;
use tonic::{Response, Status};
use vitrina_chassis::{Clock, Context, UserId, testing};
use vitrina_proto::images::v1 as pb;
use vitrina_storage::fault::{self, Faults, When};

use crate::corpus;
use crate::harness::{Shop, by, keyed, sha256_hex, until};

/// A shop whose store fails on command.
async fn failing() -> (Shop, Faults) {
    let (mut ctx, dir): (Context, TempDir) = testing::context();
    let (store, faults) = fault::open(&dir.path().join("failing")).expect("an empty store opens");
    // The first sweep of a store writes a checkpoint; done here, it does not get between a step and its failure.
    store.sweep(testing::START_MS).await.expect("a new store is swept");
    ctx.store = store;
    ctx.clock = Clock::manual(testing::START_MS);
    (Shop::of(ctx, dir).await, faults)
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    Upload,
    Order,
    Delete,
    Create,
    Complete,
}

impl Step {
    /// Commits that the step takes.
    fn commits(self) -> u64 {
        match self {
            // The removal of what may come to nothing stands before the picture.
            Step::Upload | Step::Complete => 2,
            Step::Order | Step::Delete | Step::Create => 1,
        }
    }
}

struct Stage {
    ana: UserId,
    product: String,
    ids: Vec<String>,
    upload: String,
}

fn announcement(stage: &Stage) -> pb::CreateUploadRequest {
    let content = corpus::png(9, 9);
    pb::CreateUploadRequest {
        content_type: "image/png".into(),
        size_bytes: content.len() as u32,
        sha256: sha256_hex(&content),
        product_id: Some(stage.product.clone()),
    }
}

async fn set(shop: &Shop) -> Stage {
    let ana = UserId::generate();
    let product = shop.product(ana).await;
    for side in [10, 20] {
        shop.upload(ana, &product, corpus::png(side, side)).await.expect("it is fine");
    }
    let mut stage = Stage { ana, ids: shop.ids(&product).await, product, upload: String::new() };
    let created = shop.client().create_upload(by(ana, announcement(&stage))).await;
    stage.upload = created.expect("it is fine").into_inner().id;
    shop.put_object(&format!("uploads/{}", stage.upload), &corpus::png(9, 9)).await;
    until("the events are relayed", || async { shop.ctx.store.outbox().pending_count() == 0 }).await;
    stage
}

async fn take(shop: &Shop, step: Step, stage: &Stage) -> Result<Vec<u8>, Status> {
    let (mut client, ana) = (shop.client(), stage.ana);
    let product_id = stage.product.clone();
    match step {
        Step::Upload => {
            let request = pb::UploadProductImageRequest { product_id, content: corpus::png(30, 30) };
            client.upload_product_image(keyed(by(ana, request), "k")).await.map(bytes)
        }
        Step::Order => {
            let ids = stage.ids.iter().rev().cloned().collect();
            let request = pb::OrderProductImagesRequest { product_id, ids };
            client.order_product_images(keyed(by(ana, request), "k")).await.map(bytes)
        }
        Step::Delete => {
            let request = pb::DeleteImageRequest { id: stage.ids[0].clone() };
            client.delete_image(keyed(by(ana, request), "k")).await.map(bytes)
        }
        Step::Create => client.create_upload(keyed(by(ana, announcement(stage)), "k")).await.map(bytes),
        Step::Complete => {
            let request = pb::CompleteUploadRequest { id: stage.upload.clone() };
            client.complete_upload(keyed(by(ana, request), "k")).await.map(bytes)
        }
    }
}

fn bytes<T: prost::Message>(response: Response<T>) -> Vec<u8> {
    response.into_inner().encode_to_vec()
}

async fn check_step(step: Step, nth: u64, when: When) {
    let (shop, faults) = failing().await;
    let stage = set(&shop).await;
    let before = shop.ids(&stage.product).await;
    faults.fail(nth, when);
    let context = format!("{step:?}, commit {nth}, {when:?}");
    assert!(take(&shop, step, &stage).await.is_err(), "{context}");
    faults.heal();
    until("the store can be written", || async { shop.ctx.store.is_read_only().is_none() }).await;
    let failed = shop.ids(&stage.product).await;
    let is_done = nth == step.commits() && when == When::AfterWrite;
    if step != Step::Create {
        assert_eq!(failed != before, is_done, "{context}");
    }
    let first = take(&shop, step, &stage).await.expect("it is fine");
    let after = shop.ids(&stage.product).await;
    if is_done {
        assert_eq!(after, failed, "happened twice: {context}");
    }
    assert_eq!(take(&shop, step, &stage).await.expect("it is fine"), first, "{context}");
    assert_eq!(shop.ids(&stage.product).await, after, "{context}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_write_that_fails_happened_whole_or_not_at_all() {
    for step in [Step::Upload, Step::Order, Step::Delete, Step::Create, Step::Complete] {
        for nth in 1..=step.commits() {
            for when in [When::BeforeWrite, When::AfterWrite] {
                check_step(step, nth, when).await;
            }
        }
    }
}
