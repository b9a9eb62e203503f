//! The frame in which a request calls services: its deadline, its caller, its retries and what each call took.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rand::Rng;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Extensions, Request, Status};
use tracing::field::Empty;
use tracing::{Instrument as _, Span};
use vitrina_otel::propagate;

use super::gate::Gates;
use super::priority::Priority;
use crate::metrics::{Metrics, code_name};

/// A retry waits this long at most, at random, so that the callers of a restarted service do not come all at once.
const RETRY_JITTER_MS: u64 = 20;

/// Longest list of timings of one answer.
const TIMINGS_MAX: usize = 16;

/// What the calls of all requests share.
#[derive(Clone, Debug)]
pub(crate) struct Calls {
    pub(crate) gates: Arc<Gates>,
    pub(crate) metrics: Arc<Metrics>,
}

/// How long each call of a request took, for `Server-Timing`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timings(Arc<Mutex<Vec<(&'static str, Duration)>>>);

/// One request's frame. A clone shares it.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    /// When the answer must be there.
    pub(crate) deadline: Instant,
    /// Caller, key, request id: what every call of this request carries.
    pub(crate) metadata: MetadataMap,
    pub(crate) timings: Timings,
    /// How much the request matters when not all can be served.
    pub(crate) priority: Priority,
    pub(crate) calls: Calls,
}

impl Calls {
    pub(crate) fn new(gates: Gates) -> Self {
        Self { gates: Arc::new(gates), metrics: Arc::default() }
    }

    /// A frame for what the edge asks on its own behalf. Every request may depend on it, so it comes first.
    pub(crate) fn own(&self, timeout: Duration) -> Scope {
        Scope {
            deadline: Instant::now() + timeout,
            metadata: MetadataMap::new(),
            timings: Timings::default(),
            priority: Priority::Checkout,
            calls: self.clone(),
        }
    }
}

impl Timings {
    fn note(&self, rpc: &'static str, took: Duration) {
        let mut timings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if timings.len() < TIMINGS_MAX {
            timings.push((rpc, took));
        }
    }

    /// The calls so far: name of the rpc and time.
    pub(crate) fn taken(&self) -> Vec<(&'static str, Duration)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Scope {
    /// A message with the metadata, what is left of the deadline and the trace of the current span.
    pub(crate) fn request<M>(&self, message: M) -> Request<M> {
        Request::from_parts(self.metadata(), Extensions::default(), message)
    }

    /// The metadata of a call that starts now.
    pub(crate) fn metadata(&self) -> MetadataMap {
        let mut metadata = self.metadata_without_deadline();
        let left_ms = self.left().as_millis().max(1);
        // At most 8 digits are allowed; no deadline of ours comes near.
        if let Ok(timeout) = MetadataValue::try_from(format!("{left_ms}m")) {
            metadata.insert("grpc-timeout", timeout);
        }
        metadata
    }

    /// The metadata of a call whose answer is a stream: the deadline is for its start, which the service is not told.
    pub(crate) fn metadata_without_deadline(&self) -> MetadataMap {
        let mut metadata = self.metadata.clone();
        propagate::inject_current(|name, value| {
            let Ok(name) = tonic::metadata::AsciiMetadataKey::from_bytes(name.as_bytes()) else {
                return;
            };
            if let Ok(value) = MetadataValue::try_from(value) {
                metadata.insert(name, value);
            }
        });
        metadata
    }

    /// Time until the deadline.
    pub(crate) fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// The same frame with only a share of the time that is left, for a part that the whole can do without.
    pub(crate) fn share(&self, percent: u32) -> Self {
        let mut scope = self.clone();
        scope.deadline = Instant::now() + self.left() * percent / 100;
        scope
    }

    /// Calls once: for what must not happen twice.
    ///
    /// # Errors
    /// The fault of the service, or `DeadlineExceeded`.
    pub(crate) async fn once<T, F, A>(&self, rpc: &'static str, attempt: F) -> Result<T, Status>
    where
        F: Fn() -> A,
        A: Future<Output = Result<T, Status>>,
    {
        self.attempt(rpc, attempt).await
    }

    /// Calls, and once more when the service was not there and the budget allows it: for what may be done twice, which
    /// are reads and writes with a key.
    ///
    /// # Errors
    /// The fault of the last attempt, or `DeadlineExceeded`.
    pub(crate) async fn repeat<T, F, A>(&self, rpc: &'static str, attempt: F) -> Result<T, Status>
    where
        F: Fn() -> A,
        A: Future<Output = Result<T, Status>>,
    {
        let first = self.attempt(rpc, &attempt).await;
        match first {
            Err(fault) if self.calls.gates.of_rpc(rpc).is_some_and(|gate| gate.may_retry(&fault)) => {
                let jitter = rand::thread_rng().gen_range(0..=RETRY_JITTER_MS);
                tokio::time::sleep(Duration::from_millis(jitter).min(self.left())).await;
                self.attempt(rpc, &attempt).await
            }
            answer => answer,
        }
    }

    async fn attempt<T, F, A>(&self, rpc: &'static str, attempt: F) -> Result<T, Status>
    where
        F: Fn() -> A,
        A: Future<Output = Result<T, Status>>,
    {
        let span = tracing::info_span!(
            "rpc",
            otel.name = rpc,
            otel.kind = "client",
            rpc.system.name = "grpc",
            rpc.method = rpc,
            rpc.response.status_code = Empty,
            otel.status_code = Empty,
            vitrina.refused = Empty,
        );
        // The attempt starts inside of the span, so that the service continues this trace from here.
        let answer = self.gated(rpc, &span, attempt).instrument(span.clone()).await;
        let code = answer.as_ref().err().map_or(Code::Ok, Status::code);
        span.record("rpc.response.status_code", code_name(code));
        if is_failure(code) {
            span.record("otel.status_code", "ERROR");
        }
        answer
    }

    /// Makes a call if its service's gate lets it pass, and tells the gate what came of it.
    async fn gated<T, F, A>(&self, rpc: &'static str, span: &Span, attempt: F) -> Result<T, Status>
    where
        F: Fn() -> A,
        A: Future<Output = Result<T, Status>>,
    {
        let pass = match self.calls.gates.of_rpc(rpc) {
            Some(gate) => Some(gate.enter(self.priority, self.deadline).await.map_err(|trouble| {
                span.record("vitrina.refused", trouble.name());
                trouble.status()
            })?),
            None => None,
        };
        // Only now: what is left is what the service is given.
        let given = self.left();
        if given.is_zero() {
            return Err(Status::deadline_exceeded("no time is left"));
        }
        let started = Instant::now();
        let answer = tokio::time::timeout(given, attempt())
            .await
            .unwrap_or_else(|_| Err(Status::deadline_exceeded("the service did not answer in time")));
        let took = started.elapsed();
        let fault = answer.as_ref().err();
        if let Some(pass) = pass {
            pass.done(rpc, fault, took, given);
        }
        self.timings.note(rpc, took);
        self.calls.metrics.call(rpc, fault.map_or(Code::Ok, Status::code), took);
        answer
    }
}

/// Whether the service failed, rather than refused.
fn is_failure(code: Code) -> bool {
    matches!(
        code,
        Code::Unknown | Code::DeadlineExceeded | Code::Internal | Code::Unavailable | Code::DataLoss
    )
}
