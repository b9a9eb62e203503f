//! A stored answer as the answer to one request: in the coding that the client likes, whole, in part, or not at all.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use vitrina_proto::routes::Route;

use crate::answer;
use crate::cache::conditions::{self, Part};
use crate::cache::encoding::Coding;
use crate::cache::entry::Entry;
use crate::cache::status::{CACHE_STATUS, CacheStatus};
use crate::reply::Reply;
use crate::request::Head;

/// The answer to a request by what is stored.
pub(super) fn serve(entry: &Entry, head: &Head, status: CacheStatus, now_ms: u64) -> Reply {
    let mut reply = Reply::empty(entry.status);
    reply.headers = entry.headers.clone();
    let coded = entry.encodings().get(Coding::wanted(&head.headers), &entry.body, &entry.headers);
    reply.body = match coded {
        Some(coded) => {
            let coding = HeaderValue::from_static(coded.coding.as_str());
            reply.headers.insert(header::CONTENT_ENCODING, coding);
            if let Some(tag) = &coded.etag {
                reply.headers.insert(header::ETAG, tag.clone());
            }
            coded.body.clone()
        }
        None => entry.body.clone(),
    };
    reply.set(header::AGE, entry.terms.age_s(now_ms));
    reply.set(CACHE_STATUS, status.value());
    if conditions::is_not_modified(&head.headers, &reply.headers) {
        reply.not_modified();
        return reply;
    }
    in_part(&mut reply, head);
    reply
}

/// The answer that came and is not stored.
pub(super) fn unstored(status: StatusCode, headers: HeaderMap, body: Bytes, told: CacheStatus) -> Reply {
    let mut reply = Reply::empty(status);
    reply.headers = headers;
    reply.body = body;
    reply.set(header::AGE, 0);
    reply.set(CACHE_STATUS, told.value());
    reply
}

/// Bounds for whom it is given to the use of an answer that ends by itself: past its end it may not be used at all.
pub(super) fn bound(reply: &mut Reply, route: &Route, ends_ms: u64, now_ms: u64) {
    let left_s = ends_ms.saturating_sub(now_ms) / 1_000;
    if let Some(cache) = route.cache.filter(|_| ends_ms < u64::MAX) {
        reply.set(header::CACHE_CONTROL, answer::cache_control_until(&cache, left_s));
    }
}

fn in_part(reply: &mut Reply, head: &Head) {
    if reply.status != StatusCode::OK {
        return;
    }
    let length = reply.body.len();
    let part = conditions::part(&head.method, &head.headers, &reply.headers, length);
    if let Some(range) = conditions::content_range(part, length) {
        reply.headers.insert(header::CONTENT_RANGE, range);
    }
    match part {
        Part::Whole => reply.set(header::ACCEPT_RANGES, "bytes"),
        Part::Range(first, last) => {
            reply.status = StatusCode::PARTIAL_CONTENT;
            reply.body = reply.body.slice(first..=last);
        }
        Part::Unsatisfiable => {
            reply.status = StatusCode::RANGE_NOT_SATISFIABLE;
            reply.body = Bytes::new();
        }
    }
}
