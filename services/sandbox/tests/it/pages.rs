//! What a person sees.

use serde_json::json;

use crate::bench::{Bench, answer, payment};

#[tokio::test]
async fn the_page_shows_what_was_received() {
    let bench = Bench::start().await;
    let mut asked = payment("CONT");
    asked["external_reference"] = json!("<script>");
    let (_, made) = bench.post("/v1/payments", "k", &asked).await;
    let page = bench.client.get(bench.url("/sandbox")).send().await.unwrap();
    assert!(page.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
    let page = page.text().await.unwrap();
    assert!(page.contains(&made["id"].to_string()) && page.contains("value=\"approved\""));
    assert!(page.contains("&lt;script&gt;") && !page.contains("<script>"));
    let (_, list) = answer(bench.client.get(bench.url("/sandbox/payments"))).await;
    assert_eq!(list, json!([made]));
    let form = bench.client.post(bench.url(&format!("/sandbox/payments/{}", made["id"])));
    let form = form.header("content-type", "application/x-www-form-urlencoded").body("status=approved");
    assert_eq!(form.send().await.unwrap().status(), 200);
    let (_, read) = bench.get(&format!("/v1/payments/{}", made["id"])).await;
    assert_eq!(read["status"], "approved");
}

#[tokio::test]
async fn the_keys_can_be_asked_for() {
    let bench = Bench::start().await;
    let (_, account) = answer(bench.client.get(bench.url("/sandbox/service-account"))).await;
    assert_eq!(account["token_uri"], json!(bench.url("/token")));
    let events =
        bench.client.post(bench.url("/sandbox/mail-events")).json(&json!({ "url": "http://shop.example/e" }));
    let (code, events) = answer(events).await;
    assert_eq!((code, &events["url"]), (200, &json!("http://shop.example/e")));
    assert_eq!(events["key"], json!(bench.running.mail_events_key()));
}
