//! pingora's view of the edge: each phase of a request calls one room. No rule lives here.
//!
//! What the shop answers is answered in `request_filter`; the later phases belong to requests that are handed on to plain
//! HTTP servers (`hand_on`).

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, Version, header};
use pingora_core::Result;
use pingora_core::modules::http::HttpModules;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::{FailToProxy, ProxyHttp, ProxyWarnLogContext, Session};
use tracing::field::Empty;
use tracing::{Instrument as _, Span};
use vitrina_otel::propagate;

use crate::activity::Cut;
use crate::connection;
use crate::core::{self, Core, Pending};
use crate::guard::hygiene;
use crate::metrics::Answered;
use crate::reply::{Problem, Reply};
use crate::request::{self, Head};
use crate::routes::Found;
use crate::slow::{self, SlowRequest};
use crate::stream::EventStream;
use crate::upstream::Timings;
use crate::upstream::origin::Passage;

/// Route label of what no route was found for.
const NO_ROUTE: &str = "(none)";

/// The edge's application in pingora.
pub(crate) struct Gateway {
    pub(crate) core: Arc<Core>,
}

/// What is known of a request once it is answered, for log and numbers.
pub(crate) struct Exchange {
    pub(crate) started: Instant,
    pub(crate) route: &'static str,
    user: Option<String>,
    pub(crate) client: String,
    pub(crate) request_id: String,
    pub(crate) trace_id: String,
    pub(crate) status: u16,
    pub(crate) body_bytes: usize,
    timings: Timings,
    /// The way to a plain HTTP server, once it is admitted.
    pub(crate) passage: Option<Passage>,
}

#[async_trait]
impl ProxyHttp for Gateway {
    type CTX = Exchange;

    fn new_ctx(&self) -> Exchange {
        Exchange {
            started: Instant::now(),
            route: NO_ROUTE,
            user: None,
            client: String::new(),
            request_id: String::new(),
            trace_id: String::new(),
            status: 0,
            body_bytes: 0,
            timings: Timings::default(),
            passage: None,
        }
    }

    /// None: pingora's compression module costs a pass over each answer even when it is off.
    fn init_downstream_modules(&self, _: &mut HttpModules) {}

    async fn early_request_filter(&self, session: &mut Session, _: &mut Exchange) -> Result<()> {
        self.core.metrics.in_flight.fetch_add(1, Ordering::Relaxed);
        let config = self.core.config();
        if let Some(activity) = connection::activity(session)
            && activity.request_started() > config.http2.running_max()
        {
            // They run on although the client reset their streams.
            activity.cut(Cut::Flood);
        }
        let limits = &config.limits;
        session.set_read_timeout(Some(limits.body_timeout()));
        session.set_write_timeout(Some(limits.write_timeout()));
        session.set_total_drain_timeout(Some(limits.body_timeout()));
        // A client that asked to close, or a framing that cannot be trusted, has switched it off already.
        let is_kept = session.get_keepalive().is_some() && !self.core.is_draining();
        session.set_keepalive(is_kept.then_some(limits.keepalive_s));
        Ok(())
    }

    async fn request_filter(&self, session: &mut Session, exchange: &mut Exchange) -> Result<bool> {
        let mut head = Head::of(session, &self.core.config());
        hygiene::clean(&mut head.headers);
        let found = self.core.find(&head);
        if matches!(found, Found::Nothing)
            && let Some(origin) = self.core.origins.find(&head.path)
        {
            return self.hand_on(session, exchange, head, origin).await;
        }
        if let Found::Route { path, .. } = found {
            exchange.route = path;
        }
        let span = span(&head, exchange.route, found.told(&head.path));
        propagate::parent(&span, propagate::extract(|name| head.text(name).map(str::to_owned)));
        let (mut reply, traceparent) =
            self.answer(session, exchange, &head, found).instrument(span.clone()).await;
        exchange.status = reply.status.as_u16();
        span.in_scope(|| record_status(exchange.status));
        exchange.body_bytes = reply.body.len();
        exchange.client = head.client.to_string();
        let version = session.req_header().version;
        let header = header(&head, version, &reply, exchange, traceparent)?;
        exchange.request_id = head.request_id;
        if let Some(events) = write(session, header, &mut reply).await? {
            // A stream may last for hours; its trace ends with its start.
            drop(span);
            let heartbeat = self.core.config().limits.heartbeat();
            exchange.body_bytes = events.write(session, heartbeat, &self.core.draining).await?;
        }
        Ok(true)
    }

    async fn upstream_peer(&self, _: &mut Session, exchange: &mut Exchange) -> Result<Box<HttpPeer>> {
        exchange.passage()?.peer().await
    }

