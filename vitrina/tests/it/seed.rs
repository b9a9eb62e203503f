//! `vitrina seed`: the same shop each time, once.

use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::process::Command;
use vitrina_bench::{Client, Shop, Way};

const SIZE: [&str; 4] = ["--sellers", "2", "--products", "4"];

/// Runs `vitrina seed` and gives what it says.
async fn seed(shop: &Shop) -> String {
    let data = shop.data().display().to_string();
    let (code, text) = shop.vitrina(&[&["seed", "--data", &data], &SIZE[..]].concat()).await;
    assert_eq!(code, 0, "{text}");
    text
}

/// Logs a generated account in.
async fn log_in(client: &Client, name: &str) -> Client {
    let body = json!({"login": name, "password": "vitrina-demo"});
    client.with_token(&client.post("/v1/auth/login", &body).await.expect(200).text_at("/accessToken"))
}

fn items(list: &Value) -> &[Value] {
    list["items"].as_array().map_or(&[], Vec::as_slice)
}

/// What everybody can see of a shop, without ids and times.
async fn shown(client: &Client) -> Vec<String> {
    let everything = "/v1/publications?limit=100&sort=price_asc";
    let found = client.get_until(everything, |answer| answer.json["total"] == 8).await;
    let mut shown = Vec::new();
    for item in items(&found.json) {
        let id = item["id"].as_str().unwrap_or_default();
        let page = client.get(&format!("/v1/pages/publications/{id}")).await.expect(200);
        let thumb = client.get(&page.text_at("/images/0/variants/thumb")).await.expect(200);
        let texts = |pointer: &str, member: &str| -> Vec<Value> {
            let list = page.json.pointer(pointer).and_then(Value::as_array).cloned().unwrap_or_default();
            list.iter().map(|item| item[member].clone()).collect()
        };
        shown.push(format!(
            "{} {} {} {:?} {:?} {}",
            item["title"],
            item["effectivePrice"],
            item["available"],
            texts("/questions/items", "text"),
            texts("/reviews/items", "rating"),
            thumb.text.len(),
        ));
    }
    shown
}

/// The buyer's orders with all that changes of them.
async fn orders(client: &Client) -> Vec<(String, String, Value)> {
    let list = log_in(client, "buyer").await.get("/v1/orders?limit=100").await.expect(200);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let orders = items(&list.json).iter();
    orders
        .map(|order| {
            (text(&order["id"]), text(&order["lines"][0]["publicationId"]), order["version"].clone())
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_seed_changes_nothing_and_another_shop_gets_the_same() {
    let shop = Shop::start(Way::OneProcess).await;
    let said = seed(&shop).await;
    for word in
        ["complete", "seller1 to seller2", "buyer3", "vitrina-demo", "/docs", "/v1/pages/home", "DEMO"]
    {
        assert!(said.contains(word), "{word} is not named:\n{said}");
    }
    let (before, before_shown) = (orders(&shop.client()).await, shown(&shop.client()).await);
    assert_eq!(before.len(), 8, "a story for each product: {before:#?}");
    let said = seed(&shop).await;
    assert!(said.contains("nothing was changed"), "{said}");
    assert_eq!(orders(&shop.client()).await, before);
    assert_eq!(shown(&shop.client()).await, before_shown);

    let other = Shop::start(Way::OneProcess).await;
    seed(&other).await;
    assert_eq!(shown(&other.client()).await, before_shown);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seed_that_was_broken_off_is_gone_on_with() {
    let shop = Shop::start(Way::OneProcess).await;
    let data = shop.data().display().to_string();
    let mut first = Command::new(env!("CARGO_BIN_EXE_vitrina"))
        .args(["seed", "--data", &data])
        .args(SIZE)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("the program is built");
    // The buyer's second order is being placed or paid.
    let client = shop.client();
    client.get_until("/v1/publications", |answer| answer.json["total"] == 8).await;
    let buyer = log_in(&client, "buyer").await;
    buyer.get_until("/v1/orders", |answer| items(&answer.json).len() >= 2).await;
    first.kill().await.expect("our own child can be killed");

    let said = seed(&shop).await;
    assert!(said.contains("complete"), "{said}");
    let orders = orders(&client).await;
    let mut publications: Vec<&String> = orders.iter().map(|(_, publication, _)| publication).collect();
    publications.sort();
    publications.dedup();
    assert_eq!((orders.len(), publications.len()), (8, 8), "each thing is bought once: {orders:#?}");
    tokio::time::timeout(Duration::from_secs(60), seed(&shop)).await.expect("it ends");
}
