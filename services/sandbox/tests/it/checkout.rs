//! Preferences and the page behind `init_point`.

use reqwest::header;
use serde_json::{Value, json};

use crate::bench::{Bench, Ear, answer};

fn preference(ear: &Ear) -> Value {
    json!({
        "items": [
            { "id": "a", "title": "Mate <b>", "quantity": 2, "currency_id": "ARS", "unit_price": 10.25 },
            { "id": "b", "title": "Yerba", "quantity": 1, "currency_id": "ARS", "unit_price": 5 },
        ],
        "back_urls": { "success": "http://shop.example/ok?o=1", "failure": "http://shop.example/no" },
        "auto_return": "approved",
        "notification_url": ear.url,
        "external_reference": "ord_9",
        "marketplace_fee": 2.55,
        "metadata": { "order": "9" },
    })
}

async fn made(bench: &Bench, ear: &Ear) -> Value {
    let (code, made) = bench.post("/checkout/preferences", "pref", &preference(ear)).await;
    assert_eq!(code, 201, "{made}");
    made
}

#[tokio::test]
async fn a_person_pays_by_the_form_and_is_led_back() {
    let (bench, ear) = (Bench::start().await, Ear::open().await);
    let made = made(&bench, &ear).await;
    let page = bench.client.get(made["init_point"].as_str().unwrap()).send().await.unwrap();
    assert_eq!(page.status(), 200);
    let page = page.text().await.unwrap();
    assert!(page.contains("ARS 25.50") && page.contains("Mate &lt;b&gt;") && !page.contains("<b>"), "{page}");

    let client =
        vitrina_outgoing::client().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let form = format!("pref_id={}&result=approved", made["id"].as_str().unwrap());
    let sent = client
        .post(bench.url("/checkout/v1/pay"))
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(form);
    let response = sent.send().await.unwrap();
    assert_eq!(response.status(), 303);
    let back = response.headers()[header::LOCATION].to_str().unwrap();
    assert!(back.starts_with("http://shop.example/ok?o=1&collection_id="), "{back}");
    assert!(back.contains("status=approved") && back.contains("external_reference=ord_9"), "{back}");

    let heard = ear.hears(1).await;
    let id = heard[0].json()["data"]["id"].as_str().unwrap().to_owned();
    let (_, paid) = bench.get(&format!("/v1/payments/{id}")).await;
    assert_eq!(
        (paid["status"].as_str(), paid["transaction_amount"].as_f64()),
        (Some("approved"), Some(25.5))
    );
    assert_eq!((&paid["preference_id"], &paid["external_reference"]), (&made["id"], &json!("ord_9")));
    assert_eq!((&paid["metadata"]["order"], &paid["fee_details"][0]["amount"]), (&json!("9"), &json!(2.55)));
}

#[tokio::test]
async fn a_test_pays_by_json_and_a_pending_payment_is_settled() {
    let (bench, ear) = (Bench::start().await, Ear::open().await);
    let made = made(&bench, &ear).await;
    let pay = |body: Value| answer(bench.client.post(bench.url("/checkout/v1/pay")).json(&body));
    let (code, rejected) = pay(json!({ "pref_id": made["id"], "holder": "FUND" })).await;
    assert_eq!((code, rejected["status_detail"].as_str()), (201, Some("cc_rejected_insufficient_amount")));
    let (code, pending) = pay(json!({ "pref_id": made["id"], "result": "pending" })).await;
    assert_eq!((code, pending["status"].as_str()), (201, Some("pending")));
    let settle = bench.url(&format!("/sandbox/payments/{}", pending["id"]));
    let (code, settled) = answer(bench.client.post(&settle).json(&json!({ "status": "approved" }))).await;
    assert_eq!((code, settled["status"].as_str()), (200, Some("approved")));
    let (code, _) = answer(bench.client.post(&settle).json(&json!({ "status": "rejected" }))).await;
    assert_eq!(code, 400);
    let (code, disputed) =
        answer(bench.client.post(&settle).json(&json!({ "status": "charged_back" }))).await;
    assert_eq!((code, disputed["status"].as_str()), (200, Some("charged_back")));
    let mut actions: Vec<String> =
        ear.hears(4).await.iter().map(|heard| heard.json()["action"].as_str().unwrap().to_owned()).collect();
    actions.sort();
    assert_eq!(actions, ["payment.created", "payment.created", "payment.updated", "payment.updated"]);
    assert_eq!(pay(json!({ "pref_id": "none", "result": "approved" })).await.0, 404);
    assert_eq!(pay(json!({ "pref_id": made["id"], "result": "maybe" })).await.0, 400);
}

#[tokio::test]
async fn a_preference_is_read_changed_and_expires() {
    let (bench, ear) = (Bench::start().await, Ear::open().await);
    let made = made(&bench, &ear).await;
    assert_eq!(bench.post("/checkout/preferences", "pref", &preference(&ear)).await.1, made);
    assert_eq!(bench.post("/checkout/preferences/", "pref", &preference(&ear)).await.1, made);
    let path = format!("/checkout/preferences/{}", made["id"].as_str().unwrap());
    assert_eq!(bench.get(&path).await, (200, made.clone()));
    let change = json!({ "expires": true, "expiration_date_to": "2020-01-01T00:00:00.000-03:00" });
    let (code, changed) = bench.put(&path, "expire", &change).await;
    assert_eq!((code, &changed["id"], changed["expires"].as_bool()), (200, &made["id"], Some(true)));
    let late = json!({ "pref_id": made["id"], "result": "approved" });
    assert_eq!(answer(bench.client.post(bench.url("/checkout/v1/pay")).json(&late)).await.0, 400);
    assert_eq!(bench.get("/checkout/preferences/none").await.0, 404);
    for wrong in [
        json!({}),
        json!({ "items": [] }),
        json!({ "items": [{ "title": "x", "quantity": 0, "unit_price": 1 }] }),
    ] {
        assert_eq!(bench.post("/checkout/preferences", "wrong", &wrong).await.0, 400, "{wrong}");
    }
}
