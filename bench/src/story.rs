//! What most tests need first: a person, a seller, a product, a publication.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::{Answer, Client};

/// A password that is nobody's.
pub const PASSWORD: &str = "correct horse battery";

/// A person with a session.
#[derive(Clone, Debug)]
pub struct Person {
    /// Sends requests as this person.
    pub client: Client,
    /// `usr_…`.
    pub id: String,
    /// The username.
    pub username: String,
    /// The refresh token of the session.
    pub refresh_token: String,
}

/// Registers a person whose username starts with `name`.
pub async fn person(client: &Client, name: &str) -> Person {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let username = format!("{name}{number}");
    let body = json!({
        "email": format!("{username}@example.com"), "username": username, "password": PASSWORD,
        "firstName": "Ana", "lastName": "Paz",
    });
    let answer = client.post("/v1/auth/register", &body).await.expect(201);
    let token = answer.text_at("/accessToken");
    Person {
        client: client.with_token(&token),
        id: answer.text_at("/user/id"),
        username,
        refresh_token: answer.text_at("/refreshToken"),
    }
}

/// Registers a person and makes a seller of it; the token knows it.
pub async fn seller(client: &Client, name: &str) -> Person {
    let person = person(client, name).await;
    let body = json!({"displayName": format!("Tienda {name}")});
    person.client.post("/v1/me/seller", &body).await.expect(201);
    login(client, &person).await
}

/// Opens a new session of a person.
pub async fn login(client: &Client, person: &Person) -> Person {
    let body = json!({"login": person.username, "password": PASSWORD});
    let answer = client.post("/v1/auth/login", &body).await.expect(200);
    Person {
        client: client.with_token(&answer.text_at("/accessToken")),
        refresh_token: answer.text_at("/refreshToken"),
        ..person.clone()
    }
}

/// A body that creates a product.
pub fn product_body(name: &str) -> Value {
    json!({
        "name": name, "description": "Muy buena", "condition": "NEW", "category": "electronics/audio",
        "brand": "Koss", "attributes": {"model": "KPH7"},
        "price": {"minor": 598_000, "currency": "ARS"}, "stock": {"onHand": 5},
    })
}

/// Creates a product and gives its id.
pub async fn product(seller: &Person, name: &str) -> String {
    seller.client.post("/v1/products", &product_body(name)).await.expect(201).text_at("/id")
}

/// Creates a product with an active publication and gives (product, publication).
pub async fn publication(seller: &Person, title: &str) -> (String, String) {
    let product = product(seller, title).await;
    let body = json!({"productId": product, "title": title, "paymentMethods": ["AUTOMATIC", "MANUAL"]});
    let publication = seller.client.post("/v1/publications", &body).await.expect(201).text_at("/id");
    (product, publication)
}

/// A body that buys at once.
pub fn purchase_body(publication: &str, quantity: u32, method: &str) -> Value {
    json!({"publicationId": publication, "quantity": quantity, "paymentMethod": method})
}

/// POST with a key, sent again with the same key while a loaded machine has no time for it, as a client should.
pub async fn surely(client: &Client, path: &str, key: &str, body: &Value) -> Answer {
    let mut tries_left = 100;
    loop {
        let request = client.request(Method::POST, path).header("idempotency-key", key).json(body);
        let answer = client.send(request).await;
        tries_left -= 1;
        if !matches!(answer.status, 429 | 503 | 504) || tries_left == 0 {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

/// Units of a product that its seller has, and those of them that are reserved.
pub async fn stock(seller: &Person, product: &str) -> (u64, u64) {
    units(&seller.client.get(&format!("/v1/products/{product}")).await.expect(200))
}

/// The same, of an answer that shows the product.
pub fn units(product: &Answer) -> (u64, u64) {
    let count = |name: &str| product.json["stock"][name].as_u64().unwrap_or(u64::MAX);
    (count("onHand"), count("reserved"))
}

/// Waits for the address at which an order is to be paid, which comes later when the provider is slow; gives the
/// preference that it names.
pub async fn preference(buyer: &Person, order: &str) -> String {
    let is_payable =
        |answer: &Answer| answer.json.pointer("/payment/redirectUrl").is_some_and(Value::is_string);
    let shown = buyer.client.get_until(&format!("/v1/orders/{order}"), is_payable).await;
    let address = shown.text_at("/payment/redirectUrl");
    let (_, preference) = address.split_once("pref_id=").expect("it names the preference");
    preference.to_owned()
}

/// Presses a button of the stand-in's page for payments: `approved`, `pending` or `rejected`.
pub async fn pay(outside: &Client, preference: &str, result: &str) -> Answer {
    outside.post("/checkout/v1/pay", &json!({"pref_id": preference, "result": result})).await
}
