//! One request on its way through pingora to an upstream: what its phases share, and what each of them does.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue, Method, StatusCode, Version, header};
use pingora_core::upstreams::peer::{HttpPeer, HttpUpstreamRequestPolicy};
use pingora_core::{Error, ErrorType, OrErr as _, Result};
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::Session;
use tokio::net::lookup_host;
use tokio::time::timeout;
use tracing::Span;
use vitrina_otel::propagate;

use super::client::IDLE;
use super::fill::{self, Incomer};
use super::stored::{Question, Verdict};
use super::{Origin, admission, fault, forward};
use crate::cache::status::{CACHE_STATUS, CacheStatus, Forward};
use crate::cache::{Cache, freshen};
use crate::config::EdgeConfig;
use crate::gateway;
use crate::guard::rate::{Allowance, Buckets};
use crate::reply::{Problem, Reply};
use crate::request::Head;
use crate::upstream::Priority;
use crate::upstream::gate::{Heard, Pass};
use crate::upstream::standing::Flight;

/// Addresses tried for one request. A third that cannot be connected to either is not chance any more.
pub(super) const TRIES_MAX: usize = 3;

/// A request that was admitted to an upstream.
#[derive(Debug)]
pub(crate) struct Passage {
    pub(crate) head: Head,
    pub(crate) origin: Arc<Origin>,
    /// The request's span.
    pub(crate) span: Span,
    /// What the upstream gets.
    headers: HeaderMap,
    host: Option<HeaderValue>,
    /// The authority that the client asked for.
    authority: Option<String>,
    /// What the cache did, and the cache where it had to do with it.
    cached: Option<(CacheStatus, Arc<Cache>)>,
    allowance: Option<Allowance>,
    priority: Priority,
    /// The way through the gate, for as long as the answer is on its way.
    pass: Option<Pass>,
    body_timeout: Duration,
    body_bytes: usize,
    started: Instant,
    /// The present try at an address.
    flight: Option<Flight>,
    /// The present try's span.
    call: Option<Span>,
    tries: usize,
}

impl Passage {
    /// Decides whether a request may go on to an upstream.
    ///
    /// # Errors
    /// The problem to answer with.
    pub(crate) fn admit(
        session: &Session,
        head: Head,
        origin: Arc<Origin>,
        (config, buckets): (&EdgeConfig, &Buckets),
    ) -> std::result::Result<Self, Box<(Head, Problem)>> {
        let (class, rate) = origin.rate(&head.method, &config.rates);
        let allowance = buckets.take(class, rate, &head.client.to_string());
        let checked = allowance
            .as_ref()
            .map_or(Ok(()), Allowance::check)
            .and_then(|()| admission::check_form(session, &head))
            .and_then(|()| admission::check_length(&head, origin.config.body_bytes_max));
        if let Err(problem) = checked {
            return Err(Box::new((head, problem)));
        }
        let request = session.req_header();
        let authority = admission::authority(request);
        let hop = admission::hop(session, &head, config, authority.as_deref());
        let mut headers = forward::outgoing(&request.headers, &hop);
        forward::count_hop(&head.method, &mut headers);
        let host = origin.config.host.as_deref().or(authority.as_deref());
        let host = host.and_then(|host| HeaderValue::from_str(host).ok());
        origin.requests.fetch_add(1, Ordering::Relaxed);
        Ok(Self {
            head,
            origin,
            span: Span::current(),
            headers,
            host,
            authority,
            cached: None,
            allowance,
            priority: Priority::named(class),
            pass: None,
            body_timeout: config.limits.body_timeout(),
            body_bytes: 0,
            started: Instant::now(),
            flight: None,
            call: None,
            tries: 0,
        })
    }

