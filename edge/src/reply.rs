//! What goes back to a client: answers, and faults as problem documents (RFC 9457).
//!
//! The mirror of the services' `chassis::fault`. Only a fault that a service marked as its own (`ErrorInfo` with the
//! domain `vitrina`) has a sentence for the client; the text of anything else may hold internals and stays here.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::stream::EventStream;

/// Domain of `google.rpc.ErrorInfo` that marks a fault of ours.
const DOMAIN: &str = "vitrina";

/// Where the metadata of an `ErrorInfo` tells apart what gRPC has one status for.
const CODE_KEY: &str = "code";

/// Seconds after which a client may try again what failed for a moment.
const RETRY_AFTER_S: u32 = 1;

/// An answer ready to be written.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// In the place of `body`: events to be written as they come.
    pub(crate) events: Option<EventStream>,
    /// The connection cannot be trusted to be in step any more.
    pub(crate) is_closing: bool,
    /// A part is missing for now.
    pub(crate) is_partial: bool,
}

/// What went wrong, in the words of the API.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    status: u16,
    code: Cow<'static, str>,
    detail: Cow<'static, str>,
    errors: Vec<FieldError>,
    retry_after_s: Option<u32>,
    headers: Vec<(HeaderName, HeaderValue)>,
    is_closing: bool,
}

/// One field of bad input.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct FieldError {
    pub(crate) field: String,
    pub(crate) code: String,
    pub(crate) detail: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    code: &'a str,
    trace_id: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldError],
}

impl Reply {
    /// An answer without body.
    pub(crate) fn empty(status: StatusCode) -> Self {
        Self {
            status,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            events: None,
            is_closing: false,
            is_partial: false,
        }
    }

    /// An answer with a body of the given type.
    pub(crate) fn with_body(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let mut reply = Self::empty(status);
        reply.set(header::CONTENT_TYPE, content_type);
        reply.body = body.into();
        reply
    }

    /// Makes it the answer to a client that has these bytes.
    pub(crate) fn not_modified(&mut self) {
        self.status = StatusCode::NOT_MODIFIED;
        self.body = Bytes::new();
        self.headers.remove(header::CONTENT_TYPE);
    }

    /// Sets a header; a value that is no header value is left out, since it could only come from outside.
    pub(crate) fn set(&mut self, name: HeaderName, value: impl TryInto<HeaderValue>) {
        if let Ok(value) = value.try_into() {
            self.headers.insert(name, value);
        }
    }
}

impl FieldError {
    /// Services write the code either as the reason or in front of the description: `too_long: must have …`.
    fn from_violation(violation: tonic_types::FieldViolation) -> Self {
        let is_code = |text: &str| {
            !text.is_empty()
                && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        };
        let (code, detail) = match violation.description.split_once(": ") {
            Some((code, detail)) if violation.reason.is_empty() && is_code(code) => {
                (code.to_owned(), detail.to_owned())
            }
            _ if violation.reason.is_empty() => ("invalid".to_owned(), violation.description),
            _ => (violation.reason.to_lowercase(), violation.description),
        };
        Self { field: violation.field, code, detail }
    }
}

impl Problem {
    pub(crate) fn new(
        status: u16,
        code: impl Into<Cow<'static, str>>,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            status,
            code: code.into(),
            detail: detail.into(),
            errors: Vec::new(),
            retry_after_s: None,
            headers: Vec::new(),
            is_closing: false,
        }
    }

    /// The fault of an rpc as a problem.
    pub(crate) fn from_status(fault: &Status) -> Self {
        let info = fault.get_details_error_info().filter(|info| info.domain == DOMAIN);
        let errors: Vec<FieldError> = fault
            .get_details_bad_request()
            .map(|bad| bad.field_violations)
            .unwrap_or_default()
            .into_iter()
            .map(FieldError::from_violation)
            .collect();
        let (status, code, detail) = match info.as_ref().and_then(|info| info.metadata.get(CODE_KEY)) {
            Some(name) if name == "too_large" => (413, "too_large", "It is too large."),
            Some(name) if name == "unsupported_media" => (415, "unsupported_media", "It is not taken here."),
            _ => by_code(fault.code()),
        };
        let mut problem = Self::new(status, code, detail);
        if let Some(info) = info {
            // What is wrong inside keeps our sentence; everything else was written for the client.
            if problem.status != 500 && problem.status != 504 {
                problem.detail = fault.message().to_owned().into();
                problem.code = info.reason.into();
            }
        } else if fault.code() == Code::InvalidArgument && !errors.is_empty() {
            problem.detail = "The request is not valid; `errors` names each field.".into();
        }
        problem.errors = errors;
        problem.retry_after_s = fault
            .get_details_retry_info()
            .and_then(|info| info.retry_delay)
            .map(|delay| u32::try_from(delay.as_secs()).unwrap_or(u32::MAX).max(1))
            .or_else(|| matches!(problem.status, 429 | 503).then_some(RETRY_AFTER_S));
        problem
    }

    /// Adds a header to the answer.
    pub(crate) fn with(mut self, name: HeaderName, value: impl TryInto<HeaderValue>) -> Self {
        if let Ok(value) = value.try_into() {
            self.headers.push((name, value));
        }
        self
    }

    /// Tells the client when to come again.
    pub(crate) fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// The connection ends after this answer.
    pub(crate) fn closing(mut self) -> Self {
        self.is_closing = true;
        self
    }

    pub(crate) fn status(&self) -> u16 {
        self.status
    }

    /// Whether a service failed, rather than refused.
    pub(crate) fn is_failure(&self) -> bool {
        matches!(self.status, 500 | 502 | 503 | 504)
    }

    /// The problem document, never to be stored by a cache.
    pub(crate) fn into_reply(self, trace_id: &str) -> Reply {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let document = Document {
            r#type: format!("urn:vitrina:problem:{}", self.code),
            title: status.canonical_reason().unwrap_or("Error"),
            status: self.status,
            detail: &self.detail,
            code: &self.code,
            trace_id,
            errors: &self.errors,
        };
        let body = serde_json::to_vec(&document).unwrap_or_default();
        let mut reply = Reply::with_body(status, "application/problem+json", body);
        reply.headers.extend(self.headers);
        reply.set(header::CACHE_CONTROL, "no-store");
        if let Some(seconds) = self.retry_after_s {
            reply.set(header::RETRY_AFTER, seconds);
        }
        reply.is_closing = self.is_closing;
        reply
    }
}

