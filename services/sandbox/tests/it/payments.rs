//! Payments: made, read, found, captured, cancelled, refunded; each write once per key.

use reqwest::Method;
use serde_json::{Value, json};

use crate::bench::{Bench, answer, payment};

async fn check_holder(bench: &Bench, holder: &str, status: &str, detail: &str) {
    let (code, body) = bench.post("/v1/payments", &format!("holder-{holder}"), &payment(holder)).await;
    assert_eq!(code, 201, "{body}");
    assert_eq!((body["status"].as_str(), body["status_detail"].as_str()), (Some(status), Some(detail)));
    let (code, read) = bench.get(&format!("/v1/payments/{}", body["id"])).await;
    assert_eq!((code, &read), (200, &body));
}

#[tokio::test]
async fn the_card_holder_chooses_the_result() {
    let bench = Bench::start().await;
    check_holder(&bench, "APRO", "approved", "accredited").await;
    check_holder(&bench, "CONT", "in_process", "pending_contingency").await;
    check_holder(&bench, "OTHE", "rejected", "cc_rejected_other_reason").await;
    check_holder(&bench, "CALL", "rejected", "cc_rejected_call_for_authorize").await;
    check_holder(&bench, "FUND", "rejected", "cc_rejected_insufficient_amount").await;
    check_holder(&bench, "SECU", "rejected", "cc_rejected_bad_filled_security_code").await;
    check_holder(&bench, "EXPI", "rejected", "cc_rejected_bad_filled_date").await;
    check_holder(&bench, "FORM", "rejected", "cc_rejected_bad_filled_other").await;
}

#[tokio::test]
async fn a_card_token_stands_for_its_holder() {
    let bench = Bench::start().await;
    let card = json!({
        "card_number": "5031 7557 3453 0604", "security_code": "123", "expiration_month": 11, "expiration_year": 2030,
        "cardholder": { "name": "FUND Gómez" },
    });
    let (code, token) =
        answer(bench.client.post(bench.url("/v1/card_tokens?public_key=TEST")).json(&card)).await;
    assert_eq!((code, token["last_four_digits"].as_str()), (201, Some("0604")), "{token}");
    let (code, body) = bench.post("/v1/payments", "k", &payment(token["id"].as_str().unwrap())).await;
    assert_eq!((code, body["status_detail"].as_str()), (201, Some("cc_rejected_insufficient_amount")));
    let (code, body) = bench.post("/v1/payments", "k2", &payment("no-such-token")).await;
    assert_eq!((code, body["cause"][0]["code"].as_u64()), (400, Some(2006)));
}

#[tokio::test]
async fn the_same_key_gets_the_same_answer() {
    let bench = Bench::start().await;
    let (_, first) = bench.post("/v1/payments", "once", &payment("APRO")).await;
    let (code, again) = bench.post("/v1/payments", "once", &payment("APRO")).await;
    assert_eq!((code, &again), (201, &first));
    let (code, other) = bench.post("/v1/payments", "once", &payment("FUND")).await;
    assert_eq!((code, other["status"].as_u64()), (409, Some(409)));
    let (_, all) = bench.get("/v1/payments/search?external_reference=ord_1").await;
    assert_eq!(all["paging"]["total"], 1);
}

#[tokio::test]
async fn many_at_once_with_one_key_make_one_payment() {
    let bench = Bench::start().await;
    let body = payment("APRO");
    let calls = (0..16).map(|_| bench.post("/v1/payments", "race", &body));
    let answers = futures::future::join_all(calls).await;
    assert!(answers.iter().all(|answer| answer == &answers[0] && answer.0 == 201));
}

#[tokio::test]
async fn a_write_needs_a_key_and_every_call_a_token() {
    let bench = Bench::start().await;
    let (code, body) = answer(bench.pago(Method::POST, "/v1/payments").json(&payment("APRO"))).await;
    assert_eq!((code, body["cause"][0]["code"].as_u64()), (400, Some(4292)));
    let (code, _) = bench.post("/v1/payments", &"k".repeat(65), &payment("APRO")).await;
    assert_eq!(code, 400);
    let stranger = bench.client.get(bench.url("/v1/payments/search")).bearer_auth("TEST-other");
    assert_eq!(answer(stranger).await.0, 401);
    assert_eq!(answer(bench.client.get(bench.url("/v1/payments/search"))).await.0, 401);
}

async fn check_refused(bench: &Bench, change: Value) {
    let mut asked = payment("APRO");
    asked.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    let (code, body) = bench.post("/v1/payments", "wrong", &asked).await;
    assert_eq!(
        (code, body["error"].as_str(), body["status"].as_u64()),
        (400, Some("bad_request"), Some(400)),
        "{asked}"
    );
    assert!(body["cause"][0]["description"].is_string() && body["message"].is_string());
}

