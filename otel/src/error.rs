//! How the set-up of telemetry can fail.

/// Why telemetry could not be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The log filter cannot be read; the configuration is wrong.
    #[error("the log filter {filter:?} is not valid")]
    Filter {
        /// The filter as it was given.
        filter: String,
        /// What is wrong with it.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    /// The log filter cannot be changed: what it belongs to is gone.
    #[error("the log filter cannot be changed any more")]
    FilterStays(#[source] tracing_subscriber::reload::Error),
    /// The endpoint of the collector is not a URL with a host.
    #[error("the OTLP endpoint {0:?} is not a URL")]
    Endpoint(String),
    /// The exporter could not be built.
    #[error("the OTLP exporter cannot be built")]
    Exporter(#[source] opentelemetry_otlp::ExporterBuildError),
    /// The threads of the exporter could not be started.
    #[error("the exporter's runtime cannot be started")]
    Runtime(#[source] std::io::Error),
    /// Telemetry was started in this process before.
    #[error("telemetry was started before")]
    AlreadyStarted(#[source] tracing::subscriber::SetGlobalDefaultError),
}
