//! Bytes that come in: pictures, alone or in a form, and notifications that a provider has signed.

use reqwest::Response;
use vitrina_proto::common::v1::Empty;
use vitrina_proto::images::v1::{Image, ImageReply, PutAvatarRequest, UploadProductImageRequest};
use vitrina_proto::notifications::v1::SignedEvent;
use vitrina_proto::orders::v1::PaymentNotification;

use crate::support::{Shop, check_problem, token};

const UPLOAD: &str = "vitrina.images.v1.Images/UploadProductImage";
const PATH: &str = "/v1/products/prd_1/images";
const PICTURE: &[u8] = b"\xff\xd8\r\n--edge\r\n\x00picture";
const BYTES_MAX: usize = 10_485_760;

/// A shop whose images service takes one picture only.
async fn shop() -> Shop {
    let shop = Shop::whole().await;
    shop.scripts.on(UPLOAD, |request: UploadProductImageRequest| {
        assert_eq!((request.product_id.as_str(), request.content.as_slice()), ("prd_1", PICTURE));
        Ok(ImageReply { image: Some(Image { id: "img_1".into(), ..Image::default() }) })
    });
    shop
}

async fn send(shop: &Shop, kind: &str, body: impl Into<reqwest::Body>) -> Response {
    let request = shop.http.post(shop.url(PATH)).bearer_auth(token("ses_1", &["seller"]));
    request.header("content-type", kind).body(body).send().await.unwrap()
}

/// A form with a part for each name; a file has a name.
fn form(parts: &[(&str, Option<&str>, &[u8])]) -> Vec<u8> {
    let mut form = Vec::new();
    for (name, file, content) in parts {
        form.extend_from_slice(
            format!("--limit\r\nContent-Disposition: form-data; name=\"{name}\"").as_bytes(),
        );
        if let Some(file) = file {
            form.extend_from_slice(format!("; filename=\"{file}\"\r\nContent-Type: image/jpeg").as_bytes());
        }
        form.extend_from_slice(b"\r\n\r\n");
        form.extend_from_slice(content);
        form.extend_from_slice(b"\r\n");
    }
    form.extend_from_slice(b"--limit--\r\n");
    form
}

const FORM: &str = "multipart/form-data; boundary=limit";

