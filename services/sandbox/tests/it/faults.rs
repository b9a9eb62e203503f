//! The knobs: each provider misbehaves as told, and stops when told.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use crate::bench::{Bench, answer, payment};

#[tokio::test]
async fn a_provider_that_is_down_leaves_the_others_alone() {
    let bench = Bench::start().await;
    bench.turn(json!({ "provider": "mercadopago", "down": true })).await;
    let (code, body) = bench.post("/v1/payments", "k", &payment("APRO")).await;
    assert_eq!((code, body["status"].as_u64()), (503, Some(503)));
    let mail = bench.client.post(bench.url("/v3/mail/send")).bearer_auth("SG.vitrina").json(&json!({}));
    assert_eq!(answer(mail).await.0, 400);
    bench.turn(json!({ "provider": "mercadopago" })).await;
    assert_eq!(bench.post("/v1/payments", "k", &payment("APRO")).await.0, 201);
}

#[tokio::test]
async fn a_share_of_requests_fails_without_effect() {
    let bench = Bench::start().await;
    bench.turn(json!({ "provider": "mercadopago", "errorRate": 0.5, "errorStatus": 429 })).await;
    let mut codes = Vec::new();
    for number in 0..4 {
        codes.push(bench.post("/v1/payments", &format!("k{number}"), &payment("APRO")).await.0);
    }
    assert_eq!(codes, [201, 429, 201, 429]);
    let cleared = bench.client.delete(bench.url("/sandbox/knobs")).send().await.unwrap();
    assert_eq!(cleared.status(), 204);
    let (_, found) = bench.get("/v1/payments/search").await;
    assert_eq!(found["paging"]["total"], 2);
}

/// Sends a payment that is never answered; how many there are afterwards.
async fn check_time_out(side: &str, expected: u64) {
    let bench = Bench::start().await;
    bench.turn(json!({ "provider": "mercadopago", "time_out": side })).await;
    let request =
        bench.pago(Method::POST, "/v1/payments").header("x-idempotency-key", "k").json(&payment("APRO"));
    let error = request.timeout(Duration::from_millis(700)).send().await.unwrap_err();
    assert!(error.is_timeout());
    bench.turn(json!({ "provider": "mercadopago" })).await;
    let (_, found) = bench.get("/v1/payments/search").await;
    assert_eq!(found["paging"]["total"], expected);
    assert_eq!(bench.post("/v1/payments", "k", &payment("APRO")).await.0, 201);
    let (_, found) = bench.get("/v1/payments/search").await;
    assert_eq!(found["paging"]["total"], 1);
}

#[tokio::test]
async fn a_request_times_out_before_its_effect() {
    check_time_out("before", 0).await;
}

#[tokio::test]
async fn a_request_times_out_after_its_effect() {
    check_time_out("after", 1).await;
}

#[tokio::test]
async fn stopping_lets_held_requests_go() {
    let bench = Bench::start().await;
    bench.turn(json!({ "provider": "mercadopago", "delay_ms": 100_000 })).await;
    let request = bench.pago(Method::GET, "/v1/payments/search");
    let held = tokio::spawn(async move { request.send().await.map(|response| response.status().as_u16()) });
    tokio::task::yield_now().await;
    tokio::time::timeout(Duration::from_secs(30), bench.running.stop()).await.unwrap();
    // Answered, or refused because it came too late: but not left waiting.
    let _ = tokio::time::timeout(Duration::from_secs(30), held).await.unwrap();
}

#[tokio::test]
async fn wrong_knobs_are_refused() {
    let bench = Bench::start().await;
    for wrong in [
        json!({ "down": true }),
        json!({ "provider": "paypal" }),
        json!({ "provider": "s3", "donw": true }),
        json!({ "provider": "s3", "error_rate": 2 }),
        json!({ "provider": "s3", "error_status": 200 }),
        json!({ "provider": "s3", "time_out": "never" }),
    ] {
        let (code, body) = answer(bench.client.post(bench.url("/sandbox/knobs")).json(&wrong)).await;
        assert_eq!(code, 400, "{wrong}");
        assert!(body["message"].is_string());
    }
    bench.turn(json!({ "provider": "s3", "down": true })).await;
    let (_, knobs) = answer(bench.client.get(bench.url("/sandbox/knobs"))).await;
    assert_eq!(knobs["s3"]["down"], true);
}
