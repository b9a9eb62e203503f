//! Telemetry as a process sees it. One test, since telemetry starts once in a process.

use tracing::Instrument;
use vitrina_otel::testing::Collector;
use vitrina_otel::{Config, metrics, propagate};

#[tokio::test(flavor = "multi_thread")]
async fn spans_logs_and_metrics_reach_the_collector() {
    let collector = Collector::start().await;
    let config = Config { otlp_endpoint: Some(collector.endpoint()), ..Config::default() };
    let telemetry = vitrina_otel::start(config).unwrap();
    assert!(telemetry.is_exporting());

    let caller = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let span = tracing::info_span!("work");
    propagate::parent(&span, propagate::extract(|name| (name == "traceparent").then(|| caller.to_owned())));
    let mut headers = vec![("traceparent".to_owned(), "stale".to_owned())];
    let trace_id = async {
        tracing::info!(count = 1, "worked");
        propagate::inject_message(&mut headers);
        propagate::current_trace_id()
    };
    let trace_id = trace_id.instrument(span).await.unwrap();
    assert_eq!(trace_id, "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(headers.len(), 1);
    assert!(headers[0].1.starts_with("00-0af7651916cd43dd8448eb211c80319c-"), "{headers:?}");
    metrics::counter("vitrina.test").add(1, &[]);

    tokio::task::spawn_blocking(|| telemetry.shutdown()).await.unwrap();
    collector.wait_for(&trace_id, "work").await;
    assert!(!collector.logs().is_empty());
    assert!(collector.metrics().iter().any(|metric| metric.name == "vitrina.test"));
}
