//! The frame in which a request calls services: its deadline, its caller, its retries and what each call took.

use std::future::Future;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rand::Rng;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Extensions, Request, Status};
use tracing::Instrument as _;
use tracing::field::Empty;
use vitrina_otel::propagate;

use crate::metrics::{Metrics, code_name};

/// Retries are at most a tenth of the calls, so that they cannot double the load on a service in trouble.
const CALLS_A_RETRY: i64 = 10;

/// Retries that may come at once, in calls: enough for one restarted service, not for an outage.
const BUDGET_MAX: i64 = 50 * CALLS_A_RETRY;

/// A retry waits this long at most, at random, so that the callers of a restarted service do not come all at once.
const RETRY_JITTER_MS: u64 = 20;

/// Longest list of timings of one answer.
const TIMINGS_MAX: usize = 16;

/// What is left for retries, shared by all requests.
#[derive(Debug)]
pub(crate) struct Budget(AtomicI64);

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
    pub(crate) budget: Arc<Budget>,
    pub(crate) metrics: Arc<Metrics>,
}

impl Budget {
    pub(crate) fn new() -> Self {
        Self(AtomicI64::new(BUDGET_MAX))
    }

    fn earn(&self) {
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            (left < BUDGET_MAX).then_some(left + 1)
        });
    }

    fn spend(&self) -> bool {
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                (left >= CALLS_A_RETRY).then_some(left - CALLS_A_RETRY)
            })
            .is_ok()
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
            Err(fault) if fault.code() == Code::Unavailable && self.budget.spend() => {
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
        let left = self.left();
        if left.is_zero() {
            return Err(Status::deadline_exceeded("no time is left"));
        }
        self.budget.earn();
        let span = tracing::info_span!(
            "rpc",
            otel.name = rpc,
            otel.kind = "client",
            rpc.system.name = "grpc",
            rpc.method = rpc,
            rpc.response.status_code = Empty,
            otel.status_code = Empty,
        );
        let started = Instant::now();
        // The attempt starts inside of the span, so that the service continues this trace from here.
        let answer = async { tokio::time::timeout(left, attempt()).await }
            .instrument(span.clone())
            .await
            .unwrap_or_else(|_| Err(Status::deadline_exceeded("the service did not answer in time")));
        let took = started.elapsed();
        let code = answer.as_ref().err().map_or(Code::Ok, Status::code);
        span.record("rpc.response.status_code", code_name(code));
        if is_failure(code) {
            span.record("otel.status_code", "ERROR");
        }
        self.timings.note(rpc, took);
        self.metrics.call(rpc, code, took);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_are_a_share_of_the_calls() {
        let budget = Budget::new();
        let at_once = std::iter::repeat_with(|| budget.spend()).take_while(|is_allowed| *is_allowed).count();
        assert_eq!(at_once, 50);
        (0..CALLS_A_RETRY).for_each(|_| budget.earn());
        assert!(budget.spend() && !budget.spend());
    }
}
