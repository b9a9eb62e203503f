//! Mails: checked, kept, and their events signed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use serde_json::{Value, json};

use crate::bench::{Bench, Ear, answer};

fn mail(to: &str) -> Value {
    json!({
        "personalizations": [{ "to": [{ "email": to }], "custom_args": { "notification": "ntf_1" } }],
        "from": { "email": "shop@vitrina.example", "name": "Vitrina" },
        "subject": "Hola",
        "content": [{ "type": "text/plain", "value": "¿Qué tal?" }, { "type": "text/html", "value": "<p>¿Qué tal?</p>" }],
        "categories": ["welcome"],
    })
}

async fn send(bench: &Bench, body: &Value) -> (u16, Option<String>, Value) {
    let request = bench.client.post(bench.url("/v3/mail/send")).bearer_auth("SG.vitrina").json(body);
    let response = request.send().await.unwrap();
    let id = response.headers().get("x-message-id").map(|id| id.to_str().unwrap().to_owned());
    let code = response.status().as_u16();
    let text = response.text().await.unwrap();
    (code, id, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

#[tokio::test]
async fn a_mail_is_taken_and_shown() {
    let bench = Bench::start().await;
    let (code, id, body) = send(&bench, &mail("ana@example.com")).await;
    assert_eq!((code, body), (202, json!("")));
    let (_, kept) = answer(bench.client.get(bench.url("/sandbox/mails"))).await;
    assert_eq!(kept[0]["message_id"], json!(id.unwrap()));
    assert_eq!((&kept[0]["to"], &kept[0]["subject"]), (&json!(["ana@example.com"]), &json!("Hola")));
    assert_eq!(
        (&kept[0]["text"], &kept[0]["custom_args"]["notification"]),
        (&json!("¿Qué tal?"), &json!("ntf_1"))
    );
}

#[tokio::test]
async fn a_rehearsal_sends_nothing() {
    let bench = Bench::start().await;
    let mut body = mail("ana@example.com");
    body["mail_settings"] = json!({ "sandbox_mode": { "enable": true } });
    assert_eq!(send(&bench, &body).await.0, 200);
    assert_eq!(answer(bench.client.get(bench.url("/sandbox/mails"))).await.1, json!([]));
}

async fn check_refused(bench: &Bench, field: &str, change: impl FnOnce(&mut Value)) {
    let mut body = mail("ana@example.com");
    change(&mut body);
    let (code, id, answer) = send(bench, &body).await;
    assert_eq!((code, id, answer["errors"][0]["field"].as_str()), (400, None, Some(field)), "{answer}");
    assert!(answer["errors"][0]["message"].is_string());
}

#[tokio::test]
async fn wrong_mails_are_refused_by_field() {
    let bench = Bench::start().await;
    check_refused(&bench, "personalizations", |body| body["personalizations"] = json!([])).await;
    check_refused(&bench, "personalizations.0.to", |body| body["personalizations"][0]["to"] = json!([]))
        .await;
    check_refused(&bench, "personalizations.0.to.0.email", |body| {
        body["personalizations"][0]["to"][0]["email"] = json!("nobody");
    })
    .await;
    check_refused(&bench, "from.email", |body| body["from"] = json!(null)).await;
    check_refused(&bench, "subject", |body| body["subject"] = json!("")).await;
    check_refused(&bench, "content", |body| body["content"] = json!([])).await;
    check_refused(&bench, "content", |body| body["content"].as_array_mut().unwrap().reverse()).await;
    check_refused(&bench, "content.0.value", |body| body["content"][0]["value"] = json!("")).await;
    check_refused(&bench, "custom_args", |body| body["custom_args"] = json!({ "n": 1 })).await;
    let stranger =
        bench.client.post(bench.url("/v3/mail/send")).bearer_auth("SG.other").json(&mail("a@b.example"));
    assert_eq!(answer(stranger).await.0, 401);
}

async fn check_fate(to: &str, kinds: &[&str]) {
    let (bench, ear) = (Bench::start().await, Ear::open().await);
    bench.running.send_mail_events_to(Some(ear.url.clone()));
    let (_, id, _) = send(&bench, &mail(to)).await;
    let heard = &ear.hears(1).await[0];
    let signed = [heard.header("x-twilio-email-event-webhook-timestamp").as_bytes(), &heard.body].concat();
    let signature = STANDARD.decode(heard.header("x-twilio-email-event-webhook-signature")).unwrap();
    let spki = STANDARD.decode(bench.running.mail_events_key()).unwrap();
    let point = &spki[spki.len() - 65..];
    assert!(UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).verify(&signed, &signature).is_ok());
    let events = heard.json();
    let events = events.as_array().unwrap();
    assert_eq!(events.iter().map(|event| event["event"].as_str().unwrap()).collect::<Vec<_>>(), kinds);
    for event in events {
        assert_eq!((&event["email"], &event["notification"]), (&json!(to), &json!("ntf_1")));
        assert!(event["sg_message_id"].as_str().unwrap().starts_with(id.as_deref().unwrap()));
        assert!(event["sg_event_id"].is_string() && event["timestamp"].is_u64());
    }
}

#[tokio::test]
async fn the_recipient_chooses_the_fate_and_events_are_signed() {
    check_fate("ana@example.com", &["processed", "delivered"]).await;
    check_fate("bounce-1@example.com", &["processed", "bounce"]).await;
    check_fate("drop@example.com", &["dropped"]).await;
}
