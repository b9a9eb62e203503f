//! Rate, errors and duration of every route and every rpc, counted here and read by the admin listener as text for
//! Prometheus, with exemplars where it asks for OpenMetrics. The numbers start at zero with the process.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::Histogram;
use serde::Serialize;
use tonic::Code;
use vitrina_otel::{metrics, names};

use crate::connections::Connections;
use crate::reload::Reloads;
use crate::slow::{self, SlowRequests};

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
    pub(crate) connections: Arc<Connections>,
    pub(crate) reloads: Reloads,
    pub(crate) slow: SlowRequests,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Labels {
    /// Route template with its method, or the rpc.
    name: &'static str,
    method: String,
    outcome: i32,
}

/// A form of the text: OpenMetrics has exemplars, the older one is what every tool reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Exposition format 0.0.4.
    Plain,
    /// OpenMetrics 1.0.
    Open,
}

/// One of [`EXEMPLAR_EVERY`] observations leaves its trace, so that most of them need no lock.
const EXEMPLAR_EVERY: u64 = 32;

/// An observation whose trace can be looked at.
#[derive(Debug)]
struct Exemplar {
    trace_id: String,
    took_us: u64,
    at_ms: u64,
}

/// How the requests of a route went, for the operator's page.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RouteView {
    route: &'static str,
    method: String,
    requests: u64,
    /// Answers of 500 and above.
    errors: u64,
    /// Upper bounds of the buckets in which the median and the 99th of 100 lie; absent above the last.
    p50_ms: Option<f64>,
    p99_ms: Option<f64>,
}

#[derive(Debug, Default)]
struct Series {
    exemplars: [Mutex<Option<Exemplar>>; BOUNDS_US.len()],
    buckets: [AtomicU64; BOUNDS_US.len()],
    count: AtomicU64,
    sum_us: AtomicU64,
}

/// What is counted of an answered request.
#[derive(Debug)]
pub(crate) struct Answered<'a> {
    pub(crate) route: &'static str,
    pub(crate) method: &'a str,
    pub(crate) status: u16,
    pub(crate) took: Duration,
    /// Left as an exemplar now and then.
    pub(crate) trace_id: &'a str,
}

