//! `/sandbox`: what the stand-ins received, for people and for tests, and their knobs.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::app::App;
use crate::clock;
use crate::fcm;
use crate::knobs::{Knob, Provider};
use crate::mercadopago;
use crate::page::{self, escape};

/// Newest of each kind that the page shows; the JSON lists give all that are kept.
const SHOWN_MAX: usize = 50;

#[derive(Deserialize)]
struct MailEvents {
    url: Option<String>,
}

pub(crate) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/", get(show))
        .route("/sandbox", get(show))
        .route("/sandbox/mails", get(mails))
        .route("/sandbox/pushes", get(pushes))
        .route("/sandbox/payments", get(payments))
        .route("/sandbox/preferences", get(preferences))
        .route("/sandbox/knobs", post(turn).get(knobs).delete(straighten))
        .route("/sandbox/mail-events", post(set_mail_events).get(mail_events))
        .route("/sandbox/service-account", get(service_account))
}

async fn mails(State(app): State<Arc<App>>) -> Json<Value> {
    Json(app.ledger.read(|book| json!(book.mails)))
}

async fn pushes(State(app): State<Arc<App>>) -> Json<Value> {
    Json(app.ledger.read(|book| json!(book.pushes)))
}

async fn payments(State(app): State<Arc<App>>) -> Json<Value> {
    Json(app.ledger.read(|book| book.payments.values().map(mercadopago::payment_view).collect()))
}

async fn preferences(State(app): State<Arc<App>>) -> Json<Value> {
    let shown =
        |preference: &mercadopago::Preference| mercadopago::preference_view(preference, &app.base_url);
    Json(app.ledger.read(|book| book.preferences.values().map(shown).collect()))
}

async fn knobs(State(app): State<Arc<App>>) -> Json<Value> {
    Json(json!(app.knobs.all()))
}

async fn straighten(State(app): State<Arc<App>>) -> StatusCode {
    app.knobs.clear();
    StatusCode::NO_CONTENT
}

/// Replaces the knobs of one provider: what is not named goes back to its default.
async fn turn(State(app): State<Arc<App>>, body: Bytes) -> Response {
    let wrong = |text: String| (StatusCode::BAD_REQUEST, Json(json!({ "message": text }))).into_response();
    let mut fields: Map<String, Value> = match serde_json::from_slice(&body) {
        Ok(fields) => fields,
        Err(error) => return wrong(error.to_string()),
    };
    let provider = serde_json::from_value::<Provider>(fields.remove("provider").unwrap_or_default());
    let knob = serde_json::from_value::<Knob>(Value::Object(fields));
    match (provider, knob) {
        (Ok(_), Ok(knob)) if knob.mistake().is_some() => wrong(knob.mistake().unwrap_or_default().to_owned()),
        (Ok(provider), Ok(knob)) => {
            app.knobs.set(provider, knob);
            Json(json!(app.knobs.all())).into_response()
        }
        (Err(error), _) => wrong(format!("provider: {error}")),
        (_, Err(error)) => wrong(error.to_string()),
    }
}

async fn mail_events(State(app): State<Arc<App>>) -> Json<Value> {
    Json(json!({ "url": app.mail_events_url(), "key": app.mail_signer.public_key }))
}

async fn set_mail_events(State(app): State<Arc<App>>, Json(sent): Json<MailEvents>) -> Json<Value> {
    app.set_mail_events_url(sent.url);
    mail_events(State(app)).await
}

async fn service_account(State(app): State<Arc<App>>) -> Response {
    ([("content-type", "application/json")], fcm::service_account(&app.base_url)).into_response()
}

async fn show(State(app): State<Arc<App>>) -> Html<String> {
    let tables = app.ledger.read(|book| {
        let payments: String = book.payments.values().rev().take(SHOWN_MAX).map(payment_row).collect();
        let mails = book.mails.iter().rev().take(SHOWN_MAX).map(|mail| {
            let text = if mail.text.is_empty() { &mail.html } else { &mail.text };
            row(&[&clock::iso(mail.at_ms), &mail.to.join(", "), &mail.subject, text])
        });
        let mails: String = mails.collect();
        let pushes = book.pushes.iter().rev().take(SHOWN_MAX);
        let pushes = pushes.map(|push| row(&[&clock::iso(push.at_ms), &push.to, &push.title, &push.body]));
        let pushes: String = pushes.collect();
        format!(
            "<h2>Payments</h2><table>{payments}</table><h2>Mails</h2><table>{mails}</table>\
             <h2>Pushes</h2><table>{pushes}</table>"
        )
    });
    page::shell("Vitrina's sandbox", &tables)
}

fn row(cells: &[&str]) -> String {
    let cells: String = cells.iter().map(|cell| format!("<td><pre>{}</pre></td>", escape(cell))).collect();
    format!("<tr>{cells}</tr>")
}

fn payment_row(payment: &mercadopago::Payment) -> String {
    let view = mercadopago::payment_view(payment);
    let mut buttons = String::new();
    if payment.status.is_open() {
        for status in ["approved", "rejected", "cancelled"] {
            buttons.push_str(&format!("<button name=\"status\" value=\"{status}\">{status}</button> "));
        }
    } else if payment.status == mercadopago::Status::Approved {
        buttons.push_str("<button name=\"status\" value=\"charged_back\">charge back</button>");
    }
    let id = payment.id;
    format!(
        "<tr><td>{}</td><td>{id}</td><td>{} {}</td><td>{} ({})</td><td>{}</td>\
         <td><form method=\"post\" action=\"/sandbox/payments/{id}\">{buttons}</form></td></tr>",
        escape(&clock::iso(payment.created_ms)),
        escape(&payment.currency),
        view["transaction_amount"],
        payment.status.name(),
        escape(&payment.detail),
        escape(payment.external_reference.as_deref().unwrap_or_default()),
    )
}
