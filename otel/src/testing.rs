//! A collector for tests: an OTLP gRPC receiver in this process.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{LogsService, LogsServiceServer};
use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::{Metric, NumberDataPoint, metric, number_data_point};
use opentelemetry_proto::tonic::trace::v1::Span;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

/// How long a test waits: batches leave every 5 s, and a loaded machine is slow.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// How often a waiting test looks.
const POLL: Duration = Duration::from_millis(50);

/// A running receiver on a free port; it ends with the runtime that started it.
#[derive(Clone, Debug)]
pub struct Collector {
    endpoint: String,
    received: Arc<Mutex<Received>>,
}

#[derive(Debug, Default)]
struct Received {
    spans: Vec<Span>,
    logs: Vec<LogRecord>,
    metrics: Vec<Metric>,
    text: String,
}

impl Collector {
    /// Starts to listen.
    ///
    /// # Panics
    /// When no port can be had.
    pub async fn start() -> Collector {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port for the collector");
        let address = listener.local_addr().expect("a bound listener has an address");
        let collector = Collector { endpoint: format!("http://{address}"), received: Arc::default() };
        let server = tonic::transport::Server::builder()
            .add_service(TraceServiceServer::new(collector.clone()))
            .add_service(LogsServiceServer::new(collector.clone()))
            .add_service(MetricsServiceServer::new(collector.clone()));
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        collector
    }

    /// Where it listens, `http://127.0.0.1:port`.
    pub fn endpoint(&self) -> String {
        self.endpoint.clone()
    }

    /// All spans so far.
    pub fn spans(&self) -> Vec<Span> {
        self.received().spans.clone()
    }

    /// All log records so far.
    pub fn logs(&self) -> Vec<LogRecord> {
        self.received().logs.clone()
    }

    /// All metrics so far, once for each export.
    pub fn metrics(&self) -> Vec<Metric> {
        self.received().metrics.clone()
    }

    /// The value of a counter or gauge at its last export, of the point that has this attribute.
    pub fn last(&self, name: &str, (key, value): (&str, &str)) -> Option<u64> {
        let received = self.received();
        let metric = received.metrics.iter().rev().find(|metric| metric.name == name)?;
        let points = match metric.data.as_ref()? {
            metric::Data::Sum(sum) => &sum.data_points,
            metric::Data::Gauge(gauge) => &gauge.data_points,
            _ => return None,
        };
        let wanted = any_value::Value::StringValue(value.to_owned());
        let has_it = |point: &&NumberDataPoint| {
            point.attributes.iter().any(|attribute| {
                let value = attribute.value.as_ref().and_then(|value| value.value.as_ref());
                attribute.key == key && value == Some(&wanted)
            })
        };
        match points.iter().find(has_it)?.value? {
            number_data_point::Value::AsInt(value) => u64::try_from(value).ok(),
            number_data_point::Value::AsDouble(_) => None,
        }
    }

    /// Everything that came so far, names, attributes and resources, as text to search in.
    pub fn text(&self) -> String {
        self.received().text.clone()
    }

    /// Waits until the trace (32 hexadecimal digits) has a span whose name contains `part`; gives the names of all
    /// spans of the trace by then.
    ///
    /// # Panics
    /// When the span does not come within a minute.
    pub async fn wait_for(&self, trace_id: &str, part: &str) -> Vec<String> {
        let until = Instant::now() + WAIT_MAX;
        loop {
            let names = self.names_of(trace_id);
            if names.iter().any(|name| name.contains(part)) {
                return names;
            }
            assert!(Instant::now() < until, "no span {part:?} in the trace {trace_id}, only {names:#?}");
            tokio::time::sleep(POLL).await;
        }
    }

    fn names_of(&self, trace_id: &str) -> Vec<String> {
        let received = self.received();
        received
            .spans
            .iter()
            .filter(|span| hex(&span.trace_id) == trace_id)
            .map(|span| span.name.clone())
            .collect()
    }

    fn note<T: std::fmt::Debug>(&self, request: &Request<T>) {
        let text = format!("{:?}\n", request.get_ref());
        self.received().text.push_str(&text);
    }

    fn received(&self) -> MutexGuard<'_, Received> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The hexadecimal form of a trace or span id.
pub fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.note(&request);
        let scopes =
            request.into_inner().resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
        self.received().spans.extend(scopes.flat_map(|scope| scope.spans));
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl LogsService for Collector {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        self.note(&request);
        let scopes = request.into_inner().resource_logs.into_iter().flat_map(|resource| resource.scope_logs);
        self.received().logs.extend(scopes.flat_map(|scope| scope.log_records));
        Ok(Response::new(ExportLogsServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Collector {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        self.note(&request);
        let scopes =
            request.into_inner().resource_metrics.into_iter().flat_map(|resource| resource.scope_metrics);
        self.received().metrics.extend(scopes.flat_map(|scope| scope.metrics));
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}
