//! A crowd: many want the few units that there are, and one wants the same thing many times.
//!
//! `BUYERS`, `UNITS` and `TIMES` make it larger; 1,000 buyers of 100 units are what the design asks for.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::StreamExt;
use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use vitrina_bench::story::{self, Person, purchase_body, stock, surely};
use vitrina_bench::{Answer, Client, Shop, Way};

/// Persons that register at a time: a loaded machine hashes sixty passwords in longer than a registration may take.
const REGISTERING: usize = 3;
/// How often a request is sent again that was told to come back.
const TRIES_MAX: usize = 600;
/// Answers that did not come, in both tests.
static UNCLEAR: AtomicUsize = AtomicUsize::new(0);
/// Held by the test that runs: two shops at once leave a small machine no time to answer either of them.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

fn size(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |size| size.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// Buys, with the same key again while the shop says that it has no time; any other failure is one of the shop. A deadline that
/// passes, or a connection that is lost, says how slow the machine is: it is counted, and the same key goes again.
async fn buy(client: &Client, key: &str, body: &Value) -> Answer {
    for _ in 0..TRIES_MAX {
        let request = client.request(Method::POST, "/v1/orders").header("idempotency-key", key).json(body);
        match client.try_send(request).await {
            Ok(answer) if answer.status == 503 => {
                assert!(!answer.header("retry-after").is_empty(), "it can be tried again: {answer:#?}");
            }
            Ok(answer) if answer.status == 429 => {}
            Ok(answer) if answer.status != 504 => {
                assert!(answer.status < 500, "{answer:#?}");
                return answer;
            }
            Ok(_) | Err(_) => {
                UNCLEAR.fetch_add(1, Ordering::Relaxed);
            }
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("the shop never has time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_gets_what_there_is_and_what_it_gives_back_is_there_again() {
    let (buyers, units) = (size("BUYERS", 150), size("UNITS", 20));
    let _alone = ALONE.lock().await;
    let shop = Shop::start(Way::OneProcess).await;
    let client = shop.client();
    let seller = story::seller(&client, "ana").await;
    let (product, publication) = story::publication(&seller, "Entrada").await;
    let before = u64::try_from(units).expect("it fits");
    let more = json!({"delta": i64::try_from(units).expect("it fits") - 5, "reason": "más entradas"});
    seller.client.post(&format!("/v1/products/{product}/stock-adjustments"), &more).await;
    assert_eq!(stock(&seller, &product).await, (before, 0));
    let crowd: Vec<Person> = futures::stream::iter(0..buyers)
        .map(|_| story::person(&client, "fan"))
        .buffer_unordered(REGISTERING)
        .collect()
        .await;
    // Every second one pays at the provider, which makes the way longer.
    let bodies = ["MANUAL", "AUTOMATIC"].map(|method| purchase_body(&publication, 1, method));
    let answers = join_all(
        crowd.iter().enumerate().map(|(number, fan)| buy(&fan.client, "one", &bodies[number % bodies.len()])),
    );
    let mut orders: Vec<(&Person, String)> = Vec::new();
    for (fan, answer) in crowd.iter().zip(answers.await) {
        if answer.status == 201 {
            assert_eq!(answer.json["orders"].as_array().map(Vec::len), Some(1), "{answer:#?}");
            orders.push((fan, answer.text_at("/orders/0/id")));
        } else {
            let late = answer.expect(409);
            assert_eq!(late.text_at("/code"), "stock_insufficient");
            assert_eq!(late.header("content-type"), "application/problem+json");
        }
    }
    println!("{buyers} wanted {units}; {} answers did not come", UNCLEAR.load(Ordering::Relaxed));
    assert_eq!(orders.len(), units, "every unit is ordered once");
    orders.sort_by(|(_, one), (_, other)| one.cmp(other));
    orders.dedup_by(|(_, one), (_, other)| one == other);
    assert_eq!(orders.len(), units, "by orders of their own");
    assert_eq!(stock(&seller, &product).await, (before, before));
    for (fan, order) in &orders {
        let path = format!("/v1/orders/{order}");
        let cancelled = surely(&fan.client, &format!("{path}/cancel"), "cancel", &json!({})).await;
        assert_eq!(cancelled.expect(200).text_at("/state"), "CANCELLED");
    }
    let path = format!("/v1/products/{product}");
    seller.client.get_until(&path, |answer| story::units(answer) == (before, 0)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_purchase_at_once_many_times_is_one_order_and_one_charge() {
    let times = size("TIMES", 200);
    let _alone = ALONE.lock().await;
    let shop = Shop::start(Way::OneProcess).await;
    let (client, outside) = (shop.client(), shop.outside());
    let seller = story::seller(&client, "ana").await;
    let buyer = story::person(&client, "beto").await;
    let (product, publication) = story::publication(&seller, "Reloj").await;
    let body = purchase_body(&publication, 1, "AUTOMATIC");
    let answers = join_all((0..times).map(|_| buy(&buyer.client, "same", &body))).await;
    let same = buy(&buyer.client, "same", &body).await.expect(201);
    let (order, total) = (same.text_at("/orders/0/id"), same.json.pointer("/orders/0/total"));
    for answer in &answers {
        // Whoever came while the first was under way may be told to wait for it.
        if answer.status != 409 {
            assert_eq!(answer.clone().expect(201).text_at("/orders/0/id"), order);
            assert_eq!(answer.json.pointer("/orders/0/total"), total);
        }
    }
    let count = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
    println!("{times} at once: {} answered by the order, {} told to wait", count(201), count(409));
    let orders = buyer.client.get("/v1/orders?limit=100").await.expect(200);
    assert_eq!(orders.json["items"].as_array().map(Vec::len), Some(1), "{orders:#?}");
    assert_eq!(stock(&seller, &product).await, (5, 1));

    let preference = story::preference(&buyer, &order).await;
    let prepared = outside.get("/sandbox/preferences").await.expect(200);
    assert_eq!(prepared.json.as_array().map(Vec::len), Some(1), "{prepared:#?}");
    assert_eq!(prepared.text_at("/0/id"), preference);
    story::pay(&outside, &preference, "approved").await.expect(201);
    buyer.client.get_until(&format!("/v1/orders/{order}"), |answer| answer.json["state"] == "PAID").await;
    buy(&buyer.client, "same", &body).await.expect(201);
    let charges = outside.get("/sandbox/payments").await.expect(200);
    assert_eq!(charges.json.as_array().map(Vec::len), Some(1), "{charges:#?}");
    assert_eq!(charges.text_at("/0/external_reference"), order);
    assert_eq!(charges.json.pointer("/0/transaction_amount_refunded"), Some(&json!(0)), "{charges:#?}");
    seller
        .client
        .get_until(&format!("/v1/products/{product}"), |answer| story::units(answer) == (4, 0))
        .await;

    let other = purchase_body(&publication, 2, "AUTOMATIC");
    buy(&buyer.client, "same", &other).await.expect(422);
}
