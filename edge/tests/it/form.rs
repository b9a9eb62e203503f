//! What a request must look like, and what is said when it does not.

use vitrina_edge::EdgeConfig;
use vitrina_proto::common::v1::Money;
use vitrina_proto::products::v1::{CreateProductRequest, Product};
use vitrina_proto::users::v1::{UpdateMeRequest, User};

use crate::support::{Shop, ana, check_problem, token};

const SELLER: &[&str] = &["seller"];

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_path_and_an_unknown_method_are_told_apart() {
    let shop = Shop::open().await;
    check_problem(shop.get("/v1/nothing").await, 404, "not_found").await;
    check_problem(shop.get("/v1/products/").await, 404, "not_found").await;
    let answer = shop.http.put(shop.url("/v1/products")).send().await.unwrap();
    assert_eq!(answer.headers()["allow"], "GET, HEAD, OPTIONS, POST");
    check_problem(answer, 405, "method_not_allowed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_not_configured_is_not_implemented() {
    let shop = Shop::open().await;
    for path in ["/v1/orders", "/v1/me/notifications", "/v1/images/img_1/card", "/v1/pages/cart/car_1"] {
        check_problem(shop.get(path).await, 501, "service_not_configured").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_must_be_of_the_type_and_size_that_the_route_takes() {
    let shop = Shop::open().await;
    let post = |kind: &'static str, body: String| {
        shop.http.post(shop.url("/v1/auth/login")).header("content-type", kind).body(body).send()
    };
    let answer = post("text/plain", "{}".into()).await.unwrap();
    assert_eq!(answer.headers()["accept"], "application/json");
    check_problem(answer, 415, "unsupported_media_type").await;
    let large = format!("{{\"login\": \"{}\"}}", "x".repeat(70_000));
    check_problem(post("application/json", large).await.unwrap(), 413, "body_too_large").await;
    let problem =
        check_problem(post("application/json", "{\"logn\": 1}".into()).await.unwrap(), 400, "invalid_input")
            .await;
    assert_eq!(problem["errors"][0]["field"], "logn", "{problem}");
    let answer = post("application/json; charset=utf-8", "{\"login\": ".into()).await.unwrap();
    assert_eq!(answer.status(), 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_and_a_target_have_bounds() {
    let shop = Shop::open().await;
    let large = "x".repeat(20_000);
    let answer = shop.http.get(shop.url("/healthz")).header("x-large", &large).send().await.unwrap();
    check_problem(answer, 431, "header_too_large").await;
    check_problem(shop.get(&format!("/healthz?{large}")).await, 414, "target_too_long").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotency_key_is_passed_on_when_it_is_sane() {
    let shop = Shop::open().await;
    let update = "vitrina.users.v1.Users/UpdateMe";
    shop.scripts.on(update, |_: UpdateMeRequest| Ok(ana()));
    let patch = |key: String| {
        let body = serde_json::json!({"firstName": "Ana"});
        let request = shop.http.patch(shop.url("/v1/me")).bearer_auth(token("ses_1", &[]));
        request.header("idempotency-key", key).json(&body).send()
    };
    assert_eq!(patch("k-1".into()).await.unwrap().status(), 200);
    assert_eq!(shop.scripts.seen(update)[0]["x-vitrina-idempotency-key"], "k-1");
    for key in ["k".repeat(256), "a b".into(), String::new()] {
        check_problem(patch(key).await.unwrap(), 400, "idempotency_key_invalid").await;
    }
    assert_eq!(shop.scripts.seen(update).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entity_tag_of_ours_is_a_precondition() {
    let shop = Shop::open().await;
    let update = "vitrina.users.v1.Users/UpdateMe";
    shop.scripts.on(update, |_: UpdateMeRequest| Ok(User { version: 4, ..ana() }));
    let token = token("ses_1", &[]);
    let tag = shop.get_as("/v1/me", &token).await.headers()["etag"].to_str().unwrap().to_owned();
    assert!(tag.starts_with("\"3-"), "{tag}");
    let patch = |tag: String| {
        let body = serde_json::json!({"firstName": "Ana"});
        shop.http.patch(shop.url("/v1/me")).bearer_auth(&token).header("if-match", tag).json(&body).send()
    };
    let answer = patch(tag).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.headers()["etag"].to_str().unwrap().starts_with("\"4-"));
    assert_eq!(shop.scripts.seen(update)[0]["x-vitrina-if-match"], "3");
    check_problem(patch("W/\"3\"".into()).await.unwrap(), 412, "precondition_failed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_created_has_a_place() {
    let shop = Shop::open().await;
    shop.scripts.on("vitrina.products.v1.Products/CreateProduct", |request: CreateProductRequest| {
        assert_eq!(request.price, Some(Money { minor: 598_000, currency: "ARS".into() }));
        Ok(Product { id: "prd_1".into(), version: 1, name: request.name, ..Product::default() })
    });
    let body = serde_json::json!({
        "name": "Radio", "condition": "NEW", "category": "audio", "price": {"minor": 598_000, "currency": "ARS"},
    });
    let request = shop.http.post(shop.url("/v1/products")).bearer_auth(token("ses_1", SELLER));
    let answer = request.json(&body).send().await.unwrap();
    assert_eq!(answer.status(), 201);
    assert_eq!(answer.headers()["location"], "/v1/products/prd_1");
    let product: serde_json::Value = answer.json().await.unwrap();
    assert_eq!(product["name"], "Radio");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_an_allowed_origin_may_call() {
    let mut config = EdgeConfig::default();
    config.cors.origins = vec!["https://shop.example".into()];
    let shop = Shop::open_with(config, None).await;
    let preflight = |origin: &'static str| {
        let request = shop.http.request(reqwest::Method::OPTIONS, shop.url("/v1/products"));
        request.header("origin", origin).header("access-control-request-method", "POST").send()
    };
    let answer = preflight("https://shop.example").await.unwrap();
    assert_eq!(answer.status(), 204);
    assert_eq!(answer.headers()["access-control-allow-origin"], "https://shop.example");
    assert!(answer.headers()["access-control-allow-methods"].to_str().unwrap().contains("POST"));
    let answer = preflight("https://evil.example").await.unwrap();
    assert!(!answer.headers().contains_key("access-control-allow-origin"));
    let answer =
        shop.http.get(shop.url("/healthz")).header("origin", "https://shop.example").send().await.unwrap();
    assert!(answer.headers()["access-control-expose-headers"].to_str().unwrap().contains("etag"));
    assert_eq!(answer.headers()["vary"], "origin");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_carries_what_protects_and_explains_it() {
    let shop = Shop::open().await;
    for path in ["/healthz", "/v1/nothing", "/v1/me"] {
        let answer = shop.get(path).await;
        let headers = answer.headers();
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert!(headers.contains_key("x-request-id"), "{path}");
        assert!(headers["server-timing"].to_str().unwrap().starts_with("total;dur="));
        assert!(headers["content-security-policy"].to_str().unwrap().contains("default-src 'none'"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_contract_is_there_for_machines_and_people() {
    let shop = Shop::open().await;
    let document: serde_json::Value = shop.get("/openapi.json").await.json().await.unwrap();
    assert!(document["paths"]["/v1/products/{id}"]["get"].is_object());
    let answer = shop.get("/docs").await;
    assert_eq!(answer.headers()["content-type"], "text/html; charset=utf-8");
    let page = answer.text().await.unwrap();
    assert!(!page.contains("https://") && page.contains("/openapi.json"));
}
