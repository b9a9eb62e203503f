//! The service account and the exchange of its JWT for an access token.
//!
//! The account's key is in the source: it opens nothing but a sandbox. A JWT of that account must be signed with it; of any
//! other issuer, whose key nobody knows here, only the shape is checked.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::App;
use crate::clock;
use crate::error::Error;
use crate::page;

/// Private key of the sandbox's account, 2,048 bits.
const PRIVATE_KEY: &str = include_str!("account.pem");

/// Its public key, as PKCS #1.
const PUBLIC_KEY: &[u8] = include_bytes!("account.pub.der");

/// Address of the sandbox's account.
const EMAIL: &str = "sandbox@vitrina.iam.gserviceaccount.com";

/// Scope that lets messages be sent.
const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";

/// Also taken: what the vendor's SDKs name as audience whatever their `token_uri` is, and the wider scope.
const AUDIENCES: [&str; 2] =
    ["https://oauth2.googleapis.com/token", "https://accounts.google.com/o/oauth2/token"];
const WIDE_SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// Longest life of a JWT, and of the access token.
const LIFE_S: u64 = 3_600;

/// How far clocks may be apart.
const SKEW_S: u64 = 300;

/// Smallest signature that counts as RS256: a key of 2,048 bits.
const SIGNATURE_BYTES_MIN: usize = 256;

/// Access tokens: an expiry and its MAC under a key of this process, so that a restart ends them all, as can happen outside.
pub(crate) struct Tokens {
    key: hmac::Key,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    typ: Option<String>,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    #[serde(default)]
    scope: String,
    iat: u64,
    exp: u64,
}

#[derive(Deserialize)]
struct Exchange {
    grant_type: String,
    assertion: String,
}

/// An answer of 400 in OAuth's shape (RFC 6749, section 5.2).
pub(super) struct Refused(&'static str, &'static str);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let body = json!({ "error": self.0, "error_description": self.1 });
        (StatusCode::BAD_REQUEST, Json(body)).into_response()
    }
}

impl Tokens {
    pub(crate) fn new() -> Result<Self, Error> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new());
        key.map(|key| Self { key }).map_err(|_| Error::Broken)
    }

    fn issue(&self, now_s: u64) -> String {
        let end = now_s + LIFE_S;
        let mac = hmac::sign(&self.key, end.to_string().as_bytes());
        format!("ya29.{end}.{}", URL_SAFE_NO_PAD.encode(mac.as_ref()))
    }

    /// Whether it was issued here and has not expired.
    pub(super) fn is_good(&self, token: &str, now_s: u64) -> bool {
        let Some((end, mac)) = token.strip_prefix("ya29.").and_then(|rest| rest.split_once('.')) else {
            return false;
        };
        let Ok(mac) = URL_SAFE_NO_PAD.decode(mac) else { return false };
        hmac::verify(&self.key, end.as_bytes(), &mac).is_ok() && end.parse().is_ok_and(|end: u64| end > now_s)
    }
}

/// The account's JSON as Firebase gives it out.
pub(crate) fn service_account(base_url: &str) -> String {
    let account = json!({
        "type": "service_account",
        "project_id": "vitrina",
        "private_key_id": "vitrina-sandbox",
        "private_key": PRIVATE_KEY,
        "client_email": EMAIL,
        "client_id": "100000000000000000001",
        "auth_uri": "https://accounts.google.com/o/oauth2/auth",
        "token_uri": format!("{base_url}/token"),
    });
    account.to_string()
}

/// `POST /token`.
pub(super) async fn exchange(State(app): State<Arc<App>>, body: Bytes) -> Result<Response, Refused> {
    let form: Option<Exchange> = page::form(&body);
    let form = form.ok_or(Refused("invalid_request", "grant_type and assertion needed"))?;
    if form.grant_type != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
        return Err(Refused("unsupported_grant_type", "Invalid grant_type"));
    }
    let now_s = clock::now_ms() / 1_000;
    check(&form.assertion, &format!("{}/token", app.base_url), now_s)?;
    let token = app.tokens.issue(now_s);
    let answer = json!({ "access_token": token, "expires_in": LIFE_S - 1, "token_type": "Bearer" });
    Ok(Json(answer).into_response())
}

fn check(jwt: &str, own_audience: &str, now_s: u64) -> Result<(), Refused> {
    const SHAPE: Refused = Refused("invalid_grant", "Invalid JWT: it must be three parts of base64url");
    let (signed, signature) = jwt.rsplit_once('.').ok_or(SHAPE)?;
    let (header, claims) = signed.split_once('.').ok_or(SHAPE)?;
    let header: Header = part(header).ok_or(SHAPE)?;
    let claims: Claims = part(claims).ok_or(Refused("invalid_grant", "Invalid JWT: a claim is missing"))?;
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| SHAPE)?;
    if header.alg != "RS256" || header.typ.is_some_and(|typ| typ != "JWT") {
        return Err(Refused("invalid_grant", "Invalid JWT: alg must be RS256"));
    }
    let is_live =
        claims.exp > now_s && claims.iat <= now_s + SKEW_S && claims.exp <= claims.iat.saturating_add(LIFE_S);
    if !is_live {
        let text =
            "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe.";
        return Err(Refused("invalid_grant", text));
    }
    if claims.aud != own_audience && !AUDIENCES.contains(&claims.aud.as_str()) {
        return Err(Refused("invalid_grant", "Invalid JWT: wrong audience"));
    }
    if !claims.scope.split(' ').any(|scope| scope == SCOPE || scope == WIDE_SCOPE) {
        return Err(Refused("invalid_scope", "Invalid OAuth scope or ID token audience provided."));
    }
    if !crate::sendgrid::is_address(&claims.iss) {
        return Err(Refused("invalid_grant", "Invalid grant: account not found"));
    }
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, PUBLIC_KEY);
    let is_signed = match claims.iss.as_str() {
        EMAIL => key.verify(signed.as_bytes(), &signature).is_ok(),
        _ => signature.len() >= SIGNATURE_BYTES_MIN,
    };
    if is_signed { Ok(()) } else { Err(Refused("invalid_grant", "Invalid JWT Signature.")) }
}

fn part<T: serde::de::DeserializeOwned>(text: &str) -> Option<T> {
    let value: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
    serde_json::from_value(value).ok()
}
