//! `/metrics`: the numbers of this edge for Prometheus.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header;

use super::{Shared, Topic};

pub(super) fn routes() -> Topic {
    Topic::new().route("/metrics", get(metrics))
}

async fn metrics(State(core): Shared) -> Response {
    let text = core.metrics.render();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}
