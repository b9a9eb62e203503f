//! Notifications of payments: signed, repeated, duplicated, reordered.

use ring::hmac;
use serde_json::{Value, json};

use crate::bench::{Bench, Ear, Heard, payment};

fn notified(ear: &Ear) -> Value {
    let mut asked = payment("APRO");
    asked["notification_url"] = json!(format!("{}?shop=1", ear.url));
    asked
}

/// Verifies the signature as the vendor's documentation says, with another implementation of HMAC.
fn check_signature(heard: &Heard, id: &str) {
    let signature = heard.header("x-signature");
    let (ts, v1) = signature.split_once(',').unwrap();
    let (ts, v1) = (ts.strip_prefix("ts=").unwrap(), v1.strip_prefix("v1=").unwrap());
    let manifest = format!("id:{id};request-id:{};ts:{ts};", heard.header("x-request-id"));
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"vitrina-webhook-secret");
    let digest: Vec<u8> =
        (0..v1.len()).step_by(2).map(|at| u8::from_str_radix(&v1[at..at + 2], 16).unwrap()).collect();
    assert!(hmac::verify(&key, manifest.as_bytes(), &digest).is_ok(), "{signature}");
    let now_s = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert!(now_s.abs_diff(ts.parse().unwrap()) < 300);
}

#[tokio::test]
async fn a_notification_is_signed_and_tells_only_the_id() {
    let (bench, ear) = (Bench::start().await, Ear::open().await);
    let (_, paid) = bench.post("/v1/payments", "k", &notified(&ear)).await;
    let heard = &ear.hears(1).await[0];
    let id = paid["id"].to_string();
    assert_eq!(heard.uri.query(), Some(format!("shop=1&data.id={id}&type=payment").as_str()));
    check_signature(heard, &id);
    let body = heard.json();
    assert_eq!(
        (&body["data"]["id"], &body["type"], &body["action"]),
        (&json!(id), &json!("payment"), &json!("payment.created"))
    );
    assert!(body.get("status").is_none() && body.get("transaction_amount").is_none());
}

#[tokio::test]
async fn what_is_not_answered_well_is_sent_again() {
    let (bench, ear) = (Bench::start().await, Ear::open().await);
    ear.will_answer(&[503, 500]);
    let (_, paid) = bench.post("/v1/payments", "k", &notified(&ear)).await;
    let heard = ear.hears(3).await;
    assert_eq!(heard.len(), 3);
    assert!(heard.iter().all(|one| one.body == heard[0].body));
    heard.iter().for_each(|one| check_signature(one, &paid["id"].to_string()));
}

#[tokio::test]
async fn each_change_is_notified_and_a_replay_is_not() {
    let (bench, ear) = (Bench::start().await, Ear::open().await);
    let (_, paid) = bench.post("/v1/payments", "k", &notified(&ear)).await;
    bench.post("/v1/payments", "k", &notified(&ear)).await;
    bench.post(&format!("/v1/payments/{}/refunds", paid["id"]), "r", &json!({})).await;
    let heard = ear.hears(2).await;
    let mut actions: Vec<Value> = heard.iter().map(|one| one.json()["action"].clone()).collect();
    actions.sort_by_key(Value::to_string);
    assert_eq!(actions, [json!("payment.created"), json!("payment.updated")]);
}

#[tokio::test]
async fn the_knobs_send_twice_and_out_of_order() {
    let (bench, ear) = (Bench::start().await, Ear::open().await);
    bench.turn(json!({ "provider": "mercadopago", "duplicate": true })).await;
    bench.post("/v1/payments", "k", &notified(&ear)).await;
    let heard = ear.hears(2).await;
    assert_eq!(heard[0].body, heard[1].body);
    assert_ne!(heard[0].header("x-request-id"), heard[1].header("x-request-id"));

    bench.turn(json!({ "provider": "mercadopago", "reorder": true })).await;
    for number in 0..4 {
        bench.post("/v1/payments", &format!("k{number}"), &notified(&ear)).await;
    }
    let ids: Vec<u64> =
        ear.hears(6).await[2..].iter().map(|one| one.json()["id"].as_u64().unwrap()).collect();
    assert!(!ids.is_sorted(), "{ids:?}");
}
