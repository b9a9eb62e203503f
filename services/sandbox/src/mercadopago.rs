//! MercadoPago: payments, refunds, preferences of Checkout Pro and the page that a buyer pays on.
//!
//! Facts are from `providers.md`. A write needs an `X-Idempotency-Key`; its answer is kept in the same line of the journal as
//! its effect, so that the key gets the same answer again whatever happened in between.

mod amount;
mod checkout;
mod fault;
mod model;
mod once;
mod payments;
mod preferences;
mod settle;
mod view;
mod wire;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use hmac::{Hmac, Mac as _};
use serde_json::json;
use sha2::Sha256;

pub(crate) use self::model::{CardToken, Payment, Preference, Status};
pub(crate) use self::view::{payment as payment_view, preference as preference_view};

use self::fault::Fault;
use crate::app::App;
use crate::book::Record;
use crate::clock;
use crate::knobs;
use crate::notice::{Notice, Sender};

/// Number of the only account.
const COLLECTOR_ID: u64 = 179_240_001;

/// The API, which the knobs apply to, and the pages, which they do not.
pub(crate) fn router(app: &Arc<App>) -> Router<Arc<App>> {
    let api = Router::new()
        .route("/v1/payments", post(payments::create))
        .route("/v1/payments/search", get(payments::search))
        .route("/v1/payments/{id}", get(payments::read).put(payments::change))
        .route("/v1/payments/{id}/refunds", get(payments::refunds).post(payments::refund))
        .route("/v1/payments/{id}/refunds/{refund}", get(payments::one_refund))
        .route("/checkout/preferences", post(preferences::create))
        // The Node SDK ends these two with a slash.
        .route("/checkout/preferences/", post(preferences::create))
        .route("/v1/payments/{id}/refunds/", get(payments::refunds))
        .route("/checkout/preferences/{id}", get(preferences::read).put(preferences::change))
        .layer(middleware::from_fn_with_state(Arc::clone(app), authorize))
        .layer(middleware::from_fn_with_state(app.gate(knobs::Provider::MercadoPago), knobs::gate));
    Router::new()
        .merge(api)
        .route("/v1/card_tokens", post(payments::create_card_token))
        .route("/checkout/v1/redirect", get(checkout::show))
        .route("/checkout/v1/pay", post(checkout::pay))
        .route("/sandbox/payments/{id}", post(settle::settle))
}

/// The value of `x-signature`; `now_s` is the time in seconds since 1970.
pub(crate) fn sign(secret: &str, data_id: &str, request_id: &str, now_s: &str) -> String {
    let manifest = format!("id:{};request-id:{request_id};ts:{now_s};", data_id.to_lowercase());
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of every length");
    mac.update(manifest.as_bytes());
    let digest: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("ts={now_s},v1={digest}")
}

/// The notification of a payment that was made or changed, if somebody wants to know.
fn notify(app: &App, id: u64, payment: &Payment, action: &str) -> Option<Record> {
    let url = payment.notification_url.clone().or_else(|| app.config.notification_url.clone())?;
    let body = json!({
        "id": id,
        "live_mode": false,
        "type": "payment",
        "date_created": clock::iso(clock::now_ms()),
        "user_id": COLLECTOR_ID.to_string(),
        "api_version": "v1",
        "action": action,
        "data": { "id": payment.id.to_string() },
    });
    let sender = Sender::MercadoPago { data_id: payment.id.to_string(), topic: "payment".to_owned() };
    Some(Record::Notice(Notice { id, url, sender, body: body.to_string() }))
}

async fn authorize(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let sent = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    match sent.and_then(|value| value.strip_prefix("Bearer ")) {
        Some(token) if token == app.config.mercadopago_token => next.run(request).await,
        Some(_) => Fault::unauthorized("invalid access token").into_response(),
        None => Fault::unauthorized("Must provide your access_token to proceed").into_response(),
    }
}