/// Status, code and sentence of a gRPC code of which nothing more is known.
fn by_code(code: Code) -> (u16, &'static str, &'static str) {
    match code {
        Code::Ok => (500, "internal", "Something went wrong on our side."),
        Code::InvalidArgument | Code::OutOfRange => (400, "invalid_input", "The request is not valid."),
        Code::Unauthenticated => (401, "unauthenticated", "A valid access token is needed."),
        Code::PermissionDenied => (403, "forbidden", "This is not yours to do."),
        Code::NotFound => (404, "not_found", "There is no such thing."),
        Code::Aborted => (409, "conflict", "The present state does not allow this."),
        Code::AlreadyExists => {
            (422, "idempotency_key_reused", "The Idempotency-Key was used with another payload.")
        }
        Code::FailedPrecondition => (412, "precondition_failed", "The version is another one."),
        Code::ResourceExhausted => (429, "too_many_requests", "Too many requests."),
        Code::Unavailable | Code::Cancelled => {
            (503, "unavailable", "This part of the shop is not available now.")
        }
        Code::DeadlineExceeded => (504, "deadline_exceeded", "The answer did not come in time."),
        Code::Unimplemented => (501, "not_implemented", "This is not offered here."),
        Code::Internal | Code::Unknown | Code::DataLoss => {
            (500, "internal", "Something went wrong on our side.")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic_types::{ErrorDetails, FieldViolation};

    fn document(problem: Problem) -> serde_json::Value {
        serde_json::from_slice(&problem.into_reply("t").body).unwrap()
    }

    #[test]
    fn the_text_of_an_internal_error_stays_inside() {
        for code in [Code::Internal, Code::Unknown, Code::Unavailable, Code::NotFound] {
            let text = document(Problem::from_status(&Status::new(code, "sled: /var/x"))).to_string();
            assert!(!text.contains("sled"), "{text}");
        }
        let details = ErrorDetails::with_error_info("internal", DOMAIN, []);
        let fault = Status::with_error_details(Code::Internal, "sled: /var/x", details);
        assert!(!document(Problem::from_status(&fault)).to_string().contains("sled"));
    }

    #[test]
    fn a_fault_of_ours_keeps_reason_and_sentence() {
        let details = ErrorDetails::with_error_info("stock_insufficient", DOMAIN, []);
        let fault = Status::with_error_details(Code::Aborted, "only 2 left", details);
        let document = document(Problem::from_status(&fault));
        assert_eq!(document["status"], 409);
        assert_eq!(document["code"], "stock_insufficient");
        assert_eq!(document["type"], "urn:vitrina:problem:stock_insufficient");
        assert_eq!(document["detail"], "only 2 left");
        assert_eq!(document["traceId"], "t");
    }

    #[test]
    fn every_wrong_field_is_named() {
        let mut violation = FieldViolation::new("name", "must have 1 to 200 characters");
        violation.reason = "TOO_LONG".to_owned();
        let mut details = ErrorDetails::new();
        details.set_bad_request(vec![violation, FieldViolation::new("price", "required: is missing")]);
        let fault = Status::with_error_details(Code::InvalidArgument, "x", details);
        let document = document(Problem::from_status(&fault));
        assert_eq!(document["errors"][0]["code"], "too_long");
        assert_eq!(document["errors"][1]["field"], "price");
        assert_eq!(document["errors"][1]["code"], "required");
        assert_eq!(document["errors"][1]["detail"], "is missing");
    }

    #[test]
    fn what_grpc_has_one_status_for_is_told_apart() {
        for (code, status) in [("too_large", 413), ("unsupported_media", 415), ("invalid_input", 400)] {
            let metadata = [(CODE_KEY.to_owned(), code.to_owned())];
            let details = ErrorDetails::with_error_info("image_unfit", DOMAIN, metadata);
            let fault = Status::with_error_details(Code::InvalidArgument, "x", details);
            assert_eq!(document(Problem::from_status(&fault))["status"], status);
        }
    }

    #[test]
    fn a_reused_key_is_unprocessable() {
        let details = ErrorDetails::with_error_info("idempotency_key_reused", DOMAIN, []);
        let fault = Status::with_error_details(Code::AlreadyExists, "another payload", details);
        assert_eq!(document(Problem::from_status(&fault))["status"], 422);
    }
}
