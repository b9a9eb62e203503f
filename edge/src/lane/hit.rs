//! One hit, written.

use bytes::Bytes;
use http::header;

use super::answer::{Exchange, Sink};
use super::request::Method;
use super::write::{fields, number, parts};
use crate::cache::encoding::{Coded, Coding};
use crate::cache::entry::Entry;
use crate::etag;
use crate::guard::hygiene;
use crate::guard::rate::Allowance;
use crate::reply::Reply;

/// Writes the answer and gives its status and the bytes of its body.
pub(super) fn write(
    exchange: &Exchange<'_>,
    entry: &Entry,
    allowance: Option<Allowance>,
    sink: &mut Sink<'_>,
) -> (u16, usize) {
    let request = exchange.request;
    let coding = Coding::wanted_of(request.accept_encoding.into_iter());
    let coded = entry.encodings().get(coding, &entry.body, &entry.headers);
    let coding = if coded.is_some() { coding } else { Coding::Identity };
    let tag = match coded {
        Some(coded) => coded.etag.as_ref(),
        None => entry.headers.get(header::ETAG),
    };
    let is_known = request
        .if_none_match
        .zip(tag.and_then(|tag| tag.to_str().ok()))
        .is_some_and(|(line, tag)| etag::is_among(line, tag));
    let out = &mut *sink.output;
    let body = coded.map_or(&entry.body, |coded| &coded.body);
    let status = if is_known {
        out.extend_from_slice(b"HTTP/1.1 304 Not Modified\r\n");
        (304, 0)
    } else {
        // What is stored for a route is a 200.
        out.extend_from_slice(b"HTTP/1.1 200 OK\r\ncontent-length: ");
        number(out, body.len() as u64);
        out.extend_from_slice(b"\r\n");
        (200, body.len())
    };
    out.extend_from_slice(entry.rendered(coding, || render(entry, coded)));
    out.extend_from_slice(b"age: ");
    number(out, entry.terms.age_s(exchange.now_ms));
    out.extend_from_slice(b"\r\ncache-status: vitrina; hit; ttl=");
    number(out, u64::try_from(entry.terms.ttl_s(exchange.now_ms)).unwrap_or_default());
    if let Some(allowance) = &allowance {
        let (policy, state) = allowance.values();
        parts(out, &[b"\r\nratelimit-policy: ", policy.as_bytes(), b"\r\nratelimit: ", state.as_bytes()]);
    }
    exchange.write_own(out, sink.clock);
    if !is_known && request.method == Method::Get {
        out.extend_from_slice(body);
    }
    status
}

/// The fields that are the same for every hit in this coding.
fn render(entry: &Entry, coded: Option<&Coded>) -> Bytes {
    let mut reply = Reply::empty(entry.status);
    reply.headers = entry.headers.clone();
    if let Some(coded) = coded {
        reply.set(header::CONTENT_ENCODING, coded.coding.as_str());
        if let Some(tag) = &coded.etag {
            reply.headers.insert(header::ETAG, tag.clone());
        }
    }
    hygiene::secure(&mut reply);
    let mut out = Vec::with_capacity(512);
    fields(&mut out, &reply.headers);
    out.into()
}
