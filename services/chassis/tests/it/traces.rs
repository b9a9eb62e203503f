//! One trace from the rpc through the outbox to the effect.

use std::time::Duration;

use vitrina_chassis::{start, testing};
use vitrina_otel as otel;
use vitrina_otel::testing::{Collector, hex};

use crate::notes::{Notes, PUT, call_put, metadata, note};

const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER_SPAN: &str = "00f067aa0ba902b7";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_trace_of_a_call_goes_on_to_the_effect_of_its_event() {
    let collector = Collector::start().await;
    let telemetry = otel::start(otel::Config {
        service_name: "notes".to_owned(),
        otlp_endpoint: Some(collector.endpoint()),
        log_format: otel::LogFormat::Text,
        log_filter: "off".to_owned(),
    })
    .unwrap();
    let (ctx, _dir) = testing::context();
    let running = start(ctx.clone(), Notes::new(ctx.clone()).service()).unwrap();
    running.listening().await;
    let mut request = tonic::Request::new(note("traced", "x"));
    *request.metadata_mut() = metadata(&[("traceparent", &format!("00-{TRACE_ID}-{CALLER_SPAN}-01"))]);
    call_put(running.in_process(), request).await.unwrap();
    collector.wait_for(TRACE_ID, "process notes.inbox").await;
    // The broker delivers before it has told the relay so: this span may end last.
    collector.wait_for(TRACE_ID, "send notes.put").await;

    let spans = collector.spans();
    let span = |name: &str| {
        let mut found = spans.iter().filter(|span| hex(&span.trace_id) == TRACE_ID && span.name == name);
        let span = found.next().unwrap_or_else(|| panic!("no span {name}"));
        assert!(found.next().is_none(), "more than one span {name}");
        (hex(&span.parent_span_id), hex(&span.span_id))
    };
    let (server_parent, server) = span(PUT);
    let (send_parent, send) = span("send notes.put");
    let (process_parent, _) = span("process notes.inbox");
    assert_eq!(server_parent, CALLER_SPAN);
    assert_eq!(process_parent, send);
    assert_eq!(send_parent, server);
    running.drain(Duration::from_secs(30)).await;
    telemetry.shutdown();
}
