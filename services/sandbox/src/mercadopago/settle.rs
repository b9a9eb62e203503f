//! `/sandbox/payments/{id}`: in the place of a bank or a till, decides what is still open.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Deserialize;

use super::fault::Fault;
use super::model::Status;
use super::payments::{find, record_change, refused};
use super::view;
use crate::app::App;
use crate::clock;
use crate::page;

#[derive(Deserialize)]
struct Decision {
    status: Status,
}

pub(super) async fn settle(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Fault> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_form = kind.starts_with("application/x-www-form-urlencoded");
    let decision = if is_form { page::form(&body) } else { serde_json::from_slice(&body).ok() };
    let decision: Decision = decision.ok_or_else(|| Fault::bad(8, "status needed"))?;
    let desk = Arc::clone(&app);
    let settled = app.ledger.write(move |book, records| {
        let mut payment = find(book, &id)?;
        payment.settle(decision.status, clock::now_ms()).map_err(refused)?;
        record_change(&desk, &payment, records, book.ids().next().unwrap_or_default());
        Ok::<_, Fault>(payment)
    });
    let payment = settled.await.map_err(Fault::from)??;
    Ok(if is_form {
        Redirect::to("/sandbox").into_response()
    } else {
        Json(view::payment(&payment)).into_response()
    })
}
