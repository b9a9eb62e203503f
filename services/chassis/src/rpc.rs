//! The way of every rpc into a service, whether it comes over TCP or from the same process.
//!
//! ```text
//! gate (draining? too many?) ─▶ span, child of the caller's ─▶ deadline ─▶ the service's method ─▶ status into span and metric
//! ```
//!
//! TCP serves this very value, so that both ways behave the same. Health and reflection pass beside the gate: a full or
//! draining service must still say how it is.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::BoxFuture;
use http::{HeaderMap, Request, Response};
use tokio::sync::Semaphore;
use tonic::body::Body;
use tonic::service::Routes;
use tonic::{Code, Status};
use tracing::{Instrument, Span, field};

use crate::fault::Fault;
use crate::service::Limits;
use crate::telemetry;

/// Paths that pass beside the gate.
const BESIDE: [&str; 2] = ["/grpc.health.v1.", "/grpc.reflection."];
/// By how much a service answers before its caller gives up, so that the caller reads a fault and not a broken call.
const MARGIN_MAX: Duration = Duration::from_millis(20);
/// The share of the deadline that the margin takes of a short one.
const MARGIN_SHARE: u32 = 10;

/// A service as a tower service: called directly, without a socket. Clones share the service and its bounds.
#[derive(Clone)]
pub struct InProcess {
    routes: Routes,
    gate: Arc<Gate>,
}

struct Gate {
    service: &'static str,
    permits: Arc<Semaphore>,
    limits: Limits,
    is_draining: AtomicBool,
}

impl InProcess {
    pub(crate) fn new(service: &'static str, routes: Routes, limits: Limits) -> InProcess {
        let permits = Arc::new(Semaphore::new(limits.in_flight_max as usize));
        let gate = Gate { service, permits, limits, is_draining: AtomicBool::new(false) };
        InProcess { routes: routes.prepare(), gate: Arc::new(gate) }
    }

    /// Refuses new calls from now on, on every clone.
    pub(crate) fn close(&self) {
        self.gate.is_draining.store(true, Ordering::SeqCst);
    }

    /// Waits until the calls in flight are answered. May be cancelled; the calls then go on.
    pub(crate) async fn idle(&self) {
        // Whoever holds every permit knows that no call is in flight.
        let _all = self.gate.permits.acquire_many(self.gate.limits.in_flight_max).await;
    }

    /// Calls in flight.
    pub(crate) fn in_flight(&self) -> usize {
        self.gate.limits.in_flight_max as usize - self.gate.permits.available_permits()
    }
}

impl tower::Service<Request<Body>> for InProcess {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // Never a wait here: a full service answers so, and a wait in the queue would not count against the deadline.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let mut routes = self.routes.clone();
        let path = request.uri().path();
        if BESIDE.iter().any(|prefix| path.starts_with(prefix)) {
            return Box::pin(async move { tower::Service::call(&mut routes, request).await });
        }
        let gate = Arc::clone(&self.gate);
        Box::pin(async move { Ok(guarded(gate, routes, request).await) })
    }
}

async fn guarded(gate: Arc<Gate>, routes: Routes, request: Request<Body>) -> Response<Body> {
    let rpc = request.uri().path().trim_start_matches('/').to_owned();
    let span = telemetry::server_span(gate.service, &rpc, request.headers());
    let started = Instant::now();
    let response = match Arc::clone(&gate.permits).try_acquire_owned() {
        _ if gate.is_draining.load(Ordering::SeqCst) => refused("draining", "the service is going down"),
        Err(_) => refused("overloaded", "the service has too much to do"),
        Ok(permit) => {
            let limit = deadline(request.headers(), gate.limits.deadline_max);
            let response = answered(routes, request, limit).instrument(span.clone()).await;
            drop(permit);
            response
        }
    };
    conclude(&span, gate.service, &rpc, status_of(&response), started);
    response
}

async fn answered(mut routes: Routes, request: Request<Body>, limit: Duration) -> Response<Body> {
    let call = AssertUnwindSafe(tower::Service::call(&mut routes, request)).catch_unwind();
    match tokio::time::timeout(limit, call).await {
        Ok(Ok(Ok(response))) => response,
        Ok(Ok(Err(never))) => match never {},
        // The panic's own message is on stderr. One call must not take its connection, or the edge's task, down with it.
        Ok(Err(_)) => {
            tracing::error!("an rpc panicked");
            Status::from(Fault::internal()).into_http()
        }
        Err(_) => {
            tracing::warn!(limit_ms = limit.as_millis() as u64, "an rpc took too long");
            Status::from(Fault::deadline_exceeded()).into_http()
        }
    }
}

fn refused(reason: &'static str, detail: &str) -> Response<Body> {
    tracing::debug!(reason, "an rpc was turned away");
    Status::from(Fault::unavailable(reason, detail)).into_http()
}

fn conclude(span: &Span, service: &'static str, rpc: &str, code: Code, started: Instant) {
    span.record(vitrina_otel::names::RPC_RESPONSE_STATUS_CODE, telemetry::code_name(code));
    // After the conventions a server's span fails by what is the server's fault, not by what the client did wrong.
    if matches!(
        code,
        Code::Unknown
            | Code::DeadlineExceeded
            | Code::Unimplemented
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss
    ) {
        span.record("otel.status_code", field::display("ERROR"));
    }
    // A path that nobody serves must not become a label: there are endlessly many of them.
    let rpc = if code == Code::Unimplemented { "_OTHER" } else { rpc };
    telemetry::rpc_done(service, rpc, code, started.elapsed());
}

/// The status of an answer without a body. One with a body has it in its trailers: it began well.
fn status_of(response: &Response<Body>) -> Code {
    let header = response.headers().get("grpc-status");
    header.map_or(Code::Ok, |value| Code::from_bytes(value.as_bytes()))
}

fn deadline(headers: &HeaderMap, max: Duration) -> Duration {
    let asked = headers.get("grpc-timeout").and_then(|value| value.to_str().ok()).and_then(timeout);
    match asked {
        Some(asked) => (asked - MARGIN_MAX.min(asked / MARGIN_SHARE)).min(max),
        None => max,
    }
}

/// Reads a `grpc-timeout`: up to eight digits and a unit (gRPC over HTTP/2, "Requests").
fn timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(count * 3600)),
        "M" => Some(Duration::from_secs(count * 60)),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_read_as_grpc_writes_it() {
        assert_eq!(timeout("5S"), Some(Duration::from_secs(5)));
        assert_eq!(timeout("250m"), Some(Duration::from_millis(250)));
        assert_eq!(timeout("99999999H"), Some(Duration::from_secs(99_999_999 * 3600)));
        for bad in ["", "S", "5", "5x", "-1S", "123456789S", "5é"] {
            assert_eq!(timeout(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_deadline_is_the_shorter_one_and_leaves_time_for_the_answer() {
        let mut headers = HeaderMap::new();
        let max = Duration::from_secs(30);
        assert_eq!(deadline(&headers, max), max);
        headers.insert("grpc-timeout", "1H".parse().unwrap());
        assert_eq!(deadline(&headers, max), max);
        headers.insert("grpc-timeout", "100m".parse().unwrap());
        assert_eq!(deadline(&headers, max), Duration::from_millis(90));
    }
}
