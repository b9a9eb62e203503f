//! What people are told: in the inbox, by mail and on their devices, of what happened anywhere in the shop.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use vitrina_bench::story::{self, Person};
use vitrina_bench::{Answer, Client, Shop, Way};

/// The stand-ins of the outside, found by where an order is to be paid.
async fn outside(buyer: &Person, publication: &str) -> Client {
    let body = json!({"publicationId": publication, "quantity": 1, "paymentMethod": "AUTOMATIC"});
    let request = buyer.client.request(Method::POST, "/v1/orders").header("idempotency-key", "outside");
    let order = buyer.client.send(request.json(&body)).await.expect(201).text_at("/orders/0/id");
    let is_payable =
        |answer: &Answer| answer.json.pointer("/payment/redirectUrl").is_some_and(Value::is_string);
    let address = buyer.client.get_until(&format!("/v1/orders/{order}"), is_payable).await;
    let address = address.text_at("/payment/redirectUrl");
    let (provider, _) = address.split_once("/checkout/").expect("it names the checkout");
    Client::new(provider)
}

/// The first mail of a kind that an address got.
async fn mail(outside: &Client, email: &str, kind: &str) -> Value {
    let is_it = |mail: &Value| mail["to"][0] == email && mail["categories"][0] == kind;
    let list = |answer: &Answer| answer.json.as_array().cloned().unwrap_or_default();
    let answer = outside.get_until("/sandbox/mails", |answer| list(answer).iter().any(is_it)).await;
    list(&answer).into_iter().find(is_it).expect("it is there")
}

/// The token in the link of a mail.
fn token(mail: &Value) -> String {
    let text = mail["text"].as_str().expect("a mail has a text");
    let (_, rest) = text.split_once("?token=").expect("it has a link");
    rest.split_whitespace().next().expect("the link carries a token").to_owned()
}

/// Waits until somebody is told of a kind; gives the inbox.
async fn told(person: &Person, kind: &str) -> Answer {
    let is_told = |answer: &Answer| {
        let items = answer.json["items"].as_array().cloned().unwrap_or_default();
        items.iter().any(|item| item["kind"] == kind)
    };
    person.client.get_until("/v1/me/notifications?limit=100", is_told).await
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_told_by_inbox_mail_and_push() {
    let shop = Shop::start(Way::OneProcess).await;
    let client = shop.client();
    let (seller, buyer) = (story::seller(&client, "ana").await, story::person(&client, "beto").await);
    let (product, publication) = story::publication(&seller, "Radio de viaje").await;
    buyer.client.put("/v1/me/devices/beto-phone", &json!({})).await.expect(200);
    let outside = outside(&buyer, &publication).await;
    let email = |person: &Person| format!("{}@example.com", person.username);
    mail(&outside, &email(&buyer), "welcome").await;
    mail(&outside, &email(&seller), "order_received").await;
    // A token reaches its owner by mail, works once, and is in no log.
    let verify = token(&mail(&outside, &email(&buyer), "verify_email").await);
    client.post("/v1/auth/verify-email", &json!({"token": verify})).await.expect(204);
    client.post("/v1/auth/password/forgot", &json!({"email": email(&buyer)})).await.expect(202);
    let reset = token(&mail(&outside, &email(&buyer), "password_reset").await);
    let other = json!({"token": reset, "password": "another horse battery"});
    client.post("/v1/auth/password/reset", &other).await.expect(204);
    let log = shop.log();
    assert!(!log.contains(&verify) && !log.contains(&reset), "a token is in the log");
    let login = json!({"login": buyer.username, "password": "another horse battery"});
    let fresh = client.post("/v1/auth/login", &login).await.expect(200).text_at("/accessToken");
    let buyer = Person { client: client.with_token(&fresh), ..buyer };
    // A wish, and then a lower price.
    buyer.client.put(&format!("/v1/me/wishlist/{publication}"), &json!({})).await.expect(200);
    let mut price = 598_000;
    let offer = format!("/v1/products/{product}/offer");
    let drop = loop {
        price -= 1000;
        let body = json!({"price": {"minor": price, "currency": "ARS"}, "endsAt": "2099-01-01T00:00:00Z"});
        seller.client.put(&offer, &body).await.expect(200);
        let inbox = buyer.client.get("/v1/me/notifications").await.expect(200);
        let items = inbox.json["items"].as_array().cloned().unwrap_or_default();
        if let Some(item) = items.into_iter().find(|item| item["kind"] == "price_drop") {
            break item;
        }
        assert!(price > 300_000, "the price fell and nobody was told");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert!(drop["title"].as_str().is_some_and(|title| title.contains("Radio de viaje")), "{drop:#}");
    let pushed = |answer: &Answer| {
        let pushes = answer.json.as_array().cloned().unwrap_or_default();
        pushes.iter().any(|push| push["to"] == "beto-phone" && push["data"]["kind"] == "price_drop")
    };
    outside.get_until("/sandbox/pushes", pushed).await;
    // The account's page counts what is unread, and reading one lowers it.
    let unread = told(&buyer, "order_placed").await.json["unread"].as_u64().expect("a count");
    let id = drop["id"].as_str().expect("an id");
    buyer.client.post(&format!("/v1/me/notifications/{id}/read"), &json!({})).await.expect(200);
    let page = buyer.client.get("/v1/pages/account").await.expect(200);
    assert!(page.json["unreadNotifications"].as_u64().is_some_and(|left| left >= unread - 1), "{page:#?}");
    assert_eq!(page.json.get("degraded"), None, "{page:#?}");
    told(&seller, "order_received").await;
}