#[tokio::test]
async fn wrong_input_is_refused() {
    let bench = Bench::start().await;
    for amount in [json!(0), json!(-5), json!(1.234), json!("10"), json!(null)] {
        check_refused(&bench, json!({ "transaction_amount": amount })).await;
    }
    check_refused(&bench, json!({ "payer": { "email": "nobody" } })).await;
    check_refused(&bench, json!({ "token": null })).await;
    check_refused(&bench, json!({ "notification_url": "not a url" })).await;
    check_refused(&bench, json!({ "application_fee": 99999 })).await;
    let broken = bench.pago(Method::POST, "/v1/payments").header("x-idempotency-key", "b").body("{");
    assert_eq!(answer(broken).await.0, 400);
    let (code, body) = bench.get("/v1/payments/1").await;
    assert_eq!((code, body["error"].as_str()), (404, Some("not_found")));
}

#[tokio::test]
async fn what_is_authorized_is_captured_or_cancelled() {
    let bench = Bench::start().await;
    let mut asked = payment("APRO");
    asked["capture"] = json!(false);
    let (_, held) = bench.post("/v1/payments", "hold", &asked).await;
    assert_eq!((held["status"].as_str(), held["captured"].as_bool()), (Some("authorized"), Some(false)));
    let path = format!("/v1/payments/{}", held["id"]);
    let (code, taken) =
        bench.put(&path, "take", &json!({ "capture": true, "transaction_amount": 1000 })).await;
    assert_eq!(
        (code, taken["status"].as_str(), taken["captured"].as_bool()),
        (200, Some("approved"), Some(true))
    );
    assert_eq!(taken["transaction_amount"], 1000);
    assert_eq!(bench.put(&path, "cancel", &json!({ "status": "cancelled" })).await.0, 400);

    let (_, open) = bench.post("/v1/payments", "open", &payment("CONT")).await;
    let path = format!("/v1/payments/{}", open["id"]);
    let (code, cancelled) = bench.put(&path, "cancel", &json!({ "status": "cancelled" })).await;
    assert_eq!((code, cancelled["status"].as_str()), (200, Some("cancelled")));
    assert_eq!(bench.put(&path, "other", &json!({ "status": "approved" })).await.0, 400);
}

#[tokio::test]
async fn refunds_add_up_to_the_payment_and_no_more() {
    let bench = Bench::start().await;
    let (_, paid) = bench.post("/v1/payments", "pay", &payment("APRO")).await;
    let path = format!("/v1/payments/{}/refunds", paid["id"]);
    let (code, part) = bench.post(&path, "part", &json!({ "amount": 234.5 })).await;
    assert_eq!((code, part["amount"].as_f64(), &part["payment_id"]), (201, Some(234.5), &paid["id"]));
    assert_eq!(bench.post(&path, "part", &json!({ "amount": 234.5 })).await.1, part);
    let (_, read) = bench.get(&format!("/v1/payments/{}", paid["id"])).await;
    assert_eq!(
        (read["status"].as_str(), read["status_detail"].as_str()),
        (Some("approved"), Some("partially_refunded"))
    );
    assert_eq!(bench.post(&path, "much", &json!({ "amount": 1000.01 })).await.0, 400);
    let rest = bench.pago(Method::POST, &path).header("x-idempotency-key", "rest");
    let (code, rest) = answer(rest).await;
    assert_eq!((code, rest["amount"].as_f64()), (201, Some(1000.0)));
    let (_, read) = bench.get(&format!("/v1/payments/{}", paid["id"])).await;
    assert_eq!((read["status"].as_str(), read["refunds"].as_array().unwrap().len()), (Some("refunded"), 2));
    assert_eq!(read["transaction_amount_refunded"], 1234.5);
    let (_, list) = bench.get(&path).await;
    assert_eq!(list, read["refunds"]);
    assert_eq!(bench.get(&format!("{path}/")).await.1, list);
    let (code, one) = bench.get(&format!("{path}/{}", part["id"])).await;
    assert_eq!((code, &one), (200, &part));
    assert_eq!(bench.post(&path, "again", &json!({})).await.0, 400);
}

#[tokio::test]
async fn the_search_finds_by_reference_newest_first() {
    let bench = Bench::start().await;
    for number in 0..5 {
        let mut asked = payment(if number == 2 { "FUND" } else { "APRO" });
        asked["external_reference"] = json!(format!("ord_{}", number % 2));
        asked["description"] = json!(number);
        bench.post("/v1/payments", &format!("k{number}"), &asked).await;
    }
    let path =
        "/v1/payments/search?external_reference=ord_0&sort=date_created&criteria=desc&limit=2&offset=1";
    let (code, found) = bench.get(path).await;
    let numbers: Vec<_> =
        found["results"].as_array().unwrap().iter().map(|one| one["description"].as_i64()).collect();
    assert_eq!((code, numbers), (200, vec![Some(2), Some(0)]));
    assert_eq!(found["paging"], json!({ "total": 3, "limit": 2, "offset": 1 }));
    let (_, found) = bench.get("/v1/payments/search?external_reference=ord_0&status=rejected").await;
    assert_eq!(found["paging"]["total"], 1);
    bench.turn(json!({ "provider": "mercadopago", "search_lag_ms": 120_000 })).await;
    let (_, found) = bench.get("/v1/payments/search?external_reference=ord_0").await;
    assert_eq!(found["paging"]["total"], 0);
}
