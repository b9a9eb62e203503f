//! `/`: the operator's page, one file without anything from elsewhere, which asks the other paths every two seconds.

use std::sync::atomic::Ordering;

use axum::extract::{Json, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header;
use serde::Serialize;

use super::{Shared, Topic};
use crate::metrics::RouteView;

const PAGE: &str = include_str!("status.html");

/// It shows what it fetches from this listener, and may do nothing else.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; \
     frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    version: &'static str,
    /// Of the clock that rates are computed with.
    clock_ms: u64,
    in_flight: i64,
    connections: i64,
    is_draining: bool,
    routes: Vec<RouteView>,
}

/// The page itself holds nothing of the shop, so it needs no token; what it asks for does.
pub(super) fn page() -> Topic {
    Topic::new().route("/", get(html))
}

pub(super) fn routes() -> Topic {
    Topic::new().route("/admin/status", get(status))
}

async fn html() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, PAGE).into_response()
}

async fn status(State(core): Shared) -> Json<Status> {
    Json(Status {
        version: env!("CARGO_PKG_VERSION"),
        clock_ms: u64::try_from(core.started.elapsed().as_millis()).unwrap_or(u64::MAX),
        in_flight: core.metrics.in_flight.load(Ordering::Relaxed),
        connections: core.metrics.connections.count(),
        is_draining: core.is_draining(),
        routes: core.metrics.routes(),
    })
}
