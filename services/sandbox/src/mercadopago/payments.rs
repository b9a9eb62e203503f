//! `/v1/payments` and `/v1/card_tokens`.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::fault::Fault;
use super::model::{Payment, Refused};
use super::once::{Keyed, once};
use super::{notify, view, wire};
use crate::app::App;
use crate::book::{Book, Record};
use crate::clock;
use crate::knobs::Provider;

/// Payments on a page of the search, unless it asks for fewer or more.
const PAGE_DEFAULT: usize = 30;

/// Most payments on a page of the search.
const PAGE_MAX: usize = 100;

#[derive(Deserialize)]
pub(super) struct Search {
    external_reference: Option<String>,
    status: Option<String>,
    criteria: Option<String>,
    limit: Option<usize>,
    offset: Option<usize>,
}

pub(super) async fn create(
    State(app): State<Arc<App>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Fault> {
    let keyed = Keyed::of(&Method::POST, uri.path(), &headers, &body)?;
    let fields = wire::object(&body)?;
    let desk = Arc::clone(&app);
    let act = move |book: &Book, records: &mut Vec<Record>| {
        let new = wire::payment(&fields, book)?;
        let payment = record_new(&desk, book, records, new, Origin::Api);
        Ok((StatusCode::CREATED, view::payment(&payment)))
    };
    Ok(once(&app, keyed, act).await)
}

/// Where a payment comes from.
pub(super) enum Origin {
    Api,
    Checkout { preference_id: String, currency: String },
}

/// Writes a new payment and its notification down.
pub(super) fn record_new(
    app: &App,
    book: &Book,
    records: &mut Vec<Record>,
    new: wire::NewPayment,
    origin: Origin,
) -> Payment {
    let now_ms = clock::now_ms();
    let mut ids = book.ids();
    let (preference_id, currency) = match origin {
        Origin::Api => (None, "ARS".to_owned()),
        Origin::Checkout { preference_id, currency } => (Some(preference_id), currency),
    };
    let mut payment = Payment {
        id: ids.next().unwrap_or_default(),
        status: new.outcome.0,
        detail: String::new(),
        capture: new.capture,
        currency,
        amount: new.amount,
        refunded: 0,
        fee: new.fee,
        external_reference: new.external_reference,
        notification_url: new.notification_url,
        preference_id,
        sent: new.sent,
        card: new.card,
        created_ms: now_ms,
        updated_ms: now_ms,
        approved_ms: None,
        refunds: Vec::new(),
    };
    payment.turn(new.outcome, now_ms);
    records.push(Record::Payment(payment.clone()));
    records.extend(ids.next().and_then(|id| notify(app, id, &payment, "payment.created")));
    payment
}

/// Writes a changed payment and its notification down.
pub(super) fn record_change(app: &App, payment: &Payment, records: &mut Vec<Record>, notice_id: u64) {
    records.push(Record::Payment(payment.clone()));
    records.extend(notify(app, notice_id, payment, "payment.updated"));
}

pub(super) async fn read(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Json<Value>, Fault> {
    let payment = app.ledger.read(|book| find(book, &id))?;
    Ok(Json(view::payment(&payment)))
}

pub(super) async fn search(State(app): State<Arc<App>>, Query(search): Query<Search>) -> Json<Value> {
    let lag_ms = app.knobs.get(Provider::MercadoPago).search_lag_ms;
    let known_until_ms = clock::now_ms().saturating_sub(lag_ms);
    let limit = search.limit.unwrap_or(PAGE_DEFAULT).min(PAGE_MAX);
    let offset = search.offset.unwrap_or(0);
    let (total, results) = app.ledger.read(|book| {
        let mut found: Vec<&Payment> = match &search.external_reference {
            Some(reference) => {
                let ids = book.by_reference.get(reference).map(Vec::as_slice).unwrap_or_default();
                ids.iter().filter_map(|id| book.payments.get(id)).collect()
            }
            None => book.payments.values().collect(),
        };
        found.retain(|payment| lag_ms == 0 || payment.created_ms <= known_until_ms);
        found.retain(|payment| search.status.as_deref().is_none_or(|status| status == payment.status.name()));
        if search.criteria.as_deref() != Some("asc") {
            found.reverse();
        }
        let page: Vec<Value> =
            found.iter().skip(offset).take(limit).map(|payment| view::payment(payment)).collect();
        (found.len(), page)
    });
    Json(json!({ "paging": { "total": total, "limit": limit, "offset": offset }, "results": results }))
}

pub(super) async fn change(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Fault> {
    let keyed = Keyed::of(&Method::PUT, uri.path(), &headers, &body)?;
    let fields = wire::object(&body)?;
    let desk = Arc::clone(&app);
    let act = move |book: &Book, records: &mut Vec<Record>| {
        let mut payment = find(book, &id)?;
        apply_change(&mut payment, &fields)?;
        record_change(&desk, &payment, records, book.ids().next().unwrap_or_default());
        Ok((StatusCode::OK, view::payment(&payment)))
    };
    Ok(once(&app, keyed, act).await)
}

fn apply_change(payment: &mut Payment, fields: &Map<String, Value>) -> Result<(), Fault> {
    let now_ms = clock::now_ms();
    let amount = wire::optional_amount(fields, "transaction_amount")?;
    let moved = if fields.get("capture") == Some(&Value::Bool(true)) {
        payment.capture(amount, now_ms)
    } else if fields.get("status") == Some(&Value::from("cancelled")) {
        payment.cancel(now_ms)
    } else {
        return Err(Fault::bad(8, "only capture and status cancelled can be set"));
    };
    moved.map_err(refused)
}

pub(super) async fn refund(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Fault> {
    let keyed = Keyed::of(&Method::POST, uri.path(), &headers, &body)?;
    let amount = wire::optional_amount(&wire::object(&body)?, "amount")?;
    let desk = Arc::clone(&app);
    let act = move |book: &Book, records: &mut Vec<Record>| {
        let mut payment = find(book, &id)?;
        let mut ids = book.ids();
        let refund =
            payment.refund(ids.next().unwrap_or_default(), amount, clock::now_ms()).map_err(refused)?;
        record_change(&desk, &payment, records, ids.next().unwrap_or_default());
        Ok((StatusCode::CREATED, view::refund(payment.id, &refund)))
    };
    Ok(once(&app, keyed, act).await)
}

pub(super) async fn refunds(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Fault> {
    let payment = app.ledger.read(|book| find(book, &id))?;
    Ok(Json(payment.refunds.iter().map(|refund| view::refund(payment.id, refund)).collect()))
}

pub(super) async fn one_refund(
    State(app): State<Arc<App>>,
    Path((id, refund_id)): Path<(String, String)>,
) -> Result<Json<Value>, Fault> {
    let payment = app.ledger.read(|book| find(book, &id))?;
    let refund = payment.refunds.iter().find(|refund| refund.id.to_string() == refund_id);
    let refund = refund.ok_or_else(|| Fault::not_found("Refund"))?;
    Ok(Json(view::refund(payment.id, refund)))
}

pub(super) async fn create_card_token(State(app): State<Arc<App>>, body: Bytes) -> Result<Response, Fault> {
    let id = uuid::Uuid::now_v7().simple().to_string();
    let token = wire::card_token(id, &wire::object(&body)?)?;
    let shown = json!({
        "id": token.id,
        "status": "active",
        "first_six_digits": token.first_six,
        "last_four_digits": token.last_four,
        "cardholder": { "name": token.holder },
        "live_mode": false,
    });
    app.ledger.write(move |_, records| records.push(Record::CardToken(token))).await?;
    Ok((StatusCode::CREATED, Json(shown)).into_response())
}

pub(super) fn find(book: &Book, id: &str) -> Result<Payment, Fault> {
    let payment = id.parse().ok().and_then(|id: u64| book.payments.get(&id));
    payment.cloned().ok_or_else(|| Fault::not_found("Payment"))
}

pub(super) fn refused(refused: Refused) -> Fault {
    match refused {
        Refused::Status => {
            Fault::bad(2063, "The action requested is not valid for the current payment state")
        }
        Refused::Amount => Fault::bad(2018, "The amount is not valid for the current payment"),
    }
}
