//! Pictures that go out: kept for ever, asked for anew, asked for in part.

use tonic::Status;
use vitrina_proto::images::v1::{GetVariantRequest, VariantBytes};

use crate::support::{Shop, check_problem};

const PATH: &str = "/v1/images/img_1/card.webp";
const PICTURE: &[u8] = b"0123456789";
/// SHA-256 of the picture.
const DIGEST: &str = "84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882";

async fn shop() -> Shop {
    let shop = Shop::whole().await;
    shop.scripts.on("vitrina.images.v1.Images/GetVariant", |request: GetVariantRequest| {
        match (request.id.as_str(), request.variant.as_str()) {
            ("img_1", "card.webp") => Ok(VariantBytes {
                content: PICTURE.to_vec(),
                content_type: "image/webp".into(),
                sha256: DIGEST.into(),
            }),
            _ => Err(Status::not_found("x")),
        }
    });
    shop
}

/// Asks with these header fields, and checks status, `Content-Range` and body.
async fn check(shop: &Shop, fields: &[(&str, &str)], status: u16, range: Option<&str>, body: &[u8]) {
    let request = fields.iter().fold(shop.http.get(shop.url(PATH)), |request, (name, value)| {
        request.header(*name, value.replace("TAG", &format!("\"{DIGEST}\"")))
    });
    let answer = request.send().await.unwrap();
    let told = answer.headers().get("content-range").map(|value| value.to_str().unwrap().to_owned());
    assert_eq!((answer.status().as_u16(), told.as_deref()), (status, range), "{fields:?}");
    if status < 400 {
        let headers = answer.headers();
        assert_eq!(headers["etag"], format!("\"{DIGEST}\""), "{fields:?}");
        assert_eq!(headers["cache-control"], "public, max-age=31536000, immutable", "{fields:?}");
        assert_eq!(answer.bytes().await.unwrap().as_ref(), body, "{fields:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_may_be_kept_for_ever() {
    let shop = shop().await;
    check(&shop, &[], 200, None, PICTURE).await;
    let answer = shop.get(PATH).await;
    assert_eq!(answer.headers()["content-type"], "image/webp");
    assert_eq!(answer.headers()["accept-ranges"], "bytes");
    assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
    check_problem(shop.get("/v1/images/img_2/card.webp").await, 404, "not_found").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_client_has_is_not_sent_again() {
    let shop = shop().await;
    check(&shop, &[("if-none-match", "TAG")], 304, None, b"").await;
    check(&shop, &[("if-none-match", "\"x\", W/TAG"), ("range", "bytes=0-1")], 304, None, b"").await;
    check(&shop, &[("if-none-match", "\"x\"")], 200, None, PICTURE).await;
    check(&shop, &[("if-match", "\"x\", TAG")], 200, None, PICTURE).await;
    check(&shop, &[("if-match", "\"x\"")], 412, None, b"").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_is_sent_when_it_is_asked_for() {
    let shop = shop().await;
    check(&shop, &[("range", "bytes=2-4")], 206, Some("bytes 2-4/10"), b"234").await;
    check(&shop, &[("range", "bytes=8-")], 206, Some("bytes 8-9/10"), b"89").await;
    check(&shop, &[("range", "bytes=-3")], 206, Some("bytes 7-9/10"), b"789").await;
    check(&shop, &[("range", "bytes=2-4"), ("if-range", "TAG")], 206, Some("bytes 2-4/10"), b"234").await;
    check(&shop, &[("range", "bytes=10-")], 416, Some("bytes */10"), b"").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_is_sent_when_a_part_makes_no_sense() {
    let shop = shop().await;
    for range in ["bytes=0-1,4-5", "bytes=4-2", "pages=1-2", "bytes=x-"] {
        check(&shop, &[("range", range)], 200, None, PICTURE).await;
    }
    for other in ["\"x\"", "W/TAG", "Wed, 21 Oct 2026 07:28:00 GMT"] {
        check(&shop, &[("range", "bytes=2-4"), ("if-range", other)], 200, None, PICTURE).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn head_tells_of_the_whole_without_it() {
    let shop = shop().await;
    let request = format!("HEAD {PATH} HTTP/1.1\r\nHost: a\r\nRange: bytes=2-4\r\nConnection: close\r\n\r\n");
    let raw = shop.raw(&request).await;
    let (header, body) = raw.split_once("\r\n\r\n").unwrap();
    let header = header.to_ascii_lowercase();
    assert!(header.starts_with("http/1.1 200") && header.contains("content-length: 10"), "{header}");
    assert!(header.contains(&format!("etag: \"{DIGEST}\"")) && body.is_empty(), "{raw}");
}