    /// Looks whether the request ends here, whether the cache has the answer, or fetches one for it.
    ///
    /// # Errors
    /// The problem to answer with.
    pub(crate) async fn ask_cache(&mut self, cache: &Arc<Cache>) -> std::result::Result<Verdict, Problem> {
        if forward::hops_left(&self.head.method, &self.head.headers) == Some(0) {
            return Ok(Verdict::Reply(Reply::empty(StatusCode::NO_CONTENT)));
        }
        let reason = if !self.origin.config.cache {
            Some(Forward::Bypass)
        } else if !matches!(self.head.method, Method::GET | Method::HEAD) {
            Some(Forward::Method)
        } else if admission::has_body(&self.head) {
            // What it asks for is in its body, of which no key knows.
            Some(Forward::Request)
        } else {
            None
        };
        let verdict = match reason {
            Some(reason) => {
                cache.counts.miss(reason);
                Verdict::Pass(CacheStatus::forwarded(reason))
            }
            None => self.question(cache).answer().await?,
        };
        if let Verdict::Pass(status) = &verdict {
            self.cached = Some((*status, cache.clone()));
        }
        Ok(verdict)
    }

    /// Goes through the gate of the upstream.
    ///
    /// # Errors
    /// The problem to answer with: it failed too often just now, or has too much to do.
    pub(crate) async fn enter(&mut self) -> std::result::Result<(), Problem> {
        let deadline = Instant::now() + fill::wait_max(&self.origin);
        let pass = self.origin.gate.enter(self.priority, deadline).await;
        self.pass = Some(pass.map_err(|trouble| {
            self.span.record("vitrina.refused", trouble.name());
            trouble.problem()
        })?);
        Ok(())
    }

    /// The address that this try goes to.
    ///
    /// # Errors
    /// When no address is well, or its name cannot be resolved.
    pub(crate) async fn peer(&mut self) -> Result<Box<HttpPeer>> {
        let config = &self.origin.config;
        let Some(flight) = self.origin.balance.take() else {
            return Error::e_explain(fault::NO_ADDRESS, "every address fails its health check");
        };
        let flight = self.flight.insert(flight);
        self.tries += 1;
        let method = gateway::known_method(&self.head.method);
        let call = || super::call_span(method, self.origin.label, flight.address());
        self.call = Some(self.span.in_scope(call));
        let found = timeout(config.connect_timeout(), lookup_host(flight.address())).await;
        let found =
            found.or_err(ErrorType::ConnectTimedout, "looking the address up").map_err(|e| e.into_up())?;
        let mut found =
            found.or_err(ErrorType::ConnectError, "looking the address up").map_err(|e| e.into_up())?;
        let Some(address) = found.next() else {
            return Err(Error::explain(ErrorType::ConnectError, "the name has no address").into_up());
        };
        let trust = self.origin.trust.as_ref();
        let name = trust.map(|trust| trust.name_at(flight.address())).unwrap_or_default();
        let mut peer = HttpPeer::new(address, trust.is_some(), name);
        let options = &mut peer.options;
        options.ca = trust.and_then(|trust| trust.issuers.clone());
        options.connection_timeout = Some(config.connect_timeout());
        options.total_connection_timeout = Some(config.connect_timeout());
        options.read_timeout = Some(config.read_timeout());
        options.write_timeout = Some(config.write_timeout());
        options.idle_timeout = Some(IDLE);
        options.http_upstream_request_policy = HttpUpstreamRequestPolicy::deny_upgrades();
        Ok(Box::new(peer))
    }

    /// The header that the upstream gets.
    ///
    /// # Errors
    /// When the target is none, which the client's parser has refused already.
    pub(crate) fn request(&self) -> Result<RequestHeader> {
        let target = self.origin.target(&self.head.path, &self.head.query);
        let size = Some(self.headers.len() + 3);
        let mut request = RequestHeader::build_no_case(self.head.method.clone(), target.as_bytes(), size)?;
        if let Some(host) = &self.host {
            request.insert_header(header::HOST, host)?;
        } else if let Some(flight) = &self.flight {
            request.insert_header(header::HOST, flight.address())?;
        }
        for (name, value) in &self.traced() {
            request.append_header(name, value)?;
        }
        Ok(request)
    }

