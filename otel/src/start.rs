//! The set-up: subscribers, exporters and their end.

use std::net::{TcpStream, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry::global;
use opentelemetry::trace::TracerProvider;
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_otlp::{LogExporter, MetricExporter, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::runtime::Runtime;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, reload};

use crate::{Error, access, line};

/// How long the probe waits for the collector: it stands on the same machine or network, and the start waits for it.
const PROBE_TIMEOUT: Duration = Duration::from_millis(500);
/// The environment variable with the log filter.
const LOG_FILTER_VARIABLE: &str = "VITRINA_LOG";
/// The port of OTLP over gRPC.
const OTLP_PORT: u16 = 4317;
/// What the exporter itself runs on. Its spans would feed the exporter again, and its errors would fill the log
/// whenever the collector is away, which is no concern of an operator of the shop.
const EXPORTER_TARGETS: [&str; 6] =
    ["opentelemetry", "opentelemetry_sdk", "opentelemetry_otlp", "opentelemetry-otlp", "h2", "tonic"];

/// Whether spans go anywhere.
static IS_EXPORTING: AtomicBool = AtomicBool::new(false);

/// What can be set.
#[derive(Clone, Debug)]
pub struct Config {
    /// `service.name` of everything that is exported.
    pub service_name: String,
    /// The collector, `http://host:4317`; absent: nothing is exported.
    pub otlp_endpoint: Option<String>,
    /// How log lines look.
    pub log_format: LogFormat,
    /// Which lines are logged, as `tracing`'s `EnvFilter` reads it: `info,vitrina_edge=debug`.
    pub log_filter: String,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For a person.
    #[default]
    Text,
    /// A JSON object a line, for a machine.
    Json,
}

/// Running telemetry. End it with [`Telemetry::shutdown`], or what is buffered is lost.
#[derive(Debug)]
pub struct Telemetry {
    log: reload::Handle<EnvFilter, Registry>,
    tracers: SdkTracerProvider,
    export: Option<Export>,
}

#[derive(Debug)]
struct Export {
    loggers: SdkLoggerProvider,
    meters: SdkMeterProvider,
    // The connection lives on a thread of its own: the exporter works in processes without tokio (the edge's start) and
    // can be flushed from within any runtime.
    runtime: Runtime,
}

/// Starts telemetry for this process.
///
/// Quiet when nothing listens at the endpoint: then nothing is exported. It waits for at most half a second.
///
/// # Errors
/// [`Error::Filter`] and [`Error::Endpoint`] when the configuration is wrong, [`Error::AlreadyStarted`] on a second call.
pub fn start(config: Config) -> Result<Telemetry, Error> {
    let (filter, log) = reload::Layer::new(log_filter(&config.log_filter)?);
    let resource = Resource::builder().with_service_name(config.service_name.clone()).build();
    let mut tracers = SdkTracerProvider::builder().with_resource(resource.clone());
    let mut export = None;
    if let Some(endpoint) = config.otlp_endpoint.as_deref().map(listening).transpose()?.flatten() {
        let (running, spans) = exporters(&endpoint, resource)?;
        tracers = tracers.with_batch_exporter(spans);
        export = Some(running);
    }
    let tracers = tracers.build();
    let mut layers: Vec<Box<dyn Layer<Registry> + Send + Sync>> = Vec::new();
    layers.push(line::layer(config.log_format, access::Writers).with_filter(filter).boxed());
    let tracer = tracers.tracer("vitrina");
    layers.push(tracing_opentelemetry::layer().with_tracer(tracer).with_filter(exported()).boxed());
    if let Some(running) = &export {
        layers.push(OpenTelemetryTracingBridge::new(&running.loggers).with_filter(exported()).boxed());
    }
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layers))
        .map_err(Error::AlreadyStarted)?;
    global::set_text_map_propagator(TraceContextPropagator::new());
    global::set_tracer_provider(tracers.clone());
    if let Some(running) = &export {
        global::set_meter_provider(running.meters.clone());
    }
    IS_EXPORTING.store(export.is_some(), Ordering::Relaxed);
    access::start(config.log_format);
    Ok(Telemetry { log, tracers, export })
}

