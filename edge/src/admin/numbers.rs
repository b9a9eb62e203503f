//! `/metrics`: the numbers of this edge for Prometheus; with exemplars when it asks for OpenMetrics.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderMap, header};

use super::{Shared, Topic};
use crate::metrics::Format;
use crate::upstream::view;

/// What Prometheus names first when it takes exemplars.
const OPEN_METRICS: &str = "application/openmetrics-text";

pub(super) fn routes() -> Topic {
    Topic::new().route("/metrics", get(metrics))
}

async fn metrics(State(core): Shared, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (format, content_type) = if accept.contains(OPEN_METRICS) {
        (Format::Open, "application/openmetrics-text; version=1.0.0; charset=utf-8")
    } else {
        (Format::Plain, "text/plain; version=0.0.4")
    };
    let others = |out: &mut String| {
        view::render(out, &core.gates(), &core.turns.view());
        core.cache.render(out);
    };
    ([(header::CONTENT_TYPE, content_type)], core.metrics.render(format, others)).into_response()
}
