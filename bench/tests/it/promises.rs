//! What the HTTP API promises, the same in one process and in separate ones.

use serde_json::{Value, json};
use vitrina_bench::story::{self, Person};
use vitrina_bench::{Client, Shop, Way};

use crate::purchase;

#[tokio::test(flavor = "multi_thread")]
async fn the_shop_in_one_process_keeps_its_promises() {
    promises(&Shop::start(Way::OneProcess).await.client_guard()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shop_in_separate_processes_keeps_its_promises() {
    promises(&Shop::start(Way::Processes).await.client_guard()).await;
}

/// Keeps the shop alive as long as its client.
struct Guard {
    _shop: Shop,
    client: Client,
}

trait Guarded {
    fn client_guard(self) -> Guard;
}

impl Guarded for Shop {
    fn client_guard(self) -> Guard {
        Guard { client: self.client(), _shop: self }
    }
}

async fn promises(shop: &Guard) {
    let client = &shop.client;
    let seller = story::seller(client, "ana").await;
    let buyer = story::person(client, "beto").await;
    health(client).await;
    writes_are_idempotent(&seller).await;
    versions_are_kept(&seller).await;
    bodies_are_checked(&seller).await;
    a_changed_price_reaches_the_search(client, &seller).await;
    questions_are_asked_and_answered(client, &seller, &buyer).await;
    lists_have_pages(&seller).await;
    sessions_end(client, &buyer).await;
    a_seller_needs_no_new_token(client).await;
    purchase::pictures(client).await;
    purchase::by_transfer(client).await;
    purchase::through_the_provider(client).await;
}

async fn health(client: &Client) {
    client.get("/healthz").await.expect(200);
    client.get("/docs").await.expect(200);
    let document = client.get("/openapi.json").await.expect(200);
    assert_eq!(document.text_at("/openapi"), "3.1.0");
    let answer = client.get("/v1/nothing").await.expect(404);
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert!(!answer.text_at("/traceId").is_empty());
    assert!(!answer.header("x-request-id").is_empty());
    assert!(answer.header("traceresponse").contains(&answer.text_at("/traceId")));
    client.delete("/v1/auth/login").await.expect(405);
}

async fn writes_are_idempotent(seller: &Person) {
    let send = |body: Value| {
        let request = seller.client.request(reqwest::Method::POST, "/v1/products");
        seller.client.send(request.header("idempotency-key", "one").json(&body)).to_owned_future()
    };
    let first = send(story::product_body("Once")).await.expect(201);
    let again = send(story::product_body("Once")).await.expect(201);
    assert_eq!(first.text_at("/id"), again.text_at("/id"));
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(first.header("idempotent-replayed"), "");
    send(story::product_body("Other")).await.expect(422);
}

/// Boxes a future, so that a closure can give it.
trait Boxed: Sized {
    fn to_owned_future(self) -> std::pin::Pin<Box<Self>>;
}

impl<F: Future> Boxed for F {
    fn to_owned_future(self) -> std::pin::Pin<Box<Self>> {
        Box::pin(self)
    }
}

async fn versions_are_kept(seller: &Person) {
    let path = format!("/v1/products/{}", story::product(seller, "Versiones").await);
    let read = seller.client.get(&path).await.expect(200);
    let tag = read.header("etag").to_owned();
    assert!(!tag.is_empty(), "{read:#?}");
    let unchanged = seller.client.request(reqwest::Method::GET, &path).header("if-none-match", &tag);
    seller.client.send(unchanged).await.expect(304);
    let patch = |tag: String, name: &str| {
        let request = seller.client.request(reqwest::Method::PATCH, &path).header("if-match", tag);
        seller.client.send(request.json(&json!({"name": name}))).to_owned_future()
    };
    patch(tag.clone(), "Nueva").await.expect(200);
    patch(tag, "Vieja").await.expect(412);
    assert_eq!(seller.client.get(&path).await.expect(200).text_at("/name"), "Nueva");
}

async fn bodies_are_checked(seller: &Person) {
    let fields = |answer: &vitrina_bench::Answer| -> Vec<String> {
        let errors = answer.json["errors"].as_array().cloned().unwrap_or_default();
        errors.iter().filter_map(|error| error["field"].as_str().map(str::to_owned)).collect()
    };
    let wrong = json!({"name": "", "category": "", "condition": "NEW",
        "price": {"minor": -1, "currency": "pesos"}, "stock": {"onHand": 1}});
    let answer = seller.client.post("/v1/products", &wrong).await.expect(400);
    for field in ["name", "category", "price.minor", "price.currency"] {
        assert!(fields(&answer).iter().any(|named| named == field), "{field} is not named: {answer:#?}");
    }
    let product = story::product(seller, "Precio").await;
    let priced = json!({"productId": product, "title": "Precio", "paymentMethods": ["MANUAL"], "price": 1});
    let answer = seller.client.post("/v1/publications", &priced).await.expect(400);
    assert_eq!(fields(&answer), ["price"], "{answer:#?}");
    let request = seller.client.request(reqwest::Method::POST, "/v1/products");
    let broken = request.header("content-type", "application/json").body("{\"name\": ");
    seller.client.send(broken).await.expect(400);
    let request = seller.client.request(reqwest::Method::POST, "/v1/products");
    seller.client.send(request.header("content-type", "text/html").body("<p>")).await.expect(415);
    let request = seller.client.request(reqwest::Method::POST, "/v1/products");
    let large = request.header("content-type", "application/json").body(" ".repeat(200_000));
    seller.client.send(large).await.expect(413);
}

async fn a_changed_price_reaches_the_search(client: &Client, seller: &Person) {
    let (product, publication) = story::publication(seller, "Cámara réflex").await;
    let found = format!("/v1/publications?q=camara+reflex&seller={}", seller.id);
    client.get_until(&found, |answer| answer.text.contains(&publication)).await;
    let typo = format!("/v1/publications?q=camera&seller={}", seller.id);
    client.get_until(&typo, |answer| answer.text.contains(&publication)).await;
    let price = json!({"price": {"minor": 777_700, "currency": "ARS"}});
    seller.client.patch(&format!("/v1/products/{product}"), &price).await.expect(200);
    let page = client.get(&format!("/v1/pages/publications/{publication}")).await.expect(200);
    assert_eq!(page.json.pointer("/product/effectivePrice/minor"), Some(&json!(777_700)), "{page:#?}");
    let has_price =
        |answer: &vitrina_bench::Answer| answer.json.pointer("/items/0/price/minor") == Some(&json!(777_700));
    client.get_until(&found, has_price).await;
    let answer = seller.client.delete(&format!("/v1/products/{product}")).await.expect(409);
    assert_eq!(answer.text_at("/code"), "publication_active");
}

async fn questions_are_asked_and_answered(client: &Client, seller: &Person, buyer: &Person) {
    let (_, publication) = story::publication(seller, "Bicicleta").await;
    let path = format!("/v1/publications/{publication}/questions");
    let text = json!({"text": "¿Hace envíos?"});
    client.post(&path, &text).await.expect(401);
    assert_eq!(seller.client.post(&path, &text).await.expect(403).text_at("/code"), "own_publication");
    let question = buyer.client.post(&path, &text).await.expect(201);
    assert_eq!(question.text_at("/askedBy/username"), buyer.username);
    let answer = format!("/v1/questions/{}/answer", question.text_at("/id"));
    seller.client.post(&answer, &json!({"text": "Sí"})).await.expect(201);
    seller.client.post(&answer, &json!({"text": "No"})).await.expect(409);
    let page = client.get(&format!("/v1/pages/publications/{publication}")).await.expect(200);
    assert_eq!(page.text_at("/questions/items/0/answer/text"), "Sí");
}

async fn lists_have_pages(seller: &Person) {
    for number in 0..3 {
        story::product(seller, &format!("Página {number}")).await;
    }
    let first = seller.client.get("/v1/products?limit=2").await.expect(200);
    assert_eq!(first.json["items"].as_array().map(Vec::len), Some(2), "{first:#?}");
    let next = format!("/v1/products?limit=2&cursor={}", first.text_at("/nextCursor"));
    let second = seller.client.get(&next).await.expect(200);
    assert_ne!(first.text_at("/items/1/id"), second.text_at("/items/0/id"));
    seller.client.get("/v1/products?limit=1000").await.expect(400);
    seller.client.get("/v1/products?cursor=nonsense").await.expect(400);
    seller.client.get("/v1/products?limit=2&utm_source=mail").await.expect(200);
}

async fn sessions_end(client: &Client, person: &Person) {
    let person = story::login(client, person).await;
    person.client.get("/v1/me").await.expect(200);
    person.client.get("/v1/me/notifications").await.expect(200);
    client.with_token("nonsense").get("/v1/me").await.expect(401);
    let body = json!({"refreshToken": person.refresh_token});
    client.post("/v1/auth/logout", &body).await.expect(204);
    person.client.get("/v1/me").await.expect(401);
    client.post("/v1/auth/refresh", &body).await.expect(401);
}

async fn a_seller_needs_no_new_token(client: &Client) {
    let person = story::person(client, "carla").await;
    let answer = person.client.post("/v1/products", &story::product_body("Nada")).await.expect(403);
    assert_eq!(answer.text_at("/code"), "seller_required");
    person.client.post("/v1/me/seller", &json!({"displayName": "Carla"})).await.expect(201);
    story::product(&person, "Algo").await;
}
