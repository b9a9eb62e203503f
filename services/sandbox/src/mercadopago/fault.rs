//! Errors as MercadoPago tells them.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// An answer of 4xx or 5xx.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    status: StatusCode,
    error: &'static str,
    /// Number in the vendor's list of causes.
    code: u32,
    message: String,
}

impl Fault {
    /// 400 with one of the vendor's causes.
    pub(super) fn bad(code: u32, message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, error: "bad_request", code, message: message.into() }
    }

    pub(super) fn unauthorized(message: &str) -> Self {
        Self { status: StatusCode::UNAUTHORIZED, error: "unauthorized", code: 5, message: message.to_owned() }
    }

    pub(super) fn not_found(what: &str) -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            error: "not_found",
            code: 2000,
            message: format!("{what} not found"),
        }
    }

    /// The idempotency key was used for something else.
    pub(super) fn conflict() -> Self {
        let message = "X-Idempotency-Key was already used with another request body".to_owned();
        Self { status: StatusCode::CONFLICT, error: "idempotency_key_conflict", code: 4293, message }
    }

    /// The journal failed.
    pub(super) fn internal() -> Self {
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            error: "internal_error",
            code: 1,
            message: "internal_error".to_owned(),
        }
    }
}

impl From<crate::error::Error> for Fault {
    fn from(error: crate::error::Error) -> Self {
        tracing::error!(%error, "the sandbox could not keep a write");
        Self::internal()
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let body = json!({
            "message": self.message,
            "error": self.error,
            "status": self.status.as_u16(),
            "cause": [{ "code": self.code, "description": self.message, "data": null }],
        });
        (self.status, Json(body)).into_response()
    }
}