impl Metrics {
    /// Counts one answered request.
    pub(crate) fn request(&self, answered: &Answered<'_>) {
        let Answered { route, method, status, took, trace_id } = *answered;
        let series = observe(&self.requests, route, method, i32::from(status), took);
        if let Some((series, bucket, count)) = series
            && count % EXEMPLAR_EVERY == 0
        {
            series.leave(bucket, trace_id, took);
        }
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

    /// How the requests went, by route and method.
    pub(crate) fn routes(&self) -> Vec<RouteView> {
        let map = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let mut by_route: BTreeMap<(&'static str, String), (u64, [u64; BOUNDS_US.len()], u64)> =
            BTreeMap::new();
        for (labels, series) in map.iter() {
            let (count, buckets, errors) = by_route.entry((labels.name, labels.method.clone())).or_default();
            let observed = series.count.load(Ordering::Relaxed);
            *count += observed;
            *errors += if labels.outcome >= 500 { observed } else { 0 };
            for (sum, bucket) in buckets.iter_mut().zip(&series.buckets) {
                *sum += bucket.load(Ordering::Relaxed);
            }
        }
        let views = by_route.into_iter().map(|((route, method), (requests, buckets, errors))| RouteView {
            route,
            method,
            requests,
            errors,
            p50_ms: quantile_ms(&buckets, requests, 50),
            p99_ms: quantile_ms(&buckets, requests, 99),
        });
        views.collect()
    }

    /// All numbers as text for Prometheus, with those that `more` adds.
    pub(crate) fn render(&self, format: Format, more: impl FnOnce(&mut String)) -> String {
        let mut plain = self.text(format);
        more(&mut plain);
        match format {
            Format::Plain => plain,
            Format::Open => open(&plain),
        }
    }

    fn text(&self, format: Format) -> String {
        let mut out = String::with_capacity(16 * 1024);
        let name = "vitrina_edge_requests_in_flight";
        let value = self.in_flight.load(Ordering::Relaxed);
        let _ = write!(out, "# TYPE {name} gauge\n{name} {value}\n");
        self.connections.render(&mut out);
        self.reloads.render(&mut out);
        histogram(&mut out, format, "vitrina_edge_request_duration_seconds", &self.requests, |labels| {
            format!("route=\"{}\",method=\"{}\",status=\"{}\"", labels.name, labels.method, labels.outcome)
        });
        histogram(&mut out, format, "vitrina_edge_rpc_duration_seconds", &self.calls, |labels| {
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

impl Series {
    fn leave(&self, bucket: usize, trace_id: &str, took: Duration) {
        // Whoever holds it leaves one as good.
        if let Some(place) = self.exemplars.get(bucket)
            && let Ok(mut place) = place.try_lock()
        {
            let at_ms = slow::now_ms();
            *place = Some(Exemplar { trace_id: trace_id.to_owned(), took_us: as_us(took), at_ms });
        }
    }
}

/// Gives the series, the bucket and how many there were before; `None` when there are too many series.
fn observe(
    map: &Mutex<BTreeMap<Labels, Arc<Series>>>,
    name: &'static str,
    method: &str,
    outcome: i32,
    took: Duration,
) -> Option<(Arc<Series>, usize, u64)> {
    let labels = Labels { name, method: method.to_owned(), outcome };
    let series = {
        let mut map = map.lock().unwrap_or_else(PoisonError::into_inner);
        if map.len() >= SERIES_MAX && !map.contains_key(&labels) {
            return None;
        }
        map.entry(labels).or_default().clone()
    };
    let took_us = as_us(took);
    series.sum_us.fetch_add(took_us, Ordering::Relaxed);
    let bucket = BOUNDS_US.iter().position(|bound| took_us <= *bound).unwrap_or(BOUNDS_US.len());
    if let Some(bucket) = series.buckets.get(bucket) {
        bucket.fetch_add(1, Ordering::Relaxed);
    }
    let count = series.count.fetch_add(1, Ordering::Relaxed);
    Some((series, bucket, count))
}

fn histogram(
    out: &mut String,
    format: Format,
    name: &str,
    map: &Mutex<BTreeMap<Labels, Arc<Series>>>,
    labels_of: impl Fn(&Labels) -> String,
) {
    let _ = writeln!(out, "# TYPE {name} histogram");
    let map = map.lock().unwrap_or_else(PoisonError::into_inner);
    for (labels, series) in map.iter() {
        let labels = labels_of(labels);
        let mut below = 0;
        for ((bound, bucket), exemplar) in BOUNDS_US.iter().zip(&series.buckets).zip(&series.exemplars) {
            below += bucket.load(Ordering::Relaxed);
            let le = seconds(*bound);
            let _ = write!(out, "{name}_bucket{{{labels},le=\"{le}\"}} {below}");
            if format == Format::Open {
                append(out, exemplar);
            }
            out.push('\n');
        }
        let count = series.count.load(Ordering::Relaxed);
        let sum = seconds(series.sum_us.load(Ordering::Relaxed));
        let _ = writeln!(out, "{name}_bucket{{{labels},le=\"+Inf\"}} {count}");
        let _ = writeln!(out, "{name}_sum{{{labels}}} {sum}");
        let _ = writeln!(out, "{name}_count{{{labels}}} {count}");
    }
}

/// ` # {trace_id="…"} value time`, behind the line of a bucket.
fn append(out: &mut String, exemplar: &Mutex<Option<Exemplar>>) {
    let exemplar = exemplar.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(Exemplar { trace_id, took_us, at_ms }) = &*exemplar {
        let (took, at) = (seconds(*took_us), Duration::from_millis(*at_ms).as_secs_f64());
        let _ = write!(out, " # {{trace_id=\"{trace_id}\"}} {took} {at:.3}");
    }
}

/// The text as OpenMetrics wants it: a counter is named without its `_total`, and the end is marked.
fn open(plain: &str) -> String {
    let mut out = String::with_capacity(plain.len() + 16);
    for line in plain.lines() {
        match line.strip_prefix("# TYPE ").and_then(|rest| rest.strip_suffix("_total counter")) {
            Some(name) => {
                let _ = writeln!(out, "# TYPE {name} counter");
            }
            None => {
                out.push_str(line);
                out.push('\n');
            }
        }
    }
    out.push_str("# EOF\n");
    out
}

/// The upper bound of the bucket in which the `percent`th of 100 lies.
fn quantile_ms(buckets: &[u64; BOUNDS_US.len()], count: u64, percent: u64) -> Option<f64> {
    let rank = (count * percent).div_ceil(100).max(1);
    let mut below = 0;
    let bound = BOUNDS_US.iter().zip(buckets).find(|(_, bucket)| {
        below += **bucket;
        below >= rank
    });
    bound.map(|(bound, _)| seconds(*bound) * 1_000.0)
}

fn as_us(took: Duration) -> u64 {
    u64::try_from(took.as_micros()).unwrap_or(u64::MAX)
}

fn seconds(us: u64) -> f64 {
    Duration::from_micros(us).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, took_ms: u64, trace_id: &str) -> Answered<'_> {
        Answered { route: "/v1/me", method: "GET", status, took: Duration::from_millis(took_ms), trace_id }
    }

    #[test]
    fn buckets_are_cumulative() {
        let metrics = Metrics::default();
        for ms in [1, 1, 40] {
            metrics.request(&answered(200, ms, "0af7"));
        }
        let text = metrics.render(Format::Plain, |_| ());
        let labels = "route=\"/v1/me\",method=\"GET\",status=\"200\"";
        assert!(text.contains(&format!("_bucket{{{labels},le=\"0.001\"}} 2")), "{text}");
        assert!(text.contains(&format!("_bucket{{{labels},le=\"+Inf\"}} 3")));
        assert!(text.contains(&format!("_count{{{labels}}} 3")));
    }
    #[test]
    fn only_openmetrics_has_exemplars_and_an_end() {
        let metrics = Metrics::default();
        metrics.request(&answered(200, 40, "0af7"));
        let (plain, open) = (metrics.render(Format::Plain, |_| ()), metrics.render(Format::Open, |_| ()));
        assert!(!plain.contains("trace_id") && !plain.contains("EOF"), "{plain}");
        assert!(open.contains(",le=\"0.05\"} 1 # {trace_id=\"0af7\"} 0.04 "), "{open}");
        assert!(open.contains("# TYPE vitrina_edge_config_reloads counter\n") && open.ends_with("# EOF\n"));
    }

    #[test]
    fn a_route_is_summed_up_over_its_answers() {
        let metrics = Metrics::default();
        for (status, ms) in [(200, 2), (200, 2), (503, 40)] {
            metrics.request(&answered(status, ms, ""));
        }
        let routes = metrics.routes();
        assert_eq!((routes.len(), routes[0].requests, routes[0].errors), (1, 3, 1));
        assert_eq!((routes[0].p50_ms, routes[0].p99_ms), (Some(2.5), Some(50.0)));
    }
}
