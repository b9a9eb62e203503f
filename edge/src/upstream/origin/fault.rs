//! What a client is told when a request could not be handed on, or its answer did not come.

use http::StatusCode;
use pingora_core::{Error, ErrorSource, ErrorType};

use crate::reply::Problem;
use crate::upstream::gate::Heard;

/// Seconds after which an upstream without a well address may have one again: about one health check.
const RETRY_AFTER_S: u32 = 2;

/// A body was longer than the upstream's configuration allows.
pub(super) const BODY_TOO_LARGE: ErrorType = ErrorType::Custom("body too large");

/// A body did not come in time as a whole.
pub(super) const BODY_TOO_SLOW: ErrorType = ErrorType::Custom("body too slow");

/// Every address fails its health check.
pub(super) const NO_ADDRESS: ErrorType = ErrorType::Custom("no well address");

/// What an upstream's status says of it. Its own 503 and 429 are answers about its load; 502 and 504 come from a gateway
/// that nobody stands behind, and every other answer shows that it is there.
pub(super) fn heard_of(status: StatusCode) -> Heard {
    match status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Heard::TooMuch,
        StatusCode::GATEWAY_TIMEOUT => Heard::Late,
        StatusCode::BAD_GATEWAY => Heard::Nothing,
        _ => Heard::Answer,
    }
}

/// What an error of pingora's says of the upstream; `None` when it was not the upstream's.
pub(super) fn heard_in(error: &Error) -> Option<Heard> {
    use ErrorType::{ConnectTimedout, ReadTimedout, WriteTimedout};

    match (error.esource(), error.etype()) {
        (ErrorSource::Upstream, ConnectTimedout | ReadTimedout | WriteTimedout) => Some(Heard::Late),
        (ErrorSource::Upstream, _) => Some(Heard::Nothing),
        _ => None,
    }
}

/// The problem of a failed passage; `None` when the client is gone and nobody is there to be told.
pub(super) fn problem(error: &Error, body_bytes_max: usize) -> Option<Problem> {
    use ErrorType::{ConnectTimedout, ConnectionClosed, ReadError, ReadTimedout, WriteError, WriteTimedout};

    if error.etype() == &BODY_TOO_LARGE {
        return Some(too_large(body_bytes_max));
    }
    if error.etype() == &BODY_TOO_SLOW {
        return Some(too_slow());
    }
    if error.etype() == &NO_ADDRESS {
        return Some(unavailable());
    }
    match (error.esource(), error.etype()) {
        (ErrorSource::Upstream, ConnectTimedout | ReadTimedout | WriteTimedout) => Some(timed_out()),
        (ErrorSource::Upstream, _) => Some(broken()),
        (ErrorSource::Downstream, ReadTimedout) => Some(too_slow()),
        (ErrorSource::Downstream, ReadError | WriteError | WriteTimedout | ConnectionClosed) => None,
        (ErrorSource::Downstream, _) => {
            let detail = "The request is wrongly framed or broke off.";
            Some(Problem::new(400, "bad_framing", detail).closing())
        }
        (ErrorSource::Internal | ErrorSource::Unset, _) => {
            Some(Problem::new(500, "internal", "Something went wrong on our side."))
        }
    }
}

pub(super) fn too_large(bytes_max: usize) -> Problem {
    Problem::new(413, "body_too_large", format!("The body may have at most {bytes_max} bytes here."))
        .closing()
}

/// No answer within the time that the upstream's configuration gives.
pub(super) fn timed_out() -> Problem {
    Problem::new(504, "upstream_timeout", "The server behind this path did not answer in time.")
}

/// No connection, or an answer that is none.
pub(super) fn broken() -> Problem {
    Problem::new(502, "upstream_failed", "The server behind this path could not be reached or broke off.")
}

pub(super) fn unavailable() -> Problem {
    Problem::new(503, "upstream_unavailable", "The server behind this path is not available now.")
        .retry_after(RETRY_AFTER_S)
}

fn too_slow() -> Problem {
    Problem::new(408, "body_timeout", "The body did not come in time.").closing()
}
