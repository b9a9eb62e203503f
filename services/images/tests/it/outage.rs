//! The bucket is away, or answers badly: nothing is lost, nothing is left behind, and it is said so.

use std::time::Duration;

use tonic::Code;
use vitrina_chassis::UserId;

use crate::corpus;
use crate::harness::{Shop, reason, until};

const DOWN: &str = r#"{"provider":"s3","down":true}"#;
const UP: &str = r#"{"provider":"s3"}"#;

#[tokio::test(flavor = "multi_thread")]
async fn uploads_are_unavailable_while_the_bucket_is_away() {
    let shop = Shop::open().await;
    let ana = UserId::generate();
    let product = shop.product(ana).await;
    let image = shop.upload(ana, &product, corpus::png(900, 500)).await.expect("it is fine");
    shop.variant(&image.id, "card.webp").await.expect("it is there");
    shop.knobs(DOWN).await;
    let refused = shop.upload(ana, &product, corpus::png(30, 30)).await.expect_err("it is away");
    assert_eq!(refused.code(), Code::Unavailable);
    assert_eq!(reason::<()>(Err(refused)), "storage_unavailable");
    assert_eq!(reason(shop.variant(&image.id, "page.webp").await), "storage_unavailable");
    shop.variant(&image.id, "card.webp").await.expect("it is in memory");
    assert_eq!(shop.ids(&product).await, std::slice::from_ref(&image.id));
    shop.delete(ana, &image.id).await.expect("the objects go when the bucket is back");
    shop.knobs(UP).await;
    shop.upload(ana, &product, corpus::png(30, 30)).await.expect("it is back");
    // The removal was put off while the bucket was away, and what the refused upload may have left goes in an hour.
    shop.ctx.clock.advance(Duration::from_secs(2 * 60 * 60));
    let kept = shop.ids(&product).await;
    until("only the picture that is there has objects", || async {
        shop.objects().await.iter().all(|key| key.contains(&kept[0]))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_breaks_off_leaves_no_objects() {
    let shop = Shop::open().await;
    let ana = UserId::generate();
    let product = shop.product(ana).await;
    // Most calls fail: the retries of the client get some variants through, and most often not all.
    shop.knobs(r#"{"provider":"s3","errorRate":0.85}"#).await;
    let mut refused = 0;
    for side in 10..14 {
        refused += u32::from(shop.upload(ana, &product, corpus::png(side, side)).await.is_err());
    }
    shop.knobs(UP).await;
    assert!(refused > 0, "the knob does nothing");
    let kept = shop.ids(&product).await;
    shop.ctx.clock.advance(Duration::from_secs(2 * 60 * 60));
    until("only pictures that are there have objects", || async {
        shop.objects().await.iter().all(|key| kept.iter().any(|id| key.contains(id)))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_somebody_changed_is_not_given_out() {
    let shop = Shop::open().await;
    let image = shop.put_avatar(UserId::generate(), corpus::png(20, 20)).await.expect("it is fine");
    for key in shop.objects().await {
        shop.put_object(&key, b"something else").await;
    }
    let status = shop.variant(&image.id, "page.webp").await.expect_err("it was changed");
    assert_eq!(status.code(), Code::Internal);
}
