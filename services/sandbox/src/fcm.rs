//! Firebase Cloud Messaging, HTTP v1, with the token endpoint in front of it.
//!
//! The device's token chooses the fate, by how it begins: `unregistered`, `invalid`, `mismatch`, `quota`, `unavailable`,
//! `internal`, `apns` stand for the errors of those names; any other device gets the message.

mod account;
mod wire;

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub(crate) use self::account::{Tokens, service_account};

use crate::app::App;
use crate::book::Record;
use crate::clock;
use crate::knobs;

/// A message that reached its device.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Push {
    /// `projects/p/messages/…`
    pub(crate) name: String,
    pub(crate) at_ms: u64,
    /// What it was sent to: `token`, `fid`, `topic` or `condition` …
    pub(crate) target: String,
    /// … and its value.
    pub(crate) to: String,
    pub(crate) title: String,
    pub(crate) body: String,
    pub(crate) data: Value,
    /// The whole message as it was sent.
    pub(crate) message: Value,
}

/// An error as Google's APIs tell it.
#[derive(Debug)]
struct Fault {
    status: StatusCode,
    /// Name in `google.rpc.Code`.
    name: &'static str,
    /// Name in `FcmError`, if it is one of FCM's own.
    fcm: Option<&'static str>,
    message: String,
    /// The field that is wrong, if one is.
    field: Option<String>,
}

impl Fault {
    fn new(status: StatusCode, name: &'static str, fcm: &'static str, message: &str) -> Self {
        Self { status, name, fcm: Some(fcm), message: message.to_owned(), field: None }
    }

    fn invalid(field: &str, message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            name: "INVALID_ARGUMENT",
            fcm: Some("INVALID_ARGUMENT"),
            message: message.into(),
            field: Some(field.to_owned()),
        }
    }

    fn unauthenticated() -> Self {
        Self {
            status: StatusCode::UNAUTHORIZED,
            name: "UNAUTHENTICATED",
            fcm: None,
            message: "Request had invalid authentication credentials.".to_owned(),
            field: None,
        }
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let mut details = Vec::new();
        if let Some(code) = self.fcm {
            details.push(json!({
                "@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError",
                "errorCode": code,
            }));
        }
        if let Some(field) = self.field {
            details.push(json!({
                "@type": "type.googleapis.com/google.rpc.BadRequest",
                "fieldViolations": [{ "field": field, "description": self.message }],
            }));
        }
        let number = self.status.as_u16();
        let body = json!({
            "error": { "code": number, "message": self.message, "status": self.name, "details": details },
        });
        let mut response = (self.status, Json(body)).into_response();
        if matches!(number, 429 | 503) {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

/// A failure that a knob asked for.
pub(crate) fn trouble(status: StatusCode) -> Response {
    let message = "The service is in trouble.";
    match status.as_u16() {
        401 => Fault::unauthenticated(),
        429 => Fault::new(status, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", message),
        503 | 504 => Fault::new(status, "UNAVAILABLE", "UNAVAILABLE", message),
        _ => Fault::new(status, "INTERNAL", "INTERNAL", message),
    }
    .into_response()
}

/// The API and the token endpoint.
pub(crate) fn router(app: &Arc<App>) -> Router<Arc<App>> {
    let api = Router::new()
        .route("/v1/projects/{project}/{call}", post(send))
        .layer(middleware::from_fn_with_state(Arc::clone(app), authorize));
    api.route("/token", post(account::exchange))
        .layer(middleware::from_fn_with_state(app.gate(knobs::Provider::Fcm), knobs::gate))
}

async fn authorize(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let sent = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = sent.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    if app.tokens.is_good(token, clock::now_ms() / 1_000) {
        return next.run(request).await;
    }
    Fault::unauthenticated().into_response()
}

async fn send(
    State(app): State<Arc<App>>,
    Path((project, call)): Path<(String, String)>,
    body: Bytes,
) -> Result<Response, Fault> {
    if call != "messages:send" {
        return Err(Fault {
            status: StatusCode::NOT_FOUND,
            name: "NOT_FOUND",
            fcm: None,
            message: "Requested entity was not found.".to_owned(),
            field: None,
        });
    }
    let sent = wire::parse(&body)?;
    if let Some(fault) = fate(&sent.to).filter(|_| matches!(sent.target, "token" | "fid")) {
        return Err(fault);
    }
    let name = format!("projects/{project}/messages/{}", uuid::Uuid::now_v7().simple());
    if !sent.is_rehearsal {
        let push = sent.push(name.clone(), clock::now_ms());
        let kept = app.ledger.write(move |_, records| records.push(Record::Push(push)));
        kept.await.map_err(|error| {
            tracing::error!(%error, "the sandbox could not keep a push");
            Fault::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL", "INTERNAL", "internal error")
        })?;
    }
    Ok(Json(json!({ "name": name })).into_response())
}

/// The error that this device stands for.
fn fate(device: &str) -> Option<Fault> {
    let status = |number: u16| StatusCode::from_u16(number).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let fault = |number, name, fcm, message| Some(Fault::new(status(number), name, fcm, message));
    let word = device.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
    match word {
        "unregistered" => fault(404, "NOT_FOUND", "UNREGISTERED", "Requested entity was not found."),
        "invalid" => Some(Fault::invalid(
            "message.token",
            "The registration token is not a valid FCM registration token",
        )),
        "mismatch" => fault(403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH", "SenderId mismatch"),
        "quota" => fault(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", "Quota exceeded for this device."),
        "unavailable" => fault(503, "UNAVAILABLE", "UNAVAILABLE", "The service is currently unavailable."),
        "internal" => fault(500, "INTERNAL", "INTERNAL", "Internal error encountered."),
        "apns" => fault(
            401,
            "UNAUTHENTICATED",
            "THIRD_PARTY_AUTH_ERROR",
            "Auth error from APNS or Web Push Service",
        ),
        _ => None,
    }
}
