//! `vitrina up --demo`: somebody who looks at the shop for the first time finds something of everything.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use vitrina_bench::{Client, Options, Shop, Way};

/// How long the filling may take on a loaded machine.
const FILLED_WITHIN: Duration = Duration::from_secs(300);

/// States that an order can rest in, as far as nobody has to wait for them.
const STATES: [&str; 7] =
    ["RESERVED", "AWAITING_PAYMENT", "PAID", "SHIPPED", "FINISHED", "CANCELLED", "REFUNDED"];
/// Those that it passes in moments.
const PASSED: [&str; 2] = ["CREATED", "REFUNDING"];
const PAYMENTS: [&str; 6] = ["pending", "rejected", "approved", "refunded", "charged_back", "failed"];

async fn demo() -> Shop {
    let options = Options { arguments: vec!["--demo".to_owned()], ..Options::default() };
    let shop = Shop::start_with(Way::OneProcess, options).await;
    filled(&shop).await;
    assert!(shop.log().contains("is being filled in the background"), "{}", shop.log());
    shop
}

/// Waits until the shop says that the demo is complete.
async fn filled(shop: &Shop) {
    let deadline = tokio::time::Instant::now() + FILLED_WITHIN;
    loop {
        let log = shop.log();
        if log.contains("the demo shop is complete") {
            return;
        }
        assert!(!log.contains("not complete") && tokio::time::Instant::now() < deadline, "{log}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn log_in(client: &Client, name: &str) -> Client {
    let body = json!({"login": name, "password": "vitrina-demo"});
    client.with_token(&client.post("/v1/auth/login", &body).await.expect(200).text_at("/accessToken"))
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_holds_something_of_everything() {
    let shop = demo().await;
    let client = shop.client();
    let buyer = log_in(&client, "buyer").await;
    orders(&buyer).await;
    sellers(&client).await;
    pictures_and_lists(&client).await;
    let page = buyer.get("/v1/pages/wishlist").await.expect(200);
    assert!(!list(&page.json, "cards").is_empty(), "{page:#?}");
    let told = buyer.get("/v1/me/notifications").await.expect(200);
    assert!(!list(&told.json, "items").is_empty(), "{told:#?}");

    let data = shop.data().display().to_string();
    let again = shop.vitrina(&["seed", "--sellers", "3", "--products", "8", "--data", &data]).await;
    assert!(again.0 == 0 && again.1.contains("nothing was changed"), "{}", again.1);
}

/// The buyer has an order in every state, paid in every way and come to every end.
async fn orders(buyer: &Client) {
    for state in STATES {
        let found = buyer.get(&format!("/v1/orders?state={state}")).await.expect(200);
        assert!(!list(&found.json, "items").is_empty(), "no order is {state}");
    }
    let all = buyer.get("/v1/orders?limit=100").await.expect(200);
    let all = list(&all.json, "items");
    let passed: Vec<&Value> =
        all.iter().flat_map(|order| list(order, "timeline")).map(|entry| &entry["state"]).collect();
    for state in PASSED {
        assert!(passed.iter().any(|passed| *passed == state), "no order was {state}");
    }
    for kind in ["AUTOMATIC", "MANUAL"] {
        assert!(all.iter().any(|order| order["payment"]["kind"] == kind), "no payment is {kind}");
    }
    for status in PAYMENTS {
        assert!(all.iter().any(|order| order["payment"]["status"] == status), "no payment is {status}");
    }
    assert!(all.iter().any(|order| order["discount"]["minor"].as_i64() > Some(0)), "no coupon is used");
    assert!(all.iter().all(|order| order["address"].is_string()), "they go somewhere: {all:#?}");
}

/// Every seller has a score, a face, questions and orders.
async fn sellers(client: &Client) {
    let mut answered = (0, 0);
    for name in ["seller1", "seller2", "seller3"] {
        let seller = log_in(client, name).await;
        let profile = seller.get("/v1/me/seller").await.expect(200);
        let path = format!("/v1/pages/sellers/{}", profile.text_at("/id"));
        let has_score = |page: &vitrina_bench::Answer| {
            page.json.pointer("/seller/score/count").and_then(Value::as_u64) >= Some(2)
                && page.json.pointer("/seller/avatar").is_some()
        };
        let page = client.get_until(&path, has_score).await;
        let reviews = page.json.pointer("/reviews/items").and_then(Value::as_array).map_or(0, Vec::len);
        assert!(reviews >= 2, "{page:#?}");
        let sold = seller.get("/v1/orders?role=seller").await.expect(200);
        assert!(!list(&sold.json, "items").is_empty(), "{name} has sold nothing");
        for card in list(&page.json, "publications") {
            let id = card["publicationId"].as_str().unwrap_or_default();
            let asked = client.get(&format!("/v1/publications/{id}/questions")).await.expect(200);
            let asked = list(&asked.json, "items");
            answered.0 += asked.iter().filter(|question| question["answer"].is_object()).count();
            answered.1 += asked.iter().filter(|question| question["answer"].is_null()).count();
        }
    }
    assert!(answered.0 > 0 && answered.1 > 0, "some are answered, some wait: {answered:?}");
}

/// The home page is full, and each of its cards has a picture that is served.
async fn pictures_and_lists(client: &Client) {
    let is_full = |answer: &vitrina_bench::Answer| {
        let lists = ["newest", "onOffer", "mostWished"].map(|name| list(&answer.json, name));
        lists.iter().all(|cards| {
            !cards.is_empty()
                && cards.iter().all(|card| card["image"].is_string() && card["seller"]["score"].is_object())
        })
    };
    let home = client.get_until("/v1/pages/home?limit=20", is_full).await;
    assert!(home.json["degraded"].is_null(), "{home:#?}");
    let cards = ["newest", "onOffer", "mostWished"].map(|name| list(&home.json, name));
    for card in cards.iter().copied().flatten() {
        let path = card["image"].as_str().unwrap_or_default();
        let served = client.send(client.request(Method::GET, path)).await.expect(200);
        assert_eq!(served.header("content-type"), "image/webp", "{path}");
    }
    let dear = |card: &Value| card["effectivePrice"]["minor"].as_u64() < card["price"]["minor"].as_u64();
    assert!(list(&home.json, "onOffer").iter().all(dear), "{home:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_demo_that_was_interrupted_is_gone_on_with() {
    let options = Options { arguments: vec!["--demo".to_owned()], ..Options::default() };
    let mut shop = Shop::start_with(Way::OneProcess, options).await;
    shop.client().get_until("/v1/publications", |answer| answer.json["total"].as_u64() > Some(2)).await;
    shop.stop("shop").await;
    assert!(!shop.log().contains("the demo shop is complete"), "{}", shop.log());
    shop.restart("shop");
    filled(&shop).await;
    let found = shop.client().get_until("/v1/publications", |answer| answer.json["total"] == 24).await;
    assert_eq!(found.json["total"], 24);
}
