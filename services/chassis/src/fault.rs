//! What a caller is told when something fails: a code, a reason for programs and a sentence for people.
//!
//! On the wire a fault is a `google.rpc.Status` with an `ErrorInfo` (reason, domain `vitrina`, and the fault's own code in
//! its metadata under `code`), a `BadRequest` with the wrong fields and a `RetryInfo`. The text of an internal error never
//! gets here: [`Fault::internal`] takes none.

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::Duration;

use tonic::Status;
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

/// The domain of every `ErrorInfo`.
pub const DOMAIN: &str = "vitrina";
/// The key in the metadata of the `ErrorInfo` that holds [`Code::name`].
const CODE_KEY: &str = "code";
/// When a caller may come back after something that is over soon: long enough to spread the load, short enough for a person.
const RETRY_AFTER_MS: u64 = 1000;

/// What kind of failure it is; the edge turns each into one HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// The request is wrong in itself (400); the fields say where.
    InvalidInput,
    /// Larger than what is taken (413).
    TooLarge,
    /// Of a kind that is not taken (415).
    UnsupportedMedia,
    /// Nobody known is calling (401).
    Unauthenticated,
    /// Known, but may not (403).
    Forbidden,
    /// Does not exist, or is another's private thing (404).
    NotFound,
    /// The state of the thing forbids it (409).
    Conflict,
    /// The version that was asked for is not the current one (412).
    PreconditionFailed,
    /// The idempotency key belongs to another request (422).
    KeyReused,
    /// Too often (429).
    TooManyRequests,
    /// The rpc does not exist here (501).
    Unimplemented,
    /// Not now; the same request may succeed later (503).
    Unavailable,
    /// The time for the answer is over; the effect may have happened (504).
    DeadlineExceeded,
    /// A defect of ours (500).
    Internal,
}

/// A field that is wrong, named as in the JSON body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// Path of the field: `items[2].quantity`.
    pub field: String,
    /// Stable, for programs: `required`, `too_long`, `out_of_range`, `malformed`, …
    pub code: Cow<'static, str>,
    /// For people.
    pub detail: String,
}

/// A failure as its caller may see it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: {detail}")]
pub struct Fault {
    /// The kind.
    pub code: Code,
    /// Stable, for programs, in snake case: `stock_insufficient`.
    pub reason: Cow<'static, str>,
    /// One sentence for people, without anything internal.
    pub detail: String,
    /// What is wrong where; empty unless the code is [`Code::InvalidInput`].
    pub fields: Vec<FieldError>,
    /// When to try again at the earliest, in milliseconds from now.
    pub retry_after_ms: Option<u64>,
}

/// An error that knows what its caller may be told: one total `match`, without a `_` arm.
pub trait IntoFault {
    /// What the caller is told.
    fn fault(&self) -> Fault;
}

impl Code {
    const ALL: [Code; 14] = [
        // The first of a gRPC status is what a status that is not ours is read as.
        Code::InvalidInput,
        Code::TooLarge,
        Code::UnsupportedMedia,
        Code::Unauthenticated,
        Code::Forbidden,
        Code::NotFound,
        Code::Conflict,
        Code::PreconditionFailed,
        Code::KeyReused,
        Code::TooManyRequests,
        Code::Unimplemented,
        Code::Unavailable,
        Code::DeadlineExceeded,
        Code::Internal,
    ];

