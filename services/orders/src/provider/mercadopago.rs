//! MercadoPago: preferences (Checkout Pro), payments, refunds and signed notifications.
//!
//! Source: the vendor's own SDKs, 3.6, and documentation, November 2026. Amounts are decimals there; the wire carries JSON
//! numbers, whose 15 digits hold every amount up to 10^13 units with two decimals.

mod signature;

use std::time::Duration;

use async_trait::async_trait;
use reqwest::{Client, Method, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use vitrina_proto::Timestamp;

use super::{Failed, Notification, Provider, Verdict, Wanted, WantedRefund};
use crate::config;
use crate::error::Error;
use crate::model::order::PaymentStatus;
use crate::model::settle::Seen;

/// Longest answer that is read: a payment has about 5 KiB, a page of ten of them 50.
const ANSWER_BYTES_MAX: usize = 512 * 1024;
/// Payments of one order that a search gives: each of a buyer's tries is one.
const SEARCH_LIMIT: usize = 30;
/// Longest name or code of an error; those of the documentation have up to 40 characters.
const CODE_CHARS_MAX: usize = 60;
/// Causes of an error that are told.
const CAUSES_MAX: usize = 5;

/// The client.
#[derive(Clone)]
pub(crate) struct MercadoPago {
    http: Client,
    config: config::MercadoPago,
}

#[derive(Deserialize)]
struct Preference {
    init_point: String,
}

#[derive(Deserialize)]
struct Found {
    results: Vec<PaymentBody>,
}

#[derive(Deserialize)]
struct PaymentBody {
    id: Value,
    status: String,
    transaction_amount: f64,
    currency_id: String,
    #[serde(default)]
    transaction_amount_refunded: Option<f64>,
    #[serde(default)]
    external_reference: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ErrorBody {
    error: Value,
    cause: Option<Vec<Cause>>,
}

#[derive(Deserialize)]
struct Cause {
    #[serde(default)]
    code: Value,
}

#[derive(Deserialize)]
struct NotificationBody {
    #[serde(default)]
    id: Value,
}

impl MercadoPago {
    pub(crate) fn new(config: config::MercadoPago) -> Result<MercadoPago, Error> {
        let timeout = Duration::from_millis(config.timeout_ms);
        let http = vitrina_outgoing::client()
            .timeout(timeout)
            .connect_timeout(timeout)
            .build()
            .map_err(Error::Client)?;
        Ok(MercadoPago { http, config })
    }

    /// Makes a call; the answer's body when it is one of success.
    async fn call(
        &self,
        method: Method,
        path: &str,
        key: Option<&str>,
        body: Option<Value>,
    ) -> Result<Vec<u8>, Failed> {
        let url = format!("{}{path}", self.config.url);
        let mut request = self.http.request(method, url).bearer_auth(&self.config.access_token);
        if let Some(key) = key {
            request = request.header("x-idempotency-key", key);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.map_err(|error| unknown(&error))?;
        let status = response.status();
        let body = read(response).await?;
        if status.is_success() {
            return Ok(body);
        }
        let detail = detail(&body);
        if is_definite(status) {
            Err(Failed::Refused { status: status.as_u16(), detail })
        } else {
            Err(Failed::Unknown(format!("status {status}: {detail}")))
        }
    }
}

#[async_trait]
impl Provider for MercadoPago {
    async fn prepare(&self, wanted: &Wanted) -> Result<String, Failed> {
        // One item for the whole: a discount could not be spread over units without parts of a cent.
        let mut body = json!({
            "items": [{
                "id": wanted.reference,
                "title": wanted.title,
                "quantity": 1,
                "currency_id": wanted.currency,
                "unit_price": decimal(wanted.amount_minor, &wanted.currency),
            }],
            "external_reference": wanted.reference,
            "notification_url": self.config.notification_url,
            "expires": true,
            "expiration_date_to": Timestamp::from_unix_ms(wanted.until_ms).to_string(),
        });
        if let Some(email) = &wanted.payer_email {
            body["payer"] = json!({ "email": email });
        }
        if let Some(url) = &self.config.back_url {
            body["back_urls"] = json!({ "success": url, "pending": url, "failure": url });
        }
        let answer = self.call(Method::POST, "/checkout/preferences", Some(&wanted.key), Some(body)).await?;
        Ok(parse::<Preference>(&answer)?.init_point)
    }

    async fn payment(&self, id: &str) -> Result<Option<Seen>, Failed> {
        // The id comes from outside; only what can be one goes into a path.
        if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Ok(None);
        }
        match self.call(Method::GET, &format!("/v1/payments/{id}"), None, None).await {
            Ok(answer) => Ok(Some(seen(parse(&answer)?))),
            Err(Failed::Refused { status: 404, .. }) => Ok(None),
            Err(failed) => Err(failed),
        }
    }

    async fn search(&self, reference: &str) -> Result<Vec<Seen>, Failed> {
        let path = format!(
            "/v1/payments/search?external_reference={reference}&sort=date_created&criteria=desc&limit={SEARCH_LIMIT}"
        );
        let answer = self.call(Method::GET, &path, None, None).await?;
        Ok(parse::<Found>(&answer)?.results.into_iter().map(seen).collect())
    }

    async fn refund(&self, wanted: &WantedRefund) -> Result<(), Failed> {
        let body = match wanted.amount_minor {
            None => json!({}),
            Some(minor) => json!({ "amount": decimal(minor, &wanted.currency) }),
        };
        let path = format!("/v1/payments/{}/refunds", wanted.payment);
        self.call(Method::POST, &path, Some(&wanted.key), Some(body)).await.map(drop)
    }

    fn verify(&self, notification: &Notification<'_>, now_ms: u64) -> Verdict {
        let Some(is_fresh) = signature::check(&self.config.webhook_secret, notification, now_ms) else {
            return Verdict::Forged;
        };
        let payment = notification.data_id.to_owned();
        if notification.kind != "payment" || payment.is_empty() {
            return Verdict::Other;
        }
        if !is_fresh {
            return Verdict::Stale { payment };
        }
        let id =
            serde_json::from_slice::<NotificationBody>(notification.body).ok().map(|body| text(&body.id));
        // A body without an id of its own is told apart by the request.
        let id = id.filter(|id| !id.is_empty()).unwrap_or_else(|| notification.request_id.to_owned());
        Verdict::Payment { id, payment }
    }
}

/// Whether a status says that nothing happened and nothing will. 409, 423, 424 and 429 ask to come again; a token that is
/// refused is a mistake of the operator's and does not make a payment impossible.
fn is_definite(status: StatusCode) -> bool {
    status.is_client_error() && !matches!(status.as_u16(), 401 | 403 | 408 | 409 | 423 | 424 | 425 | 429)
}

/// What of an error goes to the log: its name and the codes of its causes. Its sentences may repeat what was sent, and with it
/// a token, an address or a card.
fn detail(body: &[u8]) -> String {
    let body: ErrorBody = serde_json::from_slice(body).unwrap_or_default();
    let names = std::iter::once(&body.error).chain(body.cause.iter().flatten().map(|cause| &cause.code));
    let names = names.map(text).filter(|name| is_code(name)).take(1 + CAUSES_MAX);
    names.collect::<Vec<_>>().join(" ")
}

fn is_code(name: &str) -> bool {
    (1..=CODE_CHARS_MAX).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.'))
}

async fn read(mut response: Response) -> Result<Vec<u8>, Failed> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| unknown(&error))? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(Failed::Unknown("the answer is too long".to_owned()));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn parse<T: serde::de::DeserializeOwned>(answer: &[u8]) -> Result<T, Failed> {
    // Without its own words, which repeat what was found.
    serde_json::from_slice(answer).map_err(|error| {
        Failed::Unknown(format!("malformed answer: {:?} error at byte {}", error.classify(), error.column()))
    })
}

fn unknown(error: &reqwest::Error) -> Failed {
    Failed::Unknown(vitrina_outgoing::cause(error))
}

fn seen(body: PaymentBody) -> Seen {
    let status = match body.status.as_str() {
        "approved" => PaymentStatus::Approved,
        "pending" | "authorized" => PaymentStatus::Pending,
        "in_process" | "in_mediation" => PaymentStatus::InProcess,
        "rejected" => PaymentStatus::Rejected,
        "cancelled" => PaymentStatus::Cancelled,
        "refunded" => PaymentStatus::Refunded,
        "charged_back" => PaymentStatus::ChargedBack,
        _ => PaymentStatus::Unspecified,
    };
    Seen {
        id: text(&body.id),
        status,
        amount_minor: minor(body.transaction_amount, &body.currency_id),
        refunded_minor: minor(body.transaction_amount_refunded.unwrap_or_default(), &body.currency_id),
        currency: body.currency_id,
        reference: body.external_reference.unwrap_or_default(),
    }
}

fn text(id: &Value) -> String {
    match id {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}

/// Minor units of one unit (ISO 4217), for the currencies of the countries where MercadoPago works.
fn minor_units(currency: &str) -> f64 {
    if matches!(currency, "CLP" | "PYG") { 1.0 } else { 100.0 }
}

fn decimal(minor: i64, currency: &str) -> f64 {
    minor as f64 / minor_units(currency)
}

fn minor(decimal: f64, currency: &str) -> i64 {
    (decimal * minor_units(currency)).round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_survives_the_way_there_and_back() {
        for amount in [1, 99, 598_000, 12_345_678_901, 99_999_999_999_999] {
            assert_eq!(minor(decimal(amount, "ARS"), "ARS"), amount);
            assert_eq!(minor(decimal(amount, "CLP"), "CLP"), amount);
        }
    }

    #[test]
    fn an_error_is_told_by_its_codes_and_not_in_its_words() {
        let body = json!({
            "message": "invalid access_token APP_USR-secret",
            "error": "bad_request",
            "status": 400,
            "cause": [
                { "code": 2006, "description": "Card Token secret not found", "data": "secret" },
                { "code": "secret@example.com" },
                { "description": "secret" },
            ],
        });
        assert_eq!(detail(body.to_string().as_bytes()), "bad_request 2006");
        assert_eq!(detail(b"<html>secret</html>"), "");
        let failed = parse::<Preference>(br#"{"init_point": {"secret": 1}}"#).err().unwrap();
        assert!(!failed.to_string().contains("secret"), "{failed}");
    }

    #[test]
    fn only_what_certainly_did_not_happen_is_refused() {
        for (status, definite) in
            [(400, true), (404, true), (422, true), (409, false), (423, false), (429, false), (500, false)]
        {
            assert_eq!(is_definite(StatusCode::from_u16(status).unwrap()), definite, "{status}");
        }
    }
}
