//! `/checkout/preferences`: what a buyer is asked to pay.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::Response;
use serde_json::Value;

use super::fault::Fault;
use super::model::Preference;
use super::once::{Keyed, once};
use super::{COLLECTOR_ID, view, wire};
use crate::app::App;
use crate::book::{Book, Record};
use crate::clock;

pub(super) async fn create(
    State(app): State<Arc<App>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Fault> {
    let keyed = Keyed::of(&Method::POST, uri.path(), &headers, &body)?;
    let id = format!("{COLLECTOR_ID}-{}", uuid::Uuid::now_v7());
    let preference = wire::preference(id, clock::now_ms(), wire::object(&body)?)?;
    let shown = view::preference(&preference, &app.base_url);
    let act = move |_: &Book, records: &mut Vec<Record>| {
        records.push(Record::Preference(preference));
        Ok((StatusCode::CREATED, shown))
    };
    Ok(once(&app, keyed, act).await)
}

pub(super) async fn read(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Json<Value>, Fault> {
    let preference = app.ledger.read(|book| find(book, &id))?;
    Ok(Json(view::preference(&preference, &app.base_url)))
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
    let base_url = app.base_url.clone();
    let act = move |book: &Book, records: &mut Vec<Record>| {
        let known = find(book, &id)?;
        let mut merged = known.sent.as_object().cloned().unwrap_or_default();
        merged.extend(fields);
        let changed = wire::preference(known.id, known.created_ms, merged)?;
        let shown = view::preference(&changed, &base_url);
        records.push(Record::Preference(changed));
        Ok((StatusCode::OK, shown))
    };
    Ok(once(&app, keyed, act).await)
}

pub(super) fn find(book: &Book, id: &str) -> Result<Preference, Fault> {
    book.preferences.get(id).cloned().ok_or_else(|| Fault::not_found("Preference"))
}