    /// Counts a part of the request's body.
    ///
    /// # Errors
    /// When the body is too long or too slow as a whole.
    pub(crate) fn body_part(&mut self, bytes: usize) -> Result<()> {
        self.body_bytes = self.body_bytes.saturating_add(bytes);
        if self.body_bytes > self.origin.config.body_bytes_max {
            return Error::e_explain(fault::BODY_TOO_LARGE, "the body is too long");
        }
        if self.started.elapsed() > self.body_timeout {
            return Error::e_explain(fault::BODY_TOO_SLOW, "the body is too slow");
        }
        Ok(())
    }

    /// Makes an upstream's header that of our answer.
    ///
    /// # Errors
    /// When a value cannot be a header, which does not happen with what was read as one.
    pub(crate) fn answered(&mut self, answer: &mut ResponseHeader, version: Version) -> Result<()> {
        // HTTP/1.0 knows no chunks: there the end of the connection ends the body.
        let coding = answer.remove_header(&header::TRANSFER_ENCODING).filter(|_| version == Version::HTTP_11);
        let mut header = ResponseHeader::build_no_case(answer.status, Some(answer.headers.len() + 8))?;
        for (name, value) in &forward::incoming(&answer.headers) {
            header.append_header(name, value)?;
        }
        if let Some(coding) = coding {
            header.insert_header(header::TRANSFER_ENCODING, coding)?;
        }
        if !answer.status.is_informational() {
            self.tell_cache(answer);
            self.heard(fault::heard_of(answer.status));
            let call = self.call.take();
            if let Some(call) = call {
                call.record("http.response.status_code", answer.status.as_u16());
            }
            self.mark(&mut header)?;
        }
        *answer = header;
        Ok(())
    }

    /// A connection could not be made; the next address may do.
    pub(crate) fn not_connected(&mut self, mut error: Box<Error>) -> Box<Error> {
        if let Some(flight) = &mut self.flight {
            flight.found_nobody();
        }
        error.set_retry(self.tries < self.tries_max() && self.origin.gate.may_ask_again());
        error
    }

    /// The upstream broke off. Asking again is right only where the request was not answered yet and may be repeated
    /// (RFC 9110, 9.2.2), and where its body is still there.
    pub(crate) fn broke_off(
        &mut self,
        session: &Session,
        mut error: Box<Error>,
        was_reused: bool,
    ) -> Box<Error> {
        let heard = fault::heard_in(&error).filter(|_| !was_reused);
        if let (Some(heard), Some(flight)) = (heard, &mut self.flight) {
            flight.heard(heard);
        }
        let is_repeatable = error.esource() == &pingora_core::ErrorSource::Upstream
            && error.etype() != &ErrorType::ReadTimedout
            && self.head.method.is_idempotent()
            && !session.as_ref().retry_buffer_truncated()
            && session.response_written().is_none();
        // A connection from the pool may have been closed while it lay there: that says nothing of the address.
        let tries_max = self.tries_max() + usize::from(was_reused);
        let may = is_repeatable && self.tries < tries_max;
        error.set_retry(may && (was_reused || self.origin.gate.may_ask_again()));
        error
    }

    /// What the client is told of a failure; `None` when it is gone.
    pub(crate) fn problem(&mut self, error: &Error) -> Option<Problem> {
        let heard = fault::heard_in(error);
        if let Some(heard) = heard {
            self.heard(heard);
        }
        if heard.is_some() || error.etype() == &fault::NO_ADDRESS {
            self.origin.failures.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(
                parent: &self.span,
                upstream = self.origin.config.name,
                server.address = self.flight.as_ref().map(Flight::address),
                kind = error.etype().as_str(),
                "an upstream did not answer"
            );
        }
        self.call = None;
        fault::problem(error, self.origin.config.body_bytes_max)
    }

