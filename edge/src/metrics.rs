//! Rate, errors and duration of every route and every rpc, counted here and read by the admin listener as Prometheus
//! text (exposition format 0.0.4). The numbers start at zero with the process.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::Histogram;
use tonic::Code;
use vitrina_otel::{metrics, names};

/// Upper bounds of the histogram's buckets in µs: from a cached answer to the longest deadline.
const BOUNDS_US: [u64; 14] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 5_000_000,
    30_000_000,
];

/// Series kept for each metric. Their names come from the contract, never from a client, so this is never reached.
const SERIES_MAX: usize = 2_000;

/// The same numbers for the collector, when there is one.
static REQUESTS: LazyLock<Histogram<f64>> =
    LazyLock::new(|| metrics::histogram_seconds(names::HTTP_SERVER_DURATION));
static CALLS: LazyLock<Histogram<f64>> =
    LazyLock::new(|| metrics::histogram_seconds(names::RPC_CLIENT_DURATION));

/// All numbers of one edge.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    requests: Mutex<BTreeMap<Labels, Arc<Series>>>,
    calls: Mutex<BTreeMap<Labels, Arc<Series>>>,
    /// Requests being answered now.
    pub(crate) in_flight: AtomicI64,
    /// Client connections open now.
    pub(crate) connections: AtomicI64,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Labels {
    /// Route template with its method, or the rpc.
    name: &'static str,
    method: String,
    outcome: i32,
}

#[derive(Debug, Default)]
struct Series {
    buckets: [AtomicU64; BOUNDS_US.len()],
    count: AtomicU64,
    sum_us: AtomicU64,
}

impl Metrics {
    /// Counts one answered request.
    pub(crate) fn request(&self, route: &'static str, method: &str, status: u16, took: Duration) {
        observe(&self.requests, route, method, i32::from(status), took);
        let attributes = [
            KeyValue::new(names::HTTP_ROUTE, route),
            KeyValue::new(names::HTTP_REQUEST_METHOD, method.to_owned()),
            KeyValue::new(names::HTTP_RESPONSE_STATUS_CODE, i64::from(status)),
        ];
        REQUESTS.record(took.as_secs_f64(), &attributes);
    }

    /// Counts one rpc by its gRPC code.
    pub(crate) fn call(&self, rpc: &'static str, code: Code, took: Duration) {
        observe(&self.calls, rpc, "", i32::from(code), took);
        let attributes = [
            KeyValue::new(names::RPC_SYSTEM_NAME, "grpc"),
            KeyValue::new(names::RPC_METHOD, rpc),
            KeyValue::new(names::RPC_RESPONSE_STATUS_CODE, code_name(code)),
        ];
        CALLS.record(took.as_secs_f64(), &attributes);
    }

    /// All numbers as Prometheus text.
    pub(crate) fn render(&self) -> String {
        let mut out = String::with_capacity(16 * 1024);
        let gauges = [
            ("vitrina_edge_requests_in_flight", &self.in_flight),
            ("vitrina_edge_connections", &self.connections),
        ];
        for (name, gauge) in gauges {
            let value = gauge.load(Ordering::Relaxed);
            let _ = write!(out, "# TYPE {name} gauge\n{name} {value}\n");
        }
        histogram(&mut out, "vitrina_edge_request_duration_seconds", &self.requests, |labels| {
            format!("route=\"{}\",method=\"{}\",status=\"{}\"", labels.name, labels.method, labels.outcome)
        });
        histogram(&mut out, "vitrina_edge_rpc_duration_seconds", &self.calls, |labels| {
            let code = code_name(Code::from(labels.outcome));
            format!("rpc=\"{}\",code=\"{code}\"", labels.name)
        });
        out
    }
}

/// A gRPC code as it is spelled.
pub(crate) fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

fn observe(
    map: &Mutex<BTreeMap<Labels, Arc<Series>>>,
    name: &'static str,
    method: &str,
    outcome: i32,
    took: Duration,
) {
    let labels = Labels { name, method: method.to_owned(), outcome };
    let series = {
        let mut map = map.lock().unwrap_or_else(PoisonError::into_inner);
        if map.len() >= SERIES_MAX && !map.contains_key(&labels) {
            return;
        }
        map.entry(labels).or_default().clone()
    };
    let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    series.count.fetch_add(1, Ordering::Relaxed);
    series.sum_us.fetch_add(took_us, Ordering::Relaxed);
    if let Some(index) = BOUNDS_US.iter().position(|bound| took_us <= *bound) {
        series.buckets[index].fetch_add(1, Ordering::Relaxed);
    }
}

fn histogram(
    out: &mut String,
    name: &str,
    map: &Mutex<BTreeMap<Labels, Arc<Series>>>,
    labels_of: impl Fn(&Labels) -> String,
) {
    let _ = writeln!(out, "# TYPE {name} histogram");
    let map = map.lock().unwrap_or_else(PoisonError::into_inner);
    for (labels, series) in map.iter() {
        let labels = labels_of(labels);
        let mut below = 0;
        for (bound, bucket) in BOUNDS_US.iter().zip(&series.buckets) {
            below += bucket.load(Ordering::Relaxed);
            let le = seconds(*bound);
            let _ = writeln!(out, "{name}_bucket{{{labels},le=\"{le}\"}} {below}");
        }
        let count = series.count.load(Ordering::Relaxed);
        let sum = seconds(series.sum_us.load(Ordering::Relaxed));
        let _ = writeln!(out, "{name}_bucket{{{labels},le=\"+Inf\"}} {count}");
        let _ = writeln!(out, "{name}_sum{{{labels}}} {sum}");
        let _ = writeln!(out, "{name}_count{{{labels}}} {count}");
    }
}

fn seconds(us: u64) -> f64 {
    Duration::from_micros(us).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_cumulative() {
        let metrics = Metrics::default();
        for ms in [1, 1, 40] {
            metrics.request("/v1/me", "GET", 200, Duration::from_millis(ms));
        }
        let text = metrics.render();
        let labels = "route=\"/v1/me\",method=\"GET\",status=\"200\"";
        assert!(text.contains(&format!("_bucket{{{labels},le=\"0.001\"}} 2")), "{text}");
        assert!(text.contains(&format!("_bucket{{{labels},le=\"+Inf\"}} 3")));
        assert!(text.contains(&format!("_count{{{labels}}} 3")));
    }
}