    async fn upstream_request_filter(
        &self,
        _: &mut Session,
        request: &mut RequestHeader,
        exchange: &mut Exchange,
    ) -> Result<()> {
        *request = exchange.passage()?.request()?;
        Ok(())
    }

    async fn request_body_filter(
        &self,
        _: &mut Session,
        body: &mut Option<Bytes>,
        _: bool,
        exchange: &mut Exchange,
    ) -> Result<()> {
        exchange.passage()?.body_part(body.as_ref().map_or(0, Bytes::len))
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        answer: &mut ResponseHeader,
        exchange: &mut Exchange,
    ) -> Result<()> {
        let version = session.req_header().version;
        exchange.passage()?.answered(answer, version)
    }

    fn fail_to_connect(
        &self,
        _: &mut Session,
        _: &HttpPeer,
        exchange: &mut Exchange,
        error: Box<pingora_core::Error>,
    ) -> Box<pingora_core::Error> {
        match &mut exchange.passage {
            Some(passage) => passage.not_connected(error),
            None => error,
        }
    }

    fn error_while_proxy(
        &self,
        _: &HttpPeer,
        session: &mut Session,
        error: Box<pingora_core::Error>,
        exchange: &mut Exchange,
        was_reused: bool,
    ) -> Box<pingora_core::Error> {
        match &mut exchange.passage {
            Some(passage) => passage.broke_off(session, error, was_reused),
            None => error,
        }
    }

    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        error: &pingora_core::Error,
        exchange: &mut Exchange,
    ) -> FailToProxy {
        let error_code = self.tell_failure(session, error, exchange).await;
        FailToProxy { error_code, can_reuse_downstream: false }
    }

    async fn logging(
        &self,
        session: &mut Session,
        error: Option<&pingora_core::Error>,
        exchange: &mut Exchange,
    ) {
        exchange.note_passage(session);
        let metrics = &self.core.metrics;
        metrics.in_flight.fetch_sub(1, Ordering::Relaxed);
        let took = exchange.started.elapsed();
        let method = known_method(&session.req_header().method);
        metrics.request(&Answered {
            route: exchange.route,
            method,
            status: exchange.status,
            took,
            trace_id: &exchange.trace_id,
        });
        if self.core.config().traces.is_slow(took) {
            metrics.slow.note(exchange.slow(method, took));
        }
        if let Some(activity) = connection::activity(session) {
            activity.request_done();
            let resets_max = self.core.config().http2.resets_max;
            if error.is_some() && activity.is_http2() && activity.request_broken_off(resets_max) {
                activity.cut(Cut::Flood);
            }
        }
        tracing::event!(
            target: "vitrina_edge::access",
            tracing::Level::INFO,
            http.request.method = method,
            http.route = exchange.route,
            http.response.status_code = exchange.status,
            http.response.body.size = exchange.body_bytes,
            client.address = exchange.client,
            user.id = exchange.user,
            request_id = exchange.request_id,
            trace_id = exchange.trace_id,
            duration_ms = took.as_secs_f64() * 1_000.0,
            is_broken_off = error.is_some(),
            "request"
        );
    }

    /// pingora's own line would hold the target, and with it what a client put into a query.
    fn suppress_error_log(&self, _: &Session, _: &Exchange, _: &pingora_core::Error) -> bool {
        true
    }

    fn suppress_proxy_warn_log(
        &self,
        _: &Session,
        _: &Exchange,
        _: &pingora_core::Error,
        _: ProxyWarnLogContext,
    ) -> bool {
        true
    }
}

impl Exchange {
    fn slow(&self, method: &'static str, took: Duration) -> SlowRequest {
        SlowRequest {
            trace_id: self.trace_id.clone(),
            method,
            route: self.route,
            status: self.status,
            duration_ms: took.as_secs_f64() * 1_000.0,
            at_ms: slow::now_ms(),
        }
    }
}

impl Gateway {
    /// The answer to a request, and the trace it belongs to.
    async fn answer(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
        head: &Head,
        found: Found<'_, '_>,
    ) -> (Reply, Option<String>) {
        exchange.trace_id = core::trace_id();
        let raw = session.to_h1_raw();
        let checked = hygiene::check(&raw, session.req_header(), &self.core.config().limits);
        let answer = match checked {
            Ok(()) => self.admitted(session, exchange, head, found).await,
            Err(problem) => Err(problem),
        };
        let mut reply = answer.unwrap_or_else(|problem| problem.into_reply(&exchange.trace_id));
        self.core.mark_origin(&mut reply, head);
        hygiene::secure(&mut reply);
        (reply, propagate::current_traceparent())
    }