async fn check_uploaded(answer: Response) {
    assert_eq!(answer.status(), 201);
    let reply: serde_json::Value = answer.json().await.unwrap();
    assert_eq!(reply["image"]["id"], "img_1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_comes_alone_or_in_a_form() {
    let shop = shop().await;
    check_uploaded(send(&shop, "image/jpeg", PICTURE).await).await;
    check_uploaded(send(&shop, "application/octet-stream", PICTURE).await).await;
    check_uploaded(send(&shop, FORM, form(&[("file", Some("a.jpg"), PICTURE)])).await).await;
    let quoted = "Multipart/Form-Data; charset=utf-8; boundary=\"limit\"";
    check_uploaded(send(&shop, quoted, form(&[("picture", Some("ñ %22.jpg"), PICTURE)])).await).await;
    assert_eq!(shop.scripts.seen(UPLOAD).len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_avatar_is_put_as_a_whole() {
    let shop = shop().await;
    shop.scripts.on("vitrina.images.v1.Images/PutAvatar", |request: PutAvatarRequest| {
        assert_eq!(request.content, PICTURE);
        Ok(ImageReply::default())
    });
    let request = shop.http.put(shop.url("/v1/me/avatar")).bearer_auth(token("ses_1", &[]));
    let answer = request.header("content-type", "image/png").body(PICTURE).send().await.unwrap();
    assert_eq!(answer.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_bytes_and_forms_are_taken() {
    let shop = shop().await;
    for kind in ["application/json", "text/plain", "multipart/mixed; boundary=limit"] {
        let answer = send(&shop, kind, PICTURE).await;
        assert_eq!(answer.headers()["accept"], "multipart/form-data, image/*, application/octet-stream");
        check_problem(answer, 415, "unsupported_media_type").await;
    }
    assert!(shop.scripts.seen(UPLOAD).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_holds_one_file_and_nothing_else() {
    let shop = shop().await;
    let file = ("file", Some("a.jpg"), PICTURE);
    for parts in [&[][..], &[("file", None, PICTURE)], &[file, file], &[file, ("title", None, b"x")]] {
        check_problem(send(&shop, FORM, form(parts)).await, 400, "form_invalid").await;
    }
    let whole = form(&[file]);
    for broken in [whole[..whole.len() / 2].to_vec(), b"no form".to_vec(), b"--limit\r\n".to_vec()] {
        check_problem(send(&shop, FORM, broken).await, 400, "form_invalid").await;
    }
    check_problem(send(&shop, "multipart/form-data", whole).await, 400, "form_invalid").await;
    assert!(shop.scripts.seen(UPLOAD).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_has_a_bound_also_within_a_form() {
    let shop = Shop::whole().await;
    shop.scripts.on(UPLOAD, |request: UploadProductImageRequest| {
        assert_eq!(request.content.len(), BYTES_MAX);
        Ok(ImageReply::default())
    });
    let picture = vec![7; BYTES_MAX + 1];
    let in_form = |picture: &[u8]| form(&[("file", Some("a.jpg"), picture)]);
    assert_eq!(send(&shop, "image/jpeg", picture[1..].to_vec()).await.status(), 201);
    assert_eq!(send(&shop, FORM, in_form(&picture[1..])).await.status(), 201);
    check_problem(send(&shop, FORM, in_form(&picture)).await, 413, "body_too_large").await;
    // Told before it is read, which a client notices before or after it has sent all.
    let header = format!(
        "POST {PATH} HTTP/1.1\r\nHost: a\r\nContent-Type: image/jpeg\r\nAuthorization: Bearer {}\r\n\
         Content-Length: {}\r\n\r\n",
        token("ses_1", &["seller"]),
        picture.len()
    );
    let answer = shop.raw(&header).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_notification_comes_with_its_signature_only() {
    let shop = Shop::whole().await;
    let rpc = "vitrina.orders.v1.Orders/ReceivePayment";
    shop.scripts.on(rpc, |request: PaymentNotification| {
        assert_eq!((request.data_id(), request.r#type()), ("77", "payment"));
        assert_eq!(request.body, b"{\"not\": parsed");
        let headers: Vec<_> =
            request.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(headers, [("x-request-id", "r 1"), ("x-signature", "ts=1,v1=ab")]);
        Ok(Empty {})
    });
    let request = shop.http.post(shop.url("/v1/webhooks/mercadopago?data.id=77&type=payment"));
    let request = request.header("x-signature", "ts=1,v1=ab").header("x-request-id", "r 1");
    let request = request.header("x-twilio-email-event-webhook-signature", "c").header("cookie", "a=b");
    let answer = request.header("content-type", "application/json").body("{\"not\": parsed").send();
    assert_eq!(answer.await.unwrap().status(), 200);
    assert_eq!(shop.scripts.seen(rpc).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_events_come_with_their_signature_only() {
    let shop = Shop::whole().await;
    shop.scripts.on("vitrina.notifications.v1.Notifications/ReceiveMailEvents", |request: SignedEvent| {
        let names: Vec<_> = request.headers.keys().map(String::as_str).collect();
        let prefix = "x-twilio-email-event-webhook";
        assert_eq!(names, [format!("{prefix}-signature"), format!("{prefix}-timestamp")]);
        assert_eq!(request.body, b"[]\r\n");
        Ok(Empty {})
    });
    let request = shop.http.post(shop.url("/v1/webhooks/sendgrid"));
    let request = request.header("X-Twilio-Email-Event-Webhook-Signature", "MEUC=");
    let request = request.header("X-Twilio-Email-Event-Webhook-Timestamp", "1").header("x-signature", "a");
    assert_eq!(request.body("[]\r\n").send().await.unwrap().status(), 204);
}
