//! Calls from pages of other origins (the Fetch standard's CORS protocol).

use http::{HeaderValue, header};

use crate::config::Cors;
use crate::reply::Reply;
use crate::request::Head;

/// Headers that a page may send.
const ALLOWED_HEADERS: &str = "authorization, content-type, idempotency-key, if-match, if-none-match, accept-language, \
     x-cart-token, x-request-id, traceparent, tracestate";

/// Headers that a page may read.
const EXPOSED_HEADERS: &str = "etag, location, retry-after, ratelimit, ratelimit-policy, x-request-id, traceresponse, \
     server-timing, idempotent-replayed, cache-status, age";

/// Whether the request is the question of a browser before the real one.
pub(crate) fn is_preflight(head: &Head) -> bool {
    head.method == http::Method::OPTIONS
        && head.headers.contains_key(header::ORIGIN)
        && head.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// Adds to an answer what lets the page of an allowed origin read it.
pub(crate) fn mark(reply: &mut Reply, head: &Head, cors: &Cors) {
    if cors.origins.is_empty() {
        return;
    }
    let allows_all = cors.origins.iter().any(|allowed| allowed == "*");
    if !allows_all {
        reply.headers.append(header::VARY, HeaderValue::from_static("origin"));
    }
    let Some(origin) = head.text(header::ORIGIN) else {
        return;
    };
    if allows_all {
        reply.set(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    } else if cors.origins.iter().any(|allowed| allowed == origin) {
        reply.set(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    } else {
        return;
    }
    if is_preflight(head) {
        if let Some(methods) = reply.headers.get(header::ALLOW).cloned() {
            reply.headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
        }
        reply.set(header::ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED_HEADERS);
        reply.set(header::ACCESS_CONTROL_MAX_AGE, cors.max_age_s);
    } else {
        reply.set(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED_HEADERS);
    }
}