/// Whether a log filter can be read.
///
/// # Errors
/// [`Error::Filter`] when it cannot.
pub fn check_log_filter(filter: &str) -> Result<(), Error> {
    log_filter(filter).map(drop)
}

/// Whether this process sends its spans to a collector. Where none of them is ever seen, a path that is taken ten thousand
/// times a second may spare itself making them.
pub fn is_exporting() -> bool {
    IS_EXPORTING.load(Ordering::Relaxed)
}

impl Telemetry {
    /// Whether a collector was found at the start.
    pub fn is_exporting(&self) -> bool {
        self.export.is_some()
    }

    /// Changes which lines are logged, from the next one on.
    ///
    /// # Errors
    /// [`Error::Filter`] when it cannot be read; then nothing has changed.
    pub fn set_log_filter(&self, filter: &str) -> Result<(), Error> {
        self.log.reload(log_filter(filter)?).map_err(Error::FilterStays)
    }

    /// Sends what is buffered and ends. It blocks for some seconds at most when the collector is away.
    pub fn shutdown(self) {
        access::flush();
        // Errors mean that the collector is gone; there is nobody left to tell.
        let _ = self.tracers.shutdown();
        if let Some(export) = self.export {
            let _ = export.loggers.shutdown();
            let _ = export.meters.shutdown();
            export.runtime.shutdown_background();
        }
    }
}

impl Default for Config {
    fn default() -> Config {
        Config {
            service_name: "vitrina".to_owned(),
            otlp_endpoint: None,
            log_format: LogFormat::Text,
            log_filter: std::env::var(LOG_FILTER_VARIABLE).unwrap_or_else(|_| "info".to_owned()),
        }
    }
}

fn log_filter(text: &str) -> Result<EnvFilter, Error> {
    let mut whole = text.to_owned();
    for target in EXPORTER_TARGETS {
        whole.push_str(&format!(",{target}=off"));
    }
    EnvFilter::try_new(whole).map_err(|source| Error::Filter { filter: text.to_owned(), source })
}

/// What goes to the collector: spans and events of level INFO and above, but the exporter's own.
fn exported() -> Targets {
    let targets = Targets::new().with_default(LevelFilter::INFO);
    targets.with_targets(EXPORTER_TARGETS.map(|target| (target, LevelFilter::OFF)))
}

/// The endpoint as a URL, when something listens there.
fn listening(endpoint: &str) -> Result<Option<String>, Error> {
    let wrong = || Error::Endpoint(endpoint.to_owned());
    let url = if endpoint.contains("://") { endpoint.to_owned() } else { format!("http://{endpoint}") };
    let uri: http::Uri = url.parse().map_err(|_| wrong())?;
    let host = uri.host().ok_or_else(wrong)?.trim_matches(['[', ']']);
    let Ok(mut addresses) = (host, uri.port_u16().unwrap_or(OTLP_PORT)).to_socket_addrs() else {
        return Ok(None);
    };
    let is_listening = addresses.any(|address| TcpStream::connect_timeout(&address, PROBE_TIMEOUT).is_ok());
    Ok(is_listening.then_some(url))
}

fn exporters(endpoint: &str, resource: Resource) -> Result<(Export, SpanExporter), Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("otlp")
        .enable_all()
        .build()
        .map_err(Error::Runtime)?;
    let entered = runtime.enter();
    let spans =
        SpanExporter::builder().with_tonic().with_endpoint(endpoint).build().map_err(Error::Exporter)?;
    let logs =
        LogExporter::builder().with_tonic().with_endpoint(endpoint).build().map_err(Error::Exporter)?;
    let metrics =
        MetricExporter::builder().with_tonic().with_endpoint(endpoint).build().map_err(Error::Exporter)?;
    let loggers =
        SdkLoggerProvider::builder().with_resource(resource.clone()).with_batch_exporter(logs).build();
    let meters = SdkMeterProvider::builder().with_resource(resource).with_periodic_exporter(metrics).build();
    drop(entered);
    Ok((Export { loggers, meters, runtime }, spans))
}
