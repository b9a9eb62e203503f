//! Log lines, each with the id of its trace.

use std::fmt;

use opentelemetry::Context;
use opentelemetry::trace::{TraceContextExt, TraceId};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::registry::LookupSpan;

use crate::LogFormat;

/// The layer that writes log lines.
pub(crate) fn layer<S, W>(format: LogFormat, writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    // No colours: the lines end in files as often as in terminals.
    let plain = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(writer);
    match format {
        LogFormat::Text => plain.map_event_format(|inner| Traced { inner, format }).boxed(),
        LogFormat::Json => plain.json().map_event_format(|inner| Traced { inner, format }).boxed(),
    }
}

/// A format whose lines end with the id of the trace, when there is one.
struct Traced<F> {
    inner: F,
    format: LogFormat,
}

impl<S, N, F> FormatEvent<S, N> for Traced<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        ctx: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let Some(trace_id) = entered_trace_id() else {
            return self.inner.format_event(ctx, writer, event);
        };
        let mut line = String::new();
        self.inner.format_event(ctx, Writer::new(&mut line), event)?;
        let line = line.trim_end_matches('\n');
        match (self.format, line.strip_suffix('}')) {
            (LogFormat::Json, Some(fields)) => writeln!(writer, r#"{fields},"trace_id":"{trace_id}"}}"#),
            (LogFormat::Json, None) => writeln!(writer, "{line}"),
            (LogFormat::Text, _) => writeln!(writer, "{line} trace_id={trace_id}"),
        }
    }
}

/// The trace of the span that this thread is in. It is asked of OpenTelemetry, which is told of every span that is
/// entered: `tracing` does not answer for its current span while it hands out an event.
fn entered_trace_id() -> Option<TraceId> {
    let context = Context::current();
    let span = context.span().span_context().clone();
    span.is_valid().then(|| span.trace_id())
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use opentelemetry::trace::TracerProvider;
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;
    use crate::propagate;

    const TRACE_ID: &str = "0af7651916cd43dd8448eb211c80319c";

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A line outside of any span and one inside of a trace.
    fn two_lines(format: LogFormat) -> Vec<String> {
        let lines = Lines::default();
        let writer = lines.clone();
        let tracers = SdkTracerProvider::builder().build();
        let subscriber = tracing_subscriber::registry()
            .with(layer(format, move || writer.clone()))
            .with(tracing_opentelemetry::layer().with_tracer(tracers.tracer("test")));
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!("outside");
            let span = tracing::info_span!("work", order = "ord_1");
            let caller = format!("00-{TRACE_ID}-b7ad6b7169203331-01");
            propagate::parent(
                &span,
                propagate::extract(|name| (name == propagate::TRACEPARENT).then(|| caller.clone())),
            );
            span.in_scope(|| tracing::info!(count = 1, "inside"));
        });
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_text_line_inside_a_span_ends_with_its_trace() {
        let lines = two_lines(LogFormat::Text);
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[0].ends_with("outside"), "{lines:?}");
        assert!(lines[1].ends_with(&format!("inside count=1 trace_id={TRACE_ID}")), "{lines:?}");
    }

    #[test]
    fn a_json_line_inside_a_span_has_its_trace() {
        let lines = two_lines(LogFormat::Json);
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(!lines[0].contains("trace_id"), "{lines:?}");
        assert!(lines[1].starts_with('{') && lines[1].contains(r#""message":"inside""#), "{lines:?}");
        assert!(lines[1].ends_with(&format!(r#","trace_id":"{TRACE_ID}"}}"#)), "{lines:?}");
    }
}
