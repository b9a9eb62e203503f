//! `/admin/traces`: slow requests of late, with links to their traces.

use axum::extract::{Json, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::{Deserialize, Serialize};

use super::{Shared, Topic, refusal};
use crate::slow::SlowRequest;

const LIMIT: usize = 20;
const LIMIT_MAX: usize = 256;

#[derive(Serialize)]
struct TraceView {
    #[serde(flatten)]
    request: SlowRequest,
    /// Absent without `[edge.traces] ui`.
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    limit: Option<usize>,
}

pub(super) fn routes() -> Topic {
    Topic::new().route("/admin/traces", get(traces))
}

/// The latest `limit` (1 to 256) of the requests that took longer than `edge.traces.slow_ms`.
async fn traces(State(core): Shared, Query(page): Query<Page>) -> Response {
    let limit = page.limit.unwrap_or(LIMIT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return refusal(400, "out_of_range", "limit must be 1 to 256.");
    }
    let config = core.config();
    let views: Vec<TraceView> = core
        .metrics
        .slow
        .latest(limit)
        .into_iter()
        .map(|request| TraceView { link: config.traces.link(&request.trace_id), request })
        .collect();
    Json(views).into_response()
}
