//! What the lane answers by itself: plain hits, and refusals of what nothing is stored for while there is too much to do.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Instant;

use http::HeaderMap;
use vitrina_proto::routes::Route;

use super::line::Seen;
use super::request::{Method, Request};
use super::write::{Clock, Ids, milliseconds, parts};
use super::{hit, refusal};
use crate::cache::key;
use crate::cache::store::Found;
use crate::cached::Source;
use crate::connection::Connection;
use crate::core::Core;
use crate::metrics::Answered;
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

/// A request that is being answered here.
pub(super) struct Exchange<'e> {
    pub(super) request: &'e Request<'e>,
    route: &'static Route,
    pub(super) ids: Ids,
    pub(super) now_ms: u64,
    started: Instant,
}

impl Peer {
    pub(super) fn of(connection: &Connection) -> Self {
        let address =
            connection.peer().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip().to_canonical());
        Self(address.to_string())
    }

    pub(super) fn text(&self) -> &str {
        &self.0
    }
}

/// Answers a request if that can be done here; `false` leaves it untouched for the long way.
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
    let exchange = || Exchange::begin(request, route, now_ms, started);
    match core.cache.store.find(sink.key, &HeaderMap::new(), &core.cache.epochs, now_ms) {
        Found::Answer(entry) if entry.terms.is_fresh(now_ms) => {
            let allowance = core.allowance(route, peer.text());
            if allowance.is_some_and(|allowance| !allowance.is_allowed()) {
                return false;
            }
            let exchange = exchange();
            let (status, body_bytes) = hit::write(&exchange, &entry, allowance, sink);
            core.cache.counts.hit();
            core.hot.note(&entry, sink.key, || Source::of(route, request.path, request.query, &params));
            exchange.end(core, peer, (status, body_bytes), sink);
        }
        // What is stale may stand in for what cannot be made now.
        Found::Answer(_) => return false,
        missed => {
            if !core.turns_away(route, sink.key) {
                return false;
            }
            core.cache.counts.miss(missed.missed());
            let exchange = exchange();
            let answer = refusal::write(&exchange, sink);
            exchange.end(core, peer, answer, sink);
        }
    }
    true
}

impl<'e> Exchange<'e> {
    pub(super) fn begin(
        request: &'e Request<'e>,
        route: &'static Route,
        now_ms: u64,
        started: Instant,
    ) -> Self {
        Self { request, route, ids: Ids::new(), now_ms, started }
    }

    pub(super) fn request_id(&self) -> &[u8] {
        self.request.request_id.filter(|id| is_request_id(id)).map_or(self.ids.request(), str::as_bytes)
    }

    /// The fields of this answer alone, and the end of the header.
    pub(super) fn write_own(&self, out: &mut Vec<u8>, clock: &Clock) {
        parts(out, &[b"\r\nx-request-id: ", self.request_id(), b"\r\ntraceresponse: 00-", self.ids.trace()]);
        parts(out, &[b"-", self.ids.span(), b"-00\r\nserver-timing: total;dur="]);
        milliseconds(out, self.started.elapsed());
        parts(out, &[b"\r\ndate: ", clock.date().as_bytes(), b"\r\nconnection: keep-alive\r\n\r\n"]);
    }

    /// Counts the answer, of that status and body, and writes its line into the access log.
    fn end(&self, core: &Core, peer: &Peer, (status, body_bytes): (u16, usize), sink: &mut Sink<'_>) {
        let took = self.started.elapsed();
        let method = if self.request.method == Method::Get { "GET" } else { "HEAD" };
        let trace_id = std::str::from_utf8(self.ids.trace()).unwrap_or_default();
        core.metrics.request(&Answered { route: self.route.path, method, status, took, trace_id });
        let request_id = self.request_id();
        let Self { route, ref ids, now_ms, .. } = *self;
        let seen = Seen { route, peer, method, status, body_bytes, request_id, ids, now_ms, took };
        seen.log(sink.line, sink.clock);
    }
}
