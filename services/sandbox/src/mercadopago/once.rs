//! The way of every write: once per idempotency key.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::fault::Fault;
use crate::app::App;
use crate::book::{Answer, Book, Record};
use crate::clock;

/// Longest key that the vendor takes.
const KEY_LEN_MAX: usize = 64;

/// A write that carries its key.
pub(super) struct Keyed {
    key: String,
    fingerprint: String,
}

impl Keyed {
    /// Takes the key from the request.
    ///
    /// # Errors
    /// 400 if it is absent, empty or too long.
    pub(super) fn of(method: &Method, path: &str, headers: &HeaderMap, body: &Bytes) -> Result<Self, Fault> {
        let key = headers.get("x-idempotency-key").and_then(|value| value.to_str().ok()).unwrap_or_default();
        if key.is_empty() {
            return Err(Fault::bad(4292, "Header X-Idempotency-Key can't be null"));
        }
        if key.len() > KEY_LEN_MAX {
            return Err(Fault::bad(4294, "Header X-Idempotency-Key must have 1 to 64 characters"));
        }
        let digest = Sha256::digest(body);
        let fingerprint = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { key: format!("{method} {} {key}", path.trim_end_matches('/')), fingerprint })
    }
}

/// Runs `act` unless its key was answered already; keeps its records and its answer together. A refusal is not remembered:
/// it had no effect.
pub(super) async fn once(
    app: &Arc<App>,
    keyed: Keyed,
    act: impl FnOnce(&Book, &mut Vec<Record>) -> Result<(StatusCode, Value), Fault> + Send + 'static,
) -> Response {
    let written = app.ledger.write(move |book, records| {
        if let Some(known) = book.answer(&keyed.key) {
            if known.fingerprint != keyed.fingerprint {
                return Err(Fault::conflict());
            }
            let status = StatusCode::from_u16(known.status).map_err(|_| Fault::internal())?;
            return Ok((status, known.body.clone()));
        }
        let (status, body) = act(book, records)?;
        records.push(Record::Answer(Answer {
            key: keyed.key,
            fingerprint: keyed.fingerprint,
            status: status.as_u16(),
            body: body.clone(),
            at_ms: clock::now_ms(),
        }));
        Ok((status, body))
    });
    match written.await.map_err(Fault::from).and_then(|answer| answer) {
        Ok((status, body)) => (status, Json(body)).into_response(),
        Err(fault) => fault.into_response(),
    }
}
