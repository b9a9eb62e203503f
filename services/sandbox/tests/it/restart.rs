//! What outlives a crash: everything that was answered.

use std::fs::OpenOptions;
use std::io::Write as _;

use serde_json::json;
use vitrina_sandbox::{Error, Sandbox, SandboxConfig};

use crate::bench::{Bench, Ear, payment};

#[tokio::test]
async fn payments_keys_and_preferences_are_there_again() {
    let bench = Bench::start().await;
    let (_, paid) = bench.post("/v1/payments", "k", &payment("APRO")).await;
    let refunds = format!("/v1/payments/{}/refunds", paid["id"]);
    let (_, refund) = bench.post(&refunds, "r", &json!({ "amount": 1 })).await;
    let items = json!({ "items": [{ "title": "Mate", "quantity": 1, "unit_price": 3 }] });
    let (_, preference) = bench.post("/checkout/preferences", "p", &items).await;
    let key = bench.running.mail_events_key().to_owned();
    let bench = bench.crash().await;
    assert_eq!(bench.post("/v1/payments", "k", &payment("APRO")).await, (201, paid.clone()));
    assert_eq!(bench.post("/v1/payments", "k", &payment("FUND")).await.0, 409);
    assert_eq!(bench.get(&refunds).await, (200, json!([refund])));
    let (code, read) =
        bench.get(&format!("/checkout/preferences/{}", preference["id"].as_str().unwrap())).await;
    assert_eq!((code, &read["items"]), (200, &preference["items"]));
    assert_eq!(bench.running.mail_events_key(), key);
    let (_, newer) = bench.post("/v1/payments", "k2", &payment("APRO")).await;
    assert!(newer["id"].as_u64() > refund["id"].as_u64());
}

#[tokio::test]
async fn a_notification_that_was_not_delivered_is_sent_after_the_restart() {
    let (bench, ear) = (Bench::start().await, Ear::open().await);
    ear.will_answer(&[500; 2]);
    let mut asked = payment("APRO");
    asked["notification_url"] = json!(ear.url);
    let (_, paid) = bench.post("/v1/payments", "k", &asked).await;
    ear.hears(1).await;
    let _bench = bench.crash().await;
    let heard = ear.hears(3).await;
    assert_eq!(heard[2].json()["data"]["id"], json!(paid["id"].to_string()));
}

#[tokio::test]
async fn a_delivered_notification_is_not_sent_again() {
    let (bench, ear) = (Bench::start().await, Ear::open().await);
    let mut asked = payment("APRO");
    asked["notification_url"] = json!(ear.url);
    bench.post("/v1/payments", "k", &asked).await;
    ear.hears(1).await;
    let journal = bench.dir.path().join("journal.jsonl");
    let is_noted = || std::fs::read_to_string(&journal).unwrap().contains("notice_done");
    crate::bench::until("the delivery to be noted", is_noted).await;
    let bench = bench.crash().await;
    bench.post("/v1/payments", "k2", &asked).await;
    ear.hears(2).await;
    assert_eq!(ear.count(), 2);
}

#[tokio::test]
async fn an_unfinished_line_is_cut_off() {
    let Bench { dir, running, .. } = Bench::start().await;
    running.stop().await;
    let journal = dir.path().join("journal.jsonl");
    let mut file = OpenOptions::new().append(true).open(&journal).unwrap();
    file.write_all(b"[{\"kind\":\"notice_do").unwrap();
    drop(file);
    let running = Sandbox::start(SandboxConfig::new(dir.path())).await.unwrap();
    running.stop().await;
    assert_eq!(std::fs::read(&journal).unwrap(), b"");
    std::fs::write(&journal, b"[{\"kind\":\"of another world\"}]\n").unwrap();
    let refused = Sandbox::start(SandboxConfig::new(dir.path())).await.err();
    assert!(matches!(refused, Some(Error::Journal { line: 1, .. })));
}

#[tokio::test]
async fn a_folder_has_one_sandbox() {
    let bench = Bench::start().await;
    let second = Sandbox::start(SandboxConfig::new(bench.dir.path())).await.err();
    assert!(matches!(second, Some(Error::InUse { .. })));
}
