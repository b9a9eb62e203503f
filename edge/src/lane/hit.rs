//! One hit: found, checked, written, counted.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, header};
use vitrina_otel::{LogFormat, access};
use vitrina_proto::routes::Route;

use super::request::{Method, Request};
use super::write::{Clock, Ids, milliseconds, number, parts, six_digits};
use crate::cache::encoding::{Coded, Coding};
use crate::cache::entry::Entry;
use crate::cache::key;
use crate::cache::store::Found;
use crate::cached::Source;
use crate::connection::Connection;
use crate::core::Core;
use crate::etag;
use crate::guard::hygiene;
use crate::guard::rate::Allowance;
use crate::metrics::Answered;
use crate::reply::Reply;
use crate::request::is_request_id;

/// Who is at the other end, as text for the log and the rate limit.
#[derive(Debug)]
pub(super) struct Peer(String);

/// Where an answer goes, and what is used on the way.
pub(super) struct Sink<'s> {
    pub(super) output: &'s mut Vec<u8>,
    pub(super) key: &'s mut Vec<u8>,
    pub(super) line: &'s mut Vec<u8>,
    pub(super) clock: &'s mut Clock,
}

/// One hit on its way out.
struct Hit<'h> {
    entry: &'h Entry,
    request: &'h Request<'h>,
    coding: Coding,
    coded: Option<&'h Coded>,
    allowance: Option<Allowance>,
    ids: Ids,
    now_ms: u64,
    started: Instant,
}

/// What the log tells of a hit.
struct Seen<'s> {
    route: &'static Route,
    peer: &'s Peer,
    method: &'static str,
    status: u16,
    body_bytes: usize,
    took: Duration,
}

impl Peer {
    pub(super) fn of(connection: &Connection) -> Self {
        let address =
            connection.peer().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip().to_canonical());
        Self(address.to_string())
    }
}

/// Answers a request from the store when it holds something fresh for it; `false` leaves it untouched for the long way.
pub(super) fn answer(core: &Arc<Core>, peer: &Peer, request: &Request<'_>, sink: &mut Sink<'_>) -> bool {
    let started = Instant::now();
    let config = core.config();
    let limits = &config.limits;
    if request.length > limits.header_bytes_max
        || request.path.len() + request.query.len() >= limits.target_bytes_max
    {
        return false;
    }
    let Some((route, params)) = core.kept_route(request.path) else {
        return false;
    };
    let now_ms = sink.clock.now_ms();
    key::generated(sink.key, route, request.path, request.query);
    let found = core.cache.store.find(sink.key, &HeaderMap::new(), &core.cache.epochs, now_ms);
    let Found::Answer(entry) = found else {
        return false;
    };
    if !entry.terms.is_fresh(now_ms) {
        return false;
    }
    let allowance = core.allowance(route, &peer.0);
    if allowance.is_some_and(|allowance| !allowance.is_allowed()) {
        return false;
    }
    let coding = Coding::wanted_of(request.accept_encoding.into_iter());
    let coded = entry.encodings().get(coding, &entry.body, &entry.headers);
    let coding = if coded.is_some() { coding } else { Coding::Identity };
    let hit = Hit { entry: &entry, request, coding, coded, allowance, ids: Ids::new(), now_ms, started };
    let (status, body_bytes) = hit.write(sink);
    let took = started.elapsed();
    let method = if request.method == Method::Get { "GET" } else { "HEAD" };
    let trace_id = std::str::from_utf8(hit.ids.trace()).unwrap_or_default();
    core.metrics.request(&Answered { route: route.path, method, status, took, trace_id });
    core.cache.counts.hit();
    core.hot.note(&entry, sink.key, || Source::of(route, request.path, request.query, &params));
    hit.log(&Seen { route, peer, method, status, body_bytes, took }, sink.line, sink.clock);
    true
}