    /// The code in snake case, as it travels in the `ErrorInfo`.
    pub fn name(self) -> &'static str {
        match self {
            Code::InvalidInput => "invalid_input",
            Code::TooLarge => "too_large",
            Code::UnsupportedMedia => "unsupported_media",
            Code::Unauthenticated => "unauthenticated",
            Code::Forbidden => "forbidden",
            Code::NotFound => "not_found",
            Code::Conflict => "conflict",
            Code::PreconditionFailed => "precondition_failed",
            Code::KeyReused => "key_reused",
            Code::TooManyRequests => "too_many_requests",
            Code::Unimplemented => "unimplemented",
            Code::Unavailable => "unavailable",
            Code::DeadlineExceeded => "deadline_exceeded",
            Code::Internal => "internal",
        }
    }

    /// The status of gRPC that the code is sent as.
    pub fn grpc(self) -> tonic::Code {
        match self {
            // gRPC has no status for the size or the kind of a body; the name in the metadata tells them apart.
            Code::InvalidInput | Code::TooLarge | Code::UnsupportedMedia => tonic::Code::InvalidArgument,
            Code::Unauthenticated => tonic::Code::Unauthenticated,
            Code::Forbidden => tonic::Code::PermissionDenied,
            Code::NotFound => tonic::Code::NotFound,
            Code::Conflict => tonic::Code::Aborted,
            Code::PreconditionFailed => tonic::Code::FailedPrecondition,
            Code::KeyReused => tonic::Code::AlreadyExists,
            Code::TooManyRequests => tonic::Code::ResourceExhausted,
            Code::Unimplemented => tonic::Code::Unimplemented,
            Code::Unavailable => tonic::Code::Unavailable,
            Code::DeadlineExceeded => tonic::Code::DeadlineExceeded,
            Code::Internal => tonic::Code::Internal,
        }
    }

    fn named(name: &str) -> Option<Code> {
        Code::ALL.into_iter().find(|code| code.name() == name)
    }

    fn of_grpc(code: tonic::Code) -> Code {
        Code::ALL.into_iter().find(|known| known.grpc() == code).unwrap_or(match code {
            tonic::Code::OutOfRange => Code::InvalidInput,
            // The call was broken off: by the caller, who does not read this, or by a time limit.
            tonic::Code::Cancelled => Code::DeadlineExceeded,
            _ => Code::Internal,
        })
    }
}

impl FieldError {
    /// A wrong field.
    pub fn new(
        field: impl Into<String>,
        code: impl Into<Cow<'static, str>>,
        detail: impl Into<String>,
    ) -> FieldError {
        FieldError { field: field.into(), code: code.into(), detail: detail.into() }
    }
}

