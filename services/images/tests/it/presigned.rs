//! A picture goes to the bucket by itself, and the service is told afterwards.

use std::time::Duration;

use tonic::Status;
use vitrina_chassis::UserId;
use vitrina_proto::images::v1 as pb;

use crate::corpus;
use crate::harness::{Shop, by, reason, sha256_hex, until};

const TWO_HOURS: Duration = Duration::from_secs(2 * 60 * 60);

fn announce(content: &[u8], product: Option<&str>) -> pb::CreateUploadRequest {
    pb::CreateUploadRequest {
        content_type: "image/png".into(),
        size_bytes: content.len() as u32,
        sha256: sha256_hex(content),
        product_id: product.map(str::to_owned),
    }
}

async fn create(shop: &Shop, user: UserId, content: &[u8], product: Option<&str>) -> pb::Upload {
    let created = shop.client().create_upload(by(user, announce(content, product))).await;
    created.expect("it may upload").into_inner()
}

async fn complete(shop: &Shop, user: UserId, id: &str) -> Result<pb::Image, Status> {
    let request = pb::CompleteUploadRequest { id: id.to_owned() };
    let completed = shop.client().complete_upload(by(user, request)).await;
    completed.map(|reply| reply.into_inner().image.expect("the picture is in the answer"))
}

async fn put(upload: &pb::Upload, content: &[u8]) -> reqwest::StatusCode {
    let mut request =
        vitrina_outgoing::client().build().expect("a client is made").put(&upload.url).body(content.to_vec());
    for (name, value) in &upload.headers {
        request = request.header(name, value);
    }
    request.send().await.expect("the bucket answers").status()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_becomes_a_picture_once() {
    let shop = Shop::open().await;
    let ana = UserId::generate();
    let product = shop.product(ana).await;
    let content = corpus::png(700, 300);
    let upload = create(&shop, ana, &content, Some(&product)).await;
    assert_eq!(reason(complete(&shop, ana, &upload.id).await), "upload_missing");
    assert!(put(&upload, &content).await.is_success());
    let image = complete(&shop, ana, &upload.id).await.expect("the bytes are there");
    assert_eq!(complete(&shop, ana, &upload.id).await.expect("it is done already"), image);
    assert_eq!(shop.list(&product).await.expect("it is known"), [image]);
    // Object and row of the upload go in the end, the variants stay.
    shop.ctx.clock.advance(TWO_HOURS);
    until("the upload is forgotten", || async { complete(&shop, ana, &upload.id).await.is_err() }).await;
    until("its object is removed", || async {
        shop.objects().await.iter().all(|key| key.starts_with("images/"))
    })
    .await;
    assert_eq!(shop.objects().await.len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_announced_bytes_are_taken() {
    let shop = Shop::open().await;
    let ana = UserId::generate();
    let content = corpus::png(70, 30);
    let upload = create(&shop, ana, &content, None).await;
    assert!(!put(&upload, &corpus::png(30, 70)).await.is_success(), "the signature binds them");
    assert_eq!(reason(complete(&shop, ana, &upload.id).await), "upload_missing");
    // Whoever gets past the signature is found out all the same.
    let mut other = content.clone();
    other[40] ^= 1;
    for wrong in [other, [&content[..], b"x"].concat(), content[1..].to_vec()] {
        shop.put_object(&format!("uploads/{}", upload.id), &wrong).await;
        assert_eq!(reason(complete(&shop, ana, &upload.id).await), "upload_differs");
    }
    shop.put_object(&format!("uploads/{}", upload.id), &content).await;
    complete(&shop, ana, &upload.id).await.expect("now they are there");
    assert_eq!(shop.batch(&[&ana.to_string()]).await.len(), 1, "without a product it is the avatar");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_is_its_makers_and_expires() {
    let shop = Shop::open().await;
    let (ana, eve) = (UserId::generate(), UserId::generate());
    let product = shop.product(ana).await;
    let content = corpus::png(7, 3);
    let refused = shop.client().create_upload(by(eve, announce(&content, Some(&product)))).await;
    assert_eq!(reason(refused), "not_found");
    let upload = create(&shop, ana, &content, Some(&product)).await;
    assert!(put(&upload, &content).await.is_success());
    assert_eq!(reason(complete(&shop, eve, &upload.id).await), "not_found");
    shop.ctx.clock.advance(Duration::from_secs(15 * 60));
    assert_eq!(reason(complete(&shop, ana, &upload.id).await), "not_found");
    shop.ctx.clock.advance(TWO_HOURS);
    until("its object is removed", || async { shop.objects().await.is_empty() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_announcement_names_what_is_wrong_with_it() {
    let shop = Shop::open().await;
    let ana = UserId::generate();
    let fine = announce(&corpus::png(7, 3), None);
    for (field, wrong) in [
        ("contentType", pb::CreateUploadRequest { content_type: "image/svg+xml".into(), ..fine.clone() }),
        ("sizeBytes", pb::CreateUploadRequest { size_bytes: 0, ..fine.clone() }),
        ("sizeBytes", pb::CreateUploadRequest { size_bytes: 10 * 1024 * 1024 + 1, ..fine.clone() }),
        ("sha256", pb::CreateUploadRequest { sha256: "abc".into(), ..fine.clone() }),
    ] {
        let status = shop.client().create_upload(by(ana, wrong)).await.expect_err("it is refused");
        let fault = vitrina_chassis::Fault::from_status(&status);
        assert_eq!(fault.fields.iter().map(|wrong| wrong.field.as_str()).collect::<Vec<_>>(), [field]);
    }
}