impl Hit<'_> {
    /// Writes the answer and gives its status and the bytes of its body.
    fn write(&self, sink: &mut Sink<'_>) -> (u16, usize) {
        let tag = match self.coded {
            Some(coded) => coded.etag.as_ref(),
            None => self.entry.headers.get(header::ETAG),
        };
        let is_known = self
            .request
            .if_none_match
            .zip(tag.and_then(|tag| tag.to_str().ok()))
            .is_some_and(|(line, tag)| etag::is_among(line, tag));
        let out = &mut *sink.output;
        let body = self.coded.map_or(&self.entry.body, |coded| &coded.body);
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
        out.extend_from_slice(self.entry.rendered(self.coding, || self.render()));
        self.write_changing(out, sink.clock);
        if !is_known && self.request.method == Method::Get {
            out.extend_from_slice(body);
        }
        status
    }

    /// The fields that are the same for every hit in this coding.
    fn render(&self) -> Bytes {
        let mut reply = Reply::empty(self.entry.status);
        reply.headers = self.entry.headers.clone();
        if let Some(coded) = self.coded {
            reply.set(header::CONTENT_ENCODING, coded.coding.as_str());
            if let Some(tag) = &coded.etag {
                reply.headers.insert(header::ETAG, tag.clone());
            }
        }
        hygiene::secure(&mut reply);
        let mut out = Vec::with_capacity(512);
        for (name, value) in &reply.headers {
            parts(&mut out, &[name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"]);
        }
        out.into()
    }

    /// The fields of this answer alone, and the end of the header.
    fn write_changing(&self, out: &mut Vec<u8>, clock: &Clock) {
        let terms = &self.entry.terms;
        out.extend_from_slice(b"age: ");
        number(out, terms.age_s(self.now_ms));
        out.extend_from_slice(b"\r\ncache-status: vitrina; hit; ttl=");
        number(out, u64::try_from(terms.ttl_s(self.now_ms)).unwrap_or_default());
        if let Some(allowance) = &self.allowance {
            let (policy, state) = allowance.values();
            parts(out, &[b"\r\nratelimit-policy: ", policy.as_bytes(), b"\r\nratelimit: ", state.as_bytes()]);
        }
        parts(out, &[b"\r\nx-request-id: ", self.request_id(), b"\r\ntraceresponse: 00-", self.ids.trace()]);
        parts(out, &[b"-", self.ids.span(), b"-00\r\nserver-timing: total;dur="]);
        milliseconds(out, self.started.elapsed());
        parts(out, &[b"\r\ndate: ", clock.date().as_bytes(), b"\r\nconnection: keep-alive\r\n\r\n"]);
    }

    fn request_id(&self) -> &[u8] {
        self.request.request_id.filter(|id| is_request_id(id)).map_or(self.ids.request(), str::as_bytes)
    }

    /// The line in the access log, with the fields of the long way's in their order.
    fn log(&self, seen: &Seen<'_>, line: &mut Vec<u8>, clock: &Clock) {
        let Some(format) = access::format() else {
            return;
        };
        line.clear();
        let us = self.now_ms % 1_000 * 1_000;
        let stamp = clock.stamp().as_bytes();
        // How text and numbers are told apart, and what stands between two fields and in front of a value.
        let (between, assign): (&[u8], &[u8]) = match format {
            LogFormat::Text => (b" ", b"="),
            LogFormat::Json => (b",\"", b"\":"),
        };
        match format {
            LogFormat::Text => {
                parts(line, &[stamp, b"."]);
                six_digits(line, us);
                parts(line, &[b"Z  INFO ", access::TARGET.as_bytes(), b": request"]);
            }
            LogFormat::Json => {
                parts(line, &[b"{\"timestamp\":\"", stamp, b"."]);
                six_digits(line, us);
                line.extend_from_slice(b"Z\",\"level\":\"INFO\",\"fields\":{\"message\":\"request\"");
            }
        }
        let quoted = |line: &mut Vec<u8>, name: &str, value: &[u8]| {
            parts(line, &[between, name.as_bytes(), assign, b"\"", value, b"\""]);
        };
        let plain = |line: &mut Vec<u8>, name: &str| parts(line, &[between, name.as_bytes(), assign]);
        quoted(line, "http.request.method", seen.method.as_bytes());
        quoted(line, "http.route", seen.route.path.as_bytes());
        plain(line, "http.response.status_code");
        number(line, seen.status.into());
        plain(line, "http.response.body.size");
        number(line, seen.body_bytes as u64);
        quoted(line, "client.address", seen.peer.0.as_bytes());
        quoted(line, "request_id", self.request_id());
        quoted(line, "trace_id", self.ids.trace());
        plain(line, "duration_ms");
        milliseconds(line, seen.took);
        plain(line, "is_broken_off");
        line.extend_from_slice(b"false");
        match format {
            LogFormat::Text => line.push(b'\n'),
            LogFormat::Json => parts(line, &[b"},\"target\":\"", access::TARGET.as_bytes(), b"\"}\n"]),
        }
        access::write(line);
    }
}
