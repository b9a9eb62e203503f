//! The page behind `init_point`: a person, or a test in a person's place, chooses how paying ends.
//!
//! Shown as HTML with one button for each result; the buttons post a form, a test posts the same fields as JSON. A form is
//! answered by the way back to the shop, JSON by the payment.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::fault::Fault;
use super::model::{self, Capture, CardToken, Outcome, Payment, Preference, Status};
use super::payments::{Origin, record_new};
use super::{amount, preferences, view, wire};
use crate::app::App;
use crate::book::{Book, Record};
use crate::clock;
use crate::page::{self, escape};

#[derive(Deserialize)]
pub(super) struct Asked {
    pref_id: String,
}

/// What the person chose.
#[derive(Deserialize)]
struct Choice {
    #[serde(alias = "preference_id")]
    pref_id: String,
    /// `approved`, `pending` or `rejected`.
    result: Option<String>,
    /// Or a test card's holder, for the other details.
    holder: Option<String>,
}

pub(super) async fn show(
    State(app): State<Arc<App>>,
    Query(asked): Query<Asked>,
) -> Result<Html<String>, Fault> {
    let (preference, is_paid) = app.ledger.read(|book| {
        let preference = preferences::find(book, &asked.pref_id)?;
        let is_paid = book.payments.values().any(|payment| {
            payment.preference_id.as_deref() == Some(&asked.pref_id) && payment.status == Status::Approved
        });
        Ok::<_, Fault>((preference, is_paid))
    })?;
    let mut rows = String::new();
    for item in preference.sent.get("items").and_then(Value::as_array).into_iter().flatten() {
        let title = item.get("title").and_then(Value::as_str).unwrap_or_default();
        let price = item.get("unit_price").and_then(amount::parse).unwrap_or_default();
        let row = format!(
            "<tr><td>{}</td><td>{} × {}</td></tr>",
            escape(title),
            item["quantity"],
            amount::text(price)
        );
        rows.push_str(&row);
    }
    let total = format!("{} {}", escape(&preference.currency), amount::text(preference.total));
    let note =
        if is_paid { "<p>This was paid already; paying again makes a second payment.</p>" } else { "" };
    let id = escape(&preference.id);
    let form = format!(
        "<table>{rows}<tr><th>Total</th><th>{total}</th></tr></table>{note}\
         <form method=\"post\" action=\"/checkout/v1/pay\"><input type=\"hidden\" name=\"pref_id\" value=\"{id}\">\
         <button name=\"result\" value=\"approved\">Pay</button> \
         <button name=\"result\" value=\"pending\">Pay later</button> \
         <button name=\"result\" value=\"rejected\">Have it rejected</button></form>"
    );
    Ok(page::shell("Pay (sandbox)", &form))
}

pub(super) async fn pay(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Fault> {
    let is_json = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|kind| kind.starts_with("application/json"));
    let choice = if is_json { serde_json::from_slice(&body).ok() } else { page::form(&body) };
    let choice: Choice = choice.ok_or_else(|| Fault::bad(8, "pref_id, and result or holder, needed"))?;
    let outcome = outcome(&choice)?;
    let desk = Arc::clone(&app);
    let paid = app.ledger.write(move |book, records| take(&desk, book, records, &choice, outcome));
    let (payment, preference) = paid.await.map_err(Fault::from)??;
    if is_json {
        return Ok((StatusCode::CREATED, Json(view::payment(&payment))).into_response());
    }
    Ok(way_back(&payment, &preference))
}

fn outcome(choice: &Choice) -> Result<Outcome, Fault> {
    if let Some(holder) = choice.holder.as_deref().filter(|holder| !holder.is_empty()) {
        return Ok(model::outcome_of_holder(holder));
    }
    match choice.result.as_deref() {
        Some("approved") => Ok((Status::Approved, "accredited")),
        Some("pending") => Ok((Status::Pending, "pending_waiting_payment")),
        Some("rejected") => Ok((Status::Rejected, "cc_rejected_other_reason")),
        _ => Err(Fault::bad(8, "result must be approved, pending or rejected")),
    }
}

fn take(
    app: &App,
    book: &Book,
    records: &mut Vec<Record>,
    choice: &Choice,
    outcome: Outcome,
) -> Result<(Payment, Preference), Fault> {
    let preference = preferences::find(book, &choice.pref_id)?;
    let sent = &preference.sent;
    let is_bounded = sent.get("expires").and_then(Value::as_bool) == Some(true);
    if is_bounded && wire::time(sent, "expiration_date_to").is_some_and(|end_ms| end_ms <= clock::now_ms()) {
        return Err(Fault::bad(1, "the preference has expired"));
    }
    let text = |name: &str| sent.get(name).and_then(Value::as_str).map(str::to_owned);
    let card = CardToken::of_test(String::new(), choice.holder.as_deref().unwrap_or_default());
    let new = wire::NewPayment {
        amount: preference.total,
        fee: sent.get("marketplace_fee").and_then(amount::parse).unwrap_or(0),
        outcome,
        capture: Capture::Now,
        external_reference: text("external_reference"),
        notification_url: text("notification_url"),
        sent: json!({
            "payer": sent.get("payer").cloned().unwrap_or_else(|| json!({})),
            "metadata": sent.get("metadata").cloned().unwrap_or_else(|| json!({})),
            "additional_info": { "items": sent.get("items") },
        }),
        card: Some(card),
    };
    let origin =
        Origin::Checkout { preference_id: preference.id.clone(), currency: preference.currency.clone() };
    let payment = record_new(app, book, records, new, origin);
    Ok((payment, preference))
}

/// Leads the person back to the shop, with what Checkout Pro puts into the query; or says how it ended.
fn way_back(payment: &Payment, preference: &Preference) -> Response {
    let name = match payment.status {
        Status::Approved => "success",
        Status::Rejected => "failure",
        _ => "pending",
    };
    let back = preference.sent.get("back_urls").and_then(|urls| urls.get(name)).and_then(Value::as_str);
    if let Some(mut url) = back.and_then(|back| reqwest::Url::parse(back).ok()) {
        let id = payment.id.to_string();
        url.query_pairs_mut()
            .append_pair("collection_id", &id)
            .append_pair("collection_status", payment.status.name())
            .append_pair("payment_id", &id)
            .append_pair("status", payment.status.name())
            .append_pair("external_reference", payment.external_reference.as_deref().unwrap_or("null"))
            .append_pair("payment_type", "credit_card")
            .append_pair("preference_id", &preference.id);
        return Redirect::to(url.as_str()).into_response();
    }
    let text = format!("<p>Payment {} is {}.</p>", payment.id, payment.status.name());
    page::shell("Pay (sandbox)", &text).into_response()
}
