//! The knobs: how a stand-in misbehaves, for as long as somebody wants it to.
//!
//! They are kept in memory only: after a restart everything works.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio_util::sync::CancellationToken;

/// How long a request that times out is held at most; every client of the shop gives up long before.
const HOLD: Duration = Duration::from_secs(120);

/// Longest delay that can be asked for.
const DELAY_MS_MAX: u64 = 120_000;

/// Who can misbehave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Provider {
    MercadoPago,
    SendGrid,
    Fcm,
    S3,
}

/// On which side of its effect a request is never answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TimeOut {
    /// Nothing happens.
    Before,
    /// It happens, but nobody is told.
    After,
}

/// How one provider misbehaves; the default is not at all.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Knob {
    /// Every request gets 503.
    pub(crate) down: bool,
    /// Milliseconds before each request is looked at.
    #[serde(alias = "delayMs")]
    pub(crate) delay_ms: u64,
    /// Share of requests, 0 to 1, that fail before they have an effect, evenly spread: at 0.5 every second one.
    #[serde(alias = "errorRate")]
    pub(crate) error_rate: f64,
    /// Status of those failures, 400 to 599; 500 if absent.
    #[serde(alias = "errorStatus")]
    pub(crate) error_status: Option<u16>,
    /// Requests are never answered.
    #[serde(alias = "timeOut")]
    pub(crate) time_out: Option<TimeOut>,
    /// Every notification is sent twice.
    pub(crate) duplicate: bool,
    /// Every second notification is held back, so that a later one overtakes it.
    pub(crate) reorder: bool,
    /// Milliseconds that MercadoPago's search lags behind its payments.
    #[serde(alias = "searchLagMs")]
    pub(crate) search_lag_ms: u64,
}

impl Knob {
    /// What is wrong with the settings, if something is.
    pub(crate) fn mistake(&self) -> Option<&'static str> {
        if !(0.0..=1.0).contains(&self.error_rate) {
            return Some("error_rate must be from 0 to 1");
        }
        if self.delay_ms > DELAY_MS_MAX {
            return Some("delay_ms must be at most 120000");
        }
        match self.error_status {
            Some(status) if !(400..=599).contains(&status) => Some("error_status must be from 400 to 599"),
            _ => None,
        }
    }
}

/// All knobs as they stand.
#[derive(Default)]
pub(crate) struct Knobs {
    set: Mutex<BTreeMap<Provider, Turned>>,
}

#[derive(Default)]
struct Turned {
    knob: Knob,
    /// Failures owed: grows by the rate with each request; from 1 on one is due.
    owed: f64,
}

impl Knobs {
    pub(crate) fn get(&self, provider: Provider) -> Knob {
        self.lock().get(&provider).map(|turned| turned.knob.clone()).unwrap_or_default()
    }

    pub(crate) fn set(&self, provider: Provider, knob: Knob) {
        self.lock().insert(provider, Turned { knob, owed: 0.0 });
    }

    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    pub(crate) fn all(&self) -> BTreeMap<Provider, Knob> {
        self.lock().iter().map(|(provider, turned)| (*provider, turned.knob.clone())).collect()
    }

    /// Whether the next request fails, by the error rate.
    fn fails_next(&self, provider: Provider) -> bool {
        let mut set = self.lock();
        let Some(turned) = set.get_mut(&provider) else { return false };
        turned.owed += turned.knob.error_rate;
        let is_due = turned.owed >= 1.0;
        if is_due {
            turned.owed -= 1.0;
        }
        is_due
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Provider, Turned>> {
        self.set.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the middleware of one provider needs.
#[derive(Clone)]
pub(crate) struct Gate {
    pub(crate) provider: Provider,
    pub(crate) knobs: Arc<Knobs>,
    pub(crate) stop: CancellationToken,
}

/// Lets a request through as the provider's knobs say.
pub(crate) async fn gate(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let knob = gate.knobs.get(gate.provider);
    if knob.delay_ms > 0 {
        hold(&gate, Duration::from_millis(knob.delay_ms)).await;
    }
    if knob.down {
        return refusal(gate.provider, StatusCode::SERVICE_UNAVAILABLE);
    }
    if gate.knobs.fails_next(gate.provider) {
        let status = knob.error_status.and_then(|status| StatusCode::from_u16(status).ok());
        return refusal(gate.provider, status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
    }
    match knob.time_out {
        None => next.run(request).await,
        Some(TimeOut::Before) => unanswered(&gate).await,
        Some(TimeOut::After) => {
            drop(next.run(request).await);
            unanswered(&gate).await
        }
    }
}

async fn unanswered(gate: &Gate) -> Response {
    hold(gate, HOLD).await;
    refusal(gate.provider, StatusCode::GATEWAY_TIMEOUT)
}

async fn hold(gate: &Gate, time: Duration) {
    tokio::select! {
        () = tokio::time::sleep(time) => (),
        () = gate.stop.cancelled() => (),
    }
}

/// A failure in the provider's own shape.
fn refusal(provider: Provider, status: StatusCode) -> Response {
    let reason = status.canonical_reason().unwrap_or("error");
    let number = status.as_u16();
    let mut response = match provider {
        Provider::MercadoPago => {
            let error = reason.to_lowercase().replace(' ', "_");
            let body = json!({ "message": reason, "error": error, "status": number, "cause": [] });
            (status, axum::Json(body)).into_response()
        }
        Provider::SendGrid => {
            let body = json!({ "errors": [{ "message": reason, "field": null, "help": null }] });
            (status, axum::Json(body)).into_response()
        }
        Provider::Fcm => crate::fcm::trouble(status),
        Provider::S3 => {
            let code = if number == 503 { "SlowDown" } else { "InternalError" };
            let body = format!("<Error><Code>{code}</Code><Message>{reason}</Message></Error>");
            (status, [(header::CONTENT_TYPE, "application/xml")], body).into_response()
        }
    };
    if matches!(number, 429 | 503) {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_spread_evenly() {
        let knobs = Knobs::default();
        knobs.set(Provider::Fcm, Knob { error_rate: 0.25, ..Knob::default() });
        let fails: Vec<bool> = (0..8).map(|_| knobs.fails_next(Provider::Fcm)).collect();
        assert_eq!(fails, [false, false, false, true, false, false, false, true]);
        assert!(!knobs.fails_next(Provider::S3));
    }
}
