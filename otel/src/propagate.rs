//! The W3C trace context over HTTP, gRPC and messages.

use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::TraceContextExt;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The header of the trace context.
pub const TRACEPARENT: &str = "traceparent";
/// The header of what vendors add to it.
pub const TRACESTATE: &str = "tracestate";

/// Hands the headers of the current span's context to `set`; none when there is no valid context.
pub fn inject_current(set: impl FnMut(&str, &str)) {
    TraceContextPropagator::new().inject_context(&tracing::Span::current().context(), &mut Setter(set));
}

/// The context of the headers that `get` finds; an empty one when they are absent or malformed.
pub fn extract(get: impl Fn(&str) -> Option<String>) -> Context {
    // The extractor of the library borrows, so the two headers are read once beforehand.
    let found = Headers { traceparent: get(TRACEPARENT), tracestate: get(TRACESTATE) };
    TraceContextPropagator::new().extract_with_context(&Context::new(), &found)
}

/// Makes `span` a child of `context`; nothing happens when the context is empty or the span was started.
pub fn parent(span: &tracing::Span, context: Context) {
    if context.span().span_context().is_valid() {
        // It fails when no telemetry was started: then there is no trace to join.
        let _ = span.set_parent(context);
    }
}

/// The id of the current trace, 32 hexadecimal digits.
pub fn current_trace_id() -> Option<String> {
    let context = tracing::Span::current().context();
    let span = context.span().span_context().clone();
    span.is_valid().then(|| span.trace_id().to_string())
}

/// The `traceparent` header of the current span.
pub fn current_traceparent() -> Option<String> {
    let mut found = None;
    inject_current(|name, value| {
        if name == TRACEPARENT {
            found = Some(value.to_owned());
        }
    });
    found
}

/// Puts the current context into HTTP headers.
pub fn inject_http(headers: &mut http::HeaderMap) {
    inject_current(|name, value| {
        let pair = (http::HeaderName::from_bytes(name.as_bytes()), http::HeaderValue::from_str(value));
        if let (Ok(name), Ok(value)) = pair {
            headers.insert(name, value);
        }
    });
}

/// The context of HTTP headers.
pub fn extract_http(headers: &http::HeaderMap) -> Context {
    extract(|name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned))
}

/// Puts the current context into gRPC metadata.
pub fn inject_metadata(metadata: &mut tonic::metadata::MetadataMap) {
    inject_current(|name, value| {
        let pair = (name.parse::<tonic::metadata::AsciiMetadataKey>(), value.parse());
        if let (Ok(name), Ok(value)) = pair {
            metadata.insert(name, value);
        }
    });
}

/// The context of gRPC metadata.
pub fn extract_metadata(metadata: &tonic::metadata::MetadataMap) -> Context {
    extract(|name| metadata.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned))
}

/// Puts the current context into the headers of a message, in place of what was there.
pub fn inject_message(headers: &mut Vec<(String, String)>) {
    inject_current(|name, value| {
        headers.retain(|(known, _)| known != name);
        headers.push((name.to_owned(), value.to_owned()));
    });
}

/// The context of the headers of a message.
pub fn extract_message(headers: &[(String, String)]) -> Context {
    extract(|name| headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()))
}

struct Setter<F>(F);

impl<F: FnMut(&str, &str)> Injector for Setter<F> {
    fn set(&mut self, key: &str, value: String) {
        // An empty tracestate says nothing and is not sent.
        if !value.is_empty() {
            (self.0)(key, &value);
        }
    }
}

struct Headers {
    traceparent: Option<String>,
    tracestate: Option<String>,
}

impl Extractor for Headers {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            TRACEPARENT => self.traceparent.as_deref(),
            TRACESTATE => self.tracestate.as_deref(),
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        vec![TRACEPARENT, TRACESTATE]
    }
}