    async fn admitted(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
        head: &Head,
        found: Found<'_, '_>,
    ) -> std::result::Result<Reply, Problem> {
        let admitted = match self.core.admit(head, found).await? {
            Ok(admitted) => admitted,
            Err(reply) => return Ok(reply),
        };
        exchange.user = admitted.user().map(str::to_owned);
        let body = match admitted.body_bytes_max(head) {
            Some(bytes_max) => {
                let timeout = self.core.config().limits.body_timeout();
                request::body(session, bytes_max, timeout).await?
            }
            None => Bytes::new(),
        };
        let pending = Pending { head, admitted: &admitted, body: &body, timings: &exchange.timings };
        if !session.is_http2() || !head.method.is_safe() {
            return self.core.answer(&pending).await;
        }
        tokio::select! {
            answer = self.core.answer(&pending) => answer,
            // Nothing comes after the end of the request but the client's reset: nobody waits for the answer any more.
            _ = session.as_downstream_mut().read_body_or_idle(true) => {
                Err(Problem::new(499, "client_closed_request", "The client broke the request off."))
            }
        }
    }
}

/// The header of an answer.
pub(crate) fn header(
    head: &Head,
    version: Version,
    reply: &Reply,
    exchange: &Exchange,
    traceparent: Option<String>,
) -> Result<ResponseHeader> {
    let mut header = ResponseHeader::build_no_case(reply.status, Some(reply.headers.len() + 6))?;
    for (name, value) in &reply.headers {
        header.append_header(name, value)?;
    }
    header.insert_header("x-request-id", &head.request_id)?;
    if let Some(traceparent) = traceparent {
        header.insert_header("traceresponse", traceparent)?;
    }
    let timing = server_timing(exchange.started.elapsed(), &exchange.timings.taken());
    header.insert_header("server-timing", timing)?;
    let may_have_body = !matches!(reply.status.as_u16(), 204 | 304);
    if reply.events.is_some() {
        // HTTP/1.0 knows no chunks: there the end of the connection ends the stream. HTTP/2 has frames.
        if version == Version::HTTP_11 {
            header.insert_header(header::TRANSFER_ENCODING, "chunked")?;
        }
    } else if may_have_body {
        header.insert_header(header::CONTENT_LENGTH, reply.body.len())?;
    }
    Ok(header)
}

/// Writes an answer; to HEAD without its body. Gives back the events that are still to be written.
pub(crate) async fn write(
    session: &mut Session,
    header: ResponseHeader,
    reply: &mut Reply,
) -> Result<Option<EventStream>> {
    if reply.is_closing {
        session.set_keepalive(None);
    }
    let is_head = session.req_header().method == Method::HEAD;
    let events = reply.events.take().filter(|_| !is_head);
    let has_body = !is_head && !reply.body.is_empty();
    session.write_response_header(Box::new(header), !has_body && events.is_none()).await?;
    if has_body {
        session.write_response_body(Some(std::mem::take(&mut reply.body)), true).await?;
    }
    Ok(events)
}

/// The span of a request. Its name is given at once: it cannot be changed after the first look at its trace. `path` is what may
/// be told of the request's.
pub(crate) fn span(head: &Head, route: &'static str, path: &str) -> Span {
    let method = known_method(&head.method);
    tracing::info_span!(
        parent: None,
        "request",
        otel.name = format!("{method} {route}"),
        otel.kind = "server",
        otel.status_code = Empty,
        vitrina.refused = Empty,
        http.request.method = method,
        http.route = route,
        http.response.status_code = Empty,
        url.path = path,
        url.scheme = head.scheme,
        network.protocol.version = head.protocol_version,
        client.address = %head.client,
        user_agent.original = head.text(header::USER_AGENT),
    )
}

/// Notes a status in the current span.
pub(crate) fn record_status(status: u16) {
    let span = Span::current();
    span.record("http.response.status_code", status);
    if status >= 500 {
        span.record("otel.status_code", "ERROR");
    }
}

/// Methods are labels of spans and numbers: anything else would let a client make new ones.
pub(crate) fn known_method(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "_OTHER",
    }
}

/// `Server-Timing`: the whole, then each rpc by its method.
pub(crate) fn server_timing(total: Duration, calls: &[(&'static str, Duration)]) -> String {
    let mut out = format!("total;dur={:.2}", total.as_secs_f64() * 1_000.0);
    for (rpc, took) in calls {
        let method = rpc.rsplit('/').next().unwrap_or(rpc);
        // Writing to a String cannot fail.
        let _ = write!(out, ", {method};dur={:.2}", took.as_secs_f64() * 1_000.0);
    }
    out
}