impl Fault {
    /// A fault with a reason and a sentence.
    pub fn new(code: Code, reason: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Fault {
        Fault { code, reason: reason.into(), detail: detail.into(), fields: Vec::new(), retry_after_ms: None }
    }

    /// Wrong input, with the fields that are wrong.
    pub fn invalid(fields: Vec<FieldError>) -> Fault {
        Fault { fields, ..Fault::new(Code::InvalidInput, "invalid_input", "the request has wrong fields") }
    }

    /// Wrong input in one field.
    pub fn invalid_field(field: &str, code: &'static str, detail: impl Into<String>) -> Fault {
        Fault::invalid(vec![FieldError::new(field, code, detail)])
    }

    /// Nobody known is calling.
    pub fn unauthenticated(detail: impl Into<String>) -> Fault {
        Fault::new(Code::Unauthenticated, "unauthenticated", detail)
    }

    /// Known, but may not.
    pub fn forbidden(reason: &'static str, detail: impl Into<String>) -> Fault {
        Fault::new(Code::Forbidden, reason, detail)
    }

    /// Does not exist for this caller: `what` is a noun, as in "the `what` does not exist".
    pub fn not_found(what: &str) -> Fault {
        Fault::new(Code::NotFound, "not_found", format!("the {what} does not exist"))
    }

    /// The state of the thing forbids it.
    pub fn conflict(reason: &'static str, detail: impl Into<String>) -> Fault {
        Fault::new(Code::Conflict, reason, detail)
    }

    /// The version that was asked for is not the current one.
    pub fn version_mismatch() -> Fault {
        Fault::new(Code::PreconditionFailed, "version_mismatch", "it was changed since it was read")
    }

    /// Not now; may be tried again in a second.
    pub fn unavailable(reason: &'static str, detail: impl Into<String>) -> Fault {
        Fault::new(Code::Unavailable, reason, detail).retry_after_ms(RETRY_AFTER_MS)
    }

    /// The time for the answer is over.
    pub fn deadline_exceeded() -> Fault {
        Fault::new(Code::DeadlineExceeded, "deadline_exceeded", "the answer took too long")
    }

    /// A defect of ours. What it is goes to the log, under the trace id that the caller gets.
    pub fn internal() -> Fault {
        Fault::new(Code::Internal, "internal", "something went wrong on our side")
    }

    /// Says when to try again at the earliest.
    pub fn retry_after_ms(self, retry_after_ms: u64) -> Fault {
        Fault { retry_after_ms: Some(retry_after_ms), ..self }
    }

    /// Whether the same request may succeed later without any change.
    pub fn is_retryable(&self) -> bool {
        matches!(self.code, Code::TooManyRequests | Code::Unavailable | Code::DeadlineExceeded)
    }

    /// Reads the fault that a service answered with. A status that is not one of ours (from tonic, a proxy, another
    /// language) keeps its kind and gets a sentence of its own, since its text may be internal.
    pub fn from_status(status: &Status) -> Fault {
        let details = status.get_error_details();
        let retry_after_ms =
            details.retry_info().and_then(|retry| retry.retry_delay).map(|delay| delay.as_millis() as u64);
        let info = details.error_info().filter(|info| info.domain == DOMAIN);
        let Some(info) = info else {
            return Fault { retry_after_ms, ..foreign(Code::of_grpc(status.code())) };
        };
        let code = info.metadata.get(CODE_KEY).and_then(|name| Code::named(name));
        let violations = details.bad_request().map_or(&[][..], |bad| bad.field_violations.as_slice());
        let fields = violations
            .iter()
            .map(|wrong| FieldError::new(&wrong.field, wrong.reason.clone(), &wrong.description));
        Fault {
            code: code.unwrap_or(Code::of_grpc(status.code())),
            reason: info.reason.clone().into(),
            detail: status.message().to_owned(),
            fields: fields.collect(),
            retry_after_ms,
        }
    }
}

impl IntoFault for Fault {
    fn fault(&self) -> Fault {
        self.clone()
    }
}

impl IntoFault for vitrina_storage::Error {
    fn fault(&self) -> Fault {
        use vitrina_storage::Error;
        match self {
            Error::Conflict => Fault::conflict("contended", "somebody else changed it at the same moment")
                .retry_after_ms(RETRY_AFTER_MS),
            Error::TooLarge { .. } => {
                Fault::new(Code::InvalidInput, "too_large", "the request is too large to be kept")
            }
            Error::ReadOnly { .. } => Fault::unavailable("read_only", "nothing can be written at the moment"),
            Error::Io { .. } | Error::Closed => {
                Fault::unavailable("store_unavailable", "the data cannot be reached at the moment")
            }
            // Damage of the store: a person must look, and no retry helps. The enum is open, so a new kind lands here too.
            _ => Fault::internal(),
        }
    }
}

impl From<Fault> for Status {
    fn from(fault: Fault) -> Status {
        let metadata = HashMap::from([(CODE_KEY.to_owned(), fault.code.name().to_owned())]);
        let mut details = ErrorDetails::with_error_info(fault.reason, DOMAIN, metadata);
        if !fault.fields.is_empty() {
            details.set_bad_request(fault.fields.into_iter().map(violation).collect::<Vec<_>>());
        }
        if let Some(retry_after_ms) = fault.retry_after_ms {
            details.set_retry_info(Some(Duration::from_millis(retry_after_ms)));
        }
        Status::with_error_details(fault.code.grpc(), fault.detail, details)
    }
}

impl From<&Status> for Fault {
    fn from(status: &Status) -> Fault {
        Fault::from_status(status)
    }
}

fn violation(wrong: FieldError) -> FieldViolation {
    FieldViolation { reason: wrong.code.into_owned(), ..FieldViolation::new(wrong.field, wrong.detail) }
}

fn foreign(code: Code) -> Fault {
    match code {
        Code::Unavailable => Fault::unavailable("unavailable", "the service cannot be reached at the moment"),
        Code::DeadlineExceeded => Fault::deadline_exceeded(),
        Code::Internal => Fault::internal(),
        other => Fault::new(other, other.name(), "the service refused the request"),
    }
}
