//! Pushes: the token endpoint and messages.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};

use crate::bench::{Bench, answer};

const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";

/// Claims of a JWT that is right.
fn claims(bench: &Bench) -> Value {
    let account: Value = serde_json::from_str(&bench.running.service_account()).unwrap();
    let now_s = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    json!({ "iss": account["client_email"], "aud": account["token_uri"], "scope": SCOPE, "iat": now_s, "exp": now_s + 3600 })
}

fn jwt(bench: &Bench, header: &Value, claims: &Value) -> String {
    let account: Value = serde_json::from_str(&bench.running.service_account()).unwrap();
    let pem = account["private_key"].as_str().unwrap();
    let der: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let key = RsaKeyPair::from_pkcs8(&STANDARD.decode(der).unwrap()).unwrap();
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(header), part(claims));
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).unwrap();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

async fn exchange(bench: &Bench, jwt: &str) -> (u16, Value) {
    let form = format!("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={jwt}");
    let request =
        bench.client.post(bench.url("/token")).header("content-type", "application/x-www-form-urlencoded");
    answer(request.body(form)).await
}

fn header() -> Value {
    json!({ "alg": "RS256", "typ": "JWT", "kid": "vitrina-sandbox" })
}

async fn token(bench: &Bench) -> String {
    let (code, body) = exchange(bench, &jwt(bench, &header(), &claims(bench))).await;
    assert_eq!((code, body["token_type"].as_str()), (200, Some("Bearer")), "{body}");
    assert!(body["expires_in"].as_u64().unwrap() <= 3600);
    body["access_token"].as_str().unwrap().to_owned()
}

async fn send(bench: &Bench, token: &str, message: Value) -> (u16, Value) {
    let request = bench.client.post(bench.url("/v1/projects/shop/messages:send")).bearer_auth(token);
    answer(request.json(&json!({ "message": message }))).await
}

#[tokio::test]
async fn a_push_is_taken_and_shown() {
    let bench = Bench::start().await;
    let token = token(&bench).await;
    let message = json!({
        "token": "device-1", "notification": { "title": "Vendiste", "body": "Un mate" },
        "data": { "notificationId": "ntf_1" }, "android": { "collapse_key": "ntf_1" },
    });
    let (code, body) = send(&bench, &token, message).await;
    assert_eq!(code, 200, "{body}");
    assert!(body["name"].as_str().unwrap().starts_with("projects/shop/messages/"));
    let (_, kept) = answer(bench.client.get(bench.url("/sandbox/pushes"))).await;
    assert_eq!(
        (&kept[0]["to"], &kept[0]["title"], &kept[0]["name"]),
        (&json!("device-1"), &json!("Vendiste"), &body["name"])
    );
    assert_eq!(kept[0]["data"]["notificationId"], "ntf_1");
}

async fn check_fate(bench: &Bench, token: &str, device: &str, code: u16, name: &str) {
    let (got, body) = send(bench, token, json!({ "token": device, "data": {} })).await;
    let error = &body["error"];
    assert_eq!((got, error["code"].as_u64()), (code, Some(u64::from(code))), "{body}");
    assert_eq!(error["details"][0]["@type"], "type.googleapis.com/google.firebase.fcm.v1.FcmError");
    assert_eq!(error["details"][0]["errorCode"], name);
}

#[tokio::test]
async fn the_device_chooses_the_error() {
    let bench = Bench::start().await;
    let token = token(&bench).await;
    check_fate(&bench, &token, "unregistered-7", 404, "UNREGISTERED").await;
    check_fate(&bench, &token, "invalid-7", 400, "INVALID_ARGUMENT").await;
    check_fate(&bench, &token, "mismatch", 403, "SENDER_ID_MISMATCH").await;
    check_fate(&bench, &token, "quota", 429, "QUOTA_EXCEEDED").await;
    check_fate(&bench, &token, "unavailable", 503, "UNAVAILABLE").await;
    check_fate(&bench, &token, "internal", 500, "INTERNAL").await;
    check_fate(&bench, &token, "apns", 401, "THIRD_PARTY_AUTH_ERROR").await;
    assert_eq!(answer(bench.client.get(bench.url("/sandbox/pushes"))).await.1, json!([]));
}

#[tokio::test]
async fn wrong_messages_are_refused() {
    let bench = Bench::start().await;
    let token = token(&bench).await;
    for wrong in [
        json!({ "notification": { "title": "to nobody" } }),
        json!({ "token": "a", "topic": "b" }),
        json!({ "token": "" }),
        json!({ "token": "a", "data": { "number": 1 } }),
        json!({ "token": "a", "colour": "red" }),
        json!({ "token": "a", "data": { "much": "x".repeat(4097) } }),
    ] {
        let (code, body) = send(&bench, &token, wrong.clone()).await;
        assert_eq!((code, body["error"]["status"].as_str()), (400, Some("INVALID_ARGUMENT")), "{wrong}");
    }
    let (code, body) = send(&bench, "ya29.9999999999.AAAA", json!({ "token": "a" })).await;
    assert_eq!((code, body["error"]["status"].as_str()), (401, Some("UNAUTHENTICATED")));
}

async fn check_jwt(bench: &Bench, error: &str, change: impl FnOnce(&mut Value, &mut Value)) {
    let (mut header, mut claims) = (header(), claims(bench));
    change(&mut header, &mut claims);
    let (code, body) = exchange(bench, &jwt(bench, &header, &claims)).await;
    assert_eq!((code, body["error"].as_str()), (400, Some(error)), "{claims}");
}

#[tokio::test]
async fn only_a_right_jwt_gets_a_token() {
    let bench = Bench::start().await;
    check_jwt(&bench, "invalid_grant", |header, _| header["alg"] = json!("HS256")).await;
    check_jwt(&bench, "invalid_grant", |_, claims| claims["aud"] = json!("https://elsewhere.example")).await;
    check_jwt(&bench, "invalid_grant", |_, claims| {
        claims["exp"] = json!(claims["iat"].as_u64().unwrap() + 3601)
    })
    .await;
    check_jwt(&bench, "invalid_grant", |_, claims| claims["exp"] = json!(1000)).await;
    check_jwt(&bench, "invalid_grant", |_, claims| claims["iss"] = json!("nobody")).await;
    check_jwt(&bench, "invalid_scope", |_, claims| claims["scope"] = json!("email")).await;
    let mut forged = jwt(&bench, &header(), &claims(&bench));
    let end = forged.len() - 4;
    let other = if &forged[end..] == "AAAA" { "BBBB" } else { "AAAA" };
    forged.replace_range(end.., other);
    assert_eq!(exchange(&bench, &forged).await.0, 400);
    assert_eq!(exchange(&bench, "a.b").await.0, 400);
    let mut google = claims(&bench);
    google["aud"] = json!("https://oauth2.googleapis.com/token");
    google["scope"] = json!(format!("https://www.googleapis.com/auth/datastore {SCOPE}"));
    assert_eq!(exchange(&bench, &jwt(&bench, &header(), &google)).await.0, 200);
}
