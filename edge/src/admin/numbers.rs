//! `/metrics`: the numbers of this edge for Prometheus.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header;

use super::{Shared, Topic};
use crate::upstream::view;

pub(super) fn routes() -> Topic {
    Topic::new().route("/metrics", get(metrics))
}

async fn metrics(State(core): Shared) -> Response {
    let mut text = core.metrics.render();
    view::render(&mut text, &core.transports, &core.calls.gates, &core.turns.view());
    core.cache.render(&mut text);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}