    /// An answer went by the cache: it may show that what is stored does not hold any more, or holds still.
    fn tell_cache(&self, answer: &ResponseHeader) {
        let Some((_, cache)) = self.cached.as_ref().filter(|_| self.origin.config.cache) else {
            return;
        };
        let Head { method, path, query, .. } = &self.head;
        if method == Method::HEAD && answer.status == StatusCode::OK {
            self.question(cache).freshen_by_head(&answer.headers);
            return;
        }
        let target = if query.is_empty() { path.clone() } else { format!("{path}?{query}") };
        let Ok(target) = target.parse() else {
            return;
        };
        let host = self.authority.as_deref().unwrap_or_default();
        let paths = freshen::invalidated(method, &target, host, answer.status, &answer.headers);
        let tags: Vec<String> = paths.iter().map(|path| self.origin.tag(path)).collect();
        if !tags.is_empty() {
            cache.invalidate(tags.iter().map(String::as_str));
        }
    }

    fn question<'p>(&'p self, cache: &'p Arc<Cache>) -> Question<'p> {
        Question {
            cache,
            origin: &self.origin,
            head: &self.head,
            priority: self.priority,
            outgoing: &self.headers,
            host: self.host.as_ref(),
        }
    }

    /// Adds to an answer from the cache what depends on the caller.
    pub(crate) fn allow(&self, reply: &mut Reply) {
        if let Some(allowance) = &self.allowance {
            allowance.mark(reply);
        }
    }

    /// The header of an answer that is being fetched for the cache.
    ///
    /// # Errors
    /// When a value cannot be a header, which does not happen with what was read as one.
    pub(crate) fn header_of(
        &self,
        incomer: &Incomer,
        status: CacheStatus,
        version: Version,
    ) -> Result<ResponseHeader> {
        let mut header = ResponseHeader::build_no_case(incomer.status, Some(incomer.headers.len() + 8))?;
        for (name, value) in &forward::incoming(&incomer.headers) {
            header.append_header(name, value)?;
        }
        let may_have_body = !matches!(incomer.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let is_framed = header.headers.contains_key(header::CONTENT_LENGTH);
        if may_have_body && !is_framed && version == Version::HTTP_11 {
            header.insert_header(header::TRANSFER_ENCODING, "chunked")?;
        }
        header.append_header(CACHE_STATUS, status.value())?;
        self.mark(&mut header)?;
        Ok(header)
    }

    /// Adds what every answer of the edge carries.
    fn mark(&self, answer: &mut ResponseHeader) -> Result<()> {
        if let Some((status, _)) = &self.cached {
            answer.append_header(CACHE_STATUS, status.value())?;
        }
        let mut reply = Reply::empty(answer.status);
        if let Some(allowance) = &self.allowance {
            allowance.mark(&mut reply);
        }
        for (name, value) in &reply.headers {
            answer.insert_header(name, value)?;
        }
        answer.insert_header("x-request-id", &self.head.request_id)?;
        // The upstream's own stay, in a line before ours.
        answer.append_header("server-timing", gateway::server_timing(self.started.elapsed(), &[]))?;
        if let Some(traceparent) = self.span.in_scope(propagate::current_traceparent) {
            answer.insert_header("traceresponse", traceparent)?;
        }
        Ok(())
    }

    /// The headers with the trace of the present try.
    fn traced(&self) -> HeaderMap {
        let mut headers = self.headers.clone();
        self.call.as_ref().unwrap_or(&self.span).in_scope(|| propagate::inject_http(&mut headers));
        headers
    }

    /// Tells gate and address how it ended.
    fn heard(&mut self, heard: Heard) {
        if let (Some(flight), Some(pass)) = (&mut self.flight, &mut self.pass) {
            self.origin.heard(flight, pass, heard);
        }
    }

    fn tries_max(&self) -> usize {
        self.origin.config.addresses.len().min(TRIES_MAX)
    }
}
