//! SendGrid: takes mails, keeps them to be looked at, and tells by signed events what became of them.
//!
//! The recipient's address chooses the fate, by how its local part begins: `bounce`, `drop`, `defer` (deferred, then
//! delivered), `spam` (delivered, then reported); any other is delivered.

mod signer;
mod wire;

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

pub(crate) use self::signer::MailSigner;
pub(crate) use self::wire::is_address;

use crate::app::App;
use crate::book::{Book, Record};
use crate::clock;
use crate::knobs;
use crate::notice::{Notice, Sender};

/// A mail to the recipients of one personalization.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Mail {
    /// The answer's `X-Message-Id`.
    pub(crate) message_id: String,
    pub(crate) at_ms: u64,
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) html: String,
    pub(crate) categories: Vec<String>,
    pub(crate) custom_args: Map<String, Value>,
}

/// An answer of 4xx or 5xx.
#[derive(Debug)]
struct Fault {
    status: StatusCode,
    message: String,
    field: Option<String>,
}

impl Fault {
    fn bad(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, message: message.into(), field: Some(field.into()) }
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let body = json!({ "errors": [{ "message": self.message, "field": self.field, "help": null }] });
        (self.status, Json(body)).into_response()
    }
}

/// The API.
pub(crate) fn router(app: &Arc<App>) -> Router<Arc<App>> {
    Router::new()
        .route("/v3/mail/send", post(send))
        .layer(middleware::from_fn_with_state(Arc::clone(app), authorize))
        .layer(middleware::from_fn_with_state(app.gate(knobs::Provider::SendGrid), knobs::gate))
}

async fn authorize(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let sent = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if sent.and_then(|value| value.strip_prefix("Bearer ")) == Some(app.config.sendgrid_key.as_str()) {
        return next.run(request).await;
    }
    let message = "The provided authorization grant is invalid, expired, or revoked".to_owned();
    Fault { status: StatusCode::UNAUTHORIZED, message, field: None }.into_response()
}

async fn send(State(app): State<Arc<App>>, body: Bytes) -> Result<Response, Fault> {
    let fields: Value = serde_json::from_slice(&body).map_err(|_| Fault::bad("", "Bad Request"))?;
    let message_id = uuid::Uuid::now_v7().simple().to_string();
    let parsed = wire::parse(&fields, &message_id, clock::now_ms())?;
    if parsed.is_rehearsal {
        return Ok(StatusCode::OK.into_response());
    }
    let events_url = app.mail_events_url();
    let kept = app.ledger.write(move |book, records| {
        records.extend(events_url.and_then(|url| notice(book, url, &parsed.mails)));
        records.extend(parsed.mails.into_iter().map(Record::Mail));
    });
    kept.await.map_err(|error| {
        tracing::error!(%error, "the sandbox could not keep a mail");
        Fault { status: StatusCode::INTERNAL_SERVER_ERROR, message: "internal error".to_owned(), field: None }
    })?;
    let mut response = StatusCode::ACCEPTED.into_response();
    if let Ok(value) = HeaderValue::from_str(&message_id) {
        response.headers_mut().insert("x-message-id", value);
    }
    Ok(response)
}

/// The events of these mails, in one notification.
fn notice(book: &Book, url: String, mails: &[Mail]) -> Option<Record> {
    let events: Vec<Value> = mails
        .iter()
        .flat_map(|mail| mail.to.iter().map(move |to| (mail, to)))
        .flat_map(|(mail, to)| fate(to).iter().map(move |kind| event(mail, to, kind)))
        .collect();
    let body = Value::Array(events).to_string();
    Some(Record::Notice(Notice { id: book.ids().next()?, url, sender: Sender::SendGrid, body }))
}

/// What becomes of a mail to this address.
fn fate(to: &str) -> &'static [&'static str] {
    const FATES: [(&str, &[&str]); 4] = [
        ("bounce", &["processed", "bounce"]),
        ("drop", &["dropped"]),
        ("defer", &["processed", "deferred", "delivered"]),
        ("spam", &["processed", "delivered", "spamreport"]),
    ];
    let known = FATES.iter().find(|(start, _)| to.starts_with(start));
    known.map_or(&["processed", "delivered"], |(_, events)| events)
}

fn event(mail: &Mail, to: &str, kind: &str) -> Value {
    let mut event = mail.custom_args.clone();
    event.insert("email".to_owned(), json!(to));
    event.insert("timestamp".to_owned(), json!(mail.at_ms / 1_000));
    event.insert("event".to_owned(), json!(kind));
    event.insert("category".to_owned(), json!(mail.categories));
    event.insert("sg_event_id".to_owned(), json!(uuid::Uuid::now_v7().simple().to_string()));
    event.insert("sg_message_id".to_owned(), json!(format!("{}.sandbox-0.0", mail.message_id)));
    match kind {
        "bounce" => {
            event.insert("type".to_owned(), json!("bounce"));
            event.insert("status".to_owned(), json!("5.1.1"));
            event.insert("reason".to_owned(), json!("550 5.1.1 mailbox does not exist"));
        }
        "dropped" => {
            event.insert("reason".to_owned(), json!("Bounced Address"));
        }
        "deferred" => {
            event.insert("response".to_owned(), json!("421 try again later"));
            event.insert("attempt".to_owned(), json!("1"));
        }
        "delivered" => {
            event.insert("response".to_owned(), json!("250 OK"));
        }
        _ => {}
    }
    Value::Object(event)
}
