//! What a client is told whose request pingora could not read.
//!
//! pingora answers such a request by itself, without a body and before it asks anybody. The stream knows that answer by its
//! coming while no request runs, and sends a problem document in its place, as for everything else that is refused.

use bytes::Bytes;

use crate::core;
use crate::guard::hygiene;
use crate::reply::Problem;

/// The answers that it gives: to what is no request, and to a proxy's `CONNECT`.
const BAD_REQUEST: &[u8] = b"HTTP/1.1 400 ";
const METHOD_NOT_ALLOWED: &[u8] = b"HTTP/1.1 405 ";

/// The answer to be sent in the place of one that begins with `written`; `None` when that is no refusal.
pub(crate) fn in_place_of(written: &[u8]) -> Option<Bytes> {
    let (line, problem) = if written.starts_with(BAD_REQUEST) {
        let detail = "The request is not well-formed, or names two hosts.";
        ("400 Bad Request", Problem::new(400, "bad_request", detail))
    } else if written.starts_with(METHOD_NOT_ALLOWED) {
        let detail = "The edge is no proxy for connections.";
        ("405 Method Not Allowed", Problem::new(405, "method_not_allowed", detail))
    } else {
        return None;
    };
    let mut reply = problem.into_reply(&core::trace_id());
    hygiene::secure(&mut reply);
    let mut out = format!("HTTP/1.1 {line}\r\n").into_bytes();
    for (name, value) in &reply.headers {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            out.extend_from_slice(part);
        }
    }
    let now = httpdate::fmt_http_date(std::time::SystemTime::now());
    let length = reply.body.len();
    out.extend_from_slice(
        format!("content-length: {length}\r\ndate: {now}\r\nconnection: close\r\n\r\n").as_bytes(),
    );
    out.extend_from_slice(&reply.body);
    Some(out.into())
}
