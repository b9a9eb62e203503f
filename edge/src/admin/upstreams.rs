//! `/admin/upstreams`: the services and plain HTTP servers behind this edge, how their calls went, and what is let through.

use axum::extract::{Json, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;

use super::{Shared, Topic};
use crate::upstream::origin::View;
use crate::upstream::view::{self, UpstreamView};

#[derive(Serialize)]
#[serde(untagged)]
enum AnyView<'o> {
    Service(UpstreamView),
    Http(View<'o>),
}

pub(super) fn routes() -> Topic {
    Topic::new().route("/admin/upstreams", get(upstreams))
}

async fn upstreams(State(core): Shared) -> Response {
    let services = view::upstreams(&core.transports, &core.calls.gates).await;
    let services = services.into_iter().map(AnyView::Service);
    let plain = core.origins.list();
    let plain = plain.iter().map(|origin| AnyView::Http(origin.view()));
    Json(services.chain(plain).collect::<Vec<_>>()).into_response()
}
