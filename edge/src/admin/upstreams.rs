//! `/admin/upstreams`: the services and plain HTTP servers behind this edge, and how their calls went.

use std::sync::atomic::Ordering;

use axum::extract::{Json, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;

use super::{Shared, Topic};
use crate::own;
use crate::upstream::origin::View;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UpstreamView {
    name: String,
    /// Whether it says that it serves.
    ready: bool,
    /// `tcp` or `in-process`.
    transport: &'static str,
    addresses: Vec<AddressView>,
    calls: u64,
    failures: u64,
    failures_in_a_row: u64,
}

#[derive(Serialize)]
#[serde(untagged)]
enum AnyView<'o> {
    Service(UpstreamView),
    Http(View<'o>),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AddressView {
    address: String,
    passed_over: bool,
}

pub(super) fn routes() -> Topic {
    Topic::new().route("/admin/upstreams", get(upstreams))
}

async fn upstreams(State(core): Shared) -> Response {
    let views = core.transports.values().map(|transport| async move {
        let counts = transport.counts();
        let addresses: Vec<AddressView> = transport
            .addresses()
            .into_iter()
            .map(|(address, passed_over)| AddressView { address, passed_over })
            .collect();
        UpstreamView {
            name: transport.name().to_owned(),
            ready: own::is_ready(transport.clone()).await,
            transport: if addresses.is_empty() { "in-process" } else { "tcp" },
            addresses,
            calls: counts.calls.load(Ordering::Relaxed),
            failures: counts.failures.load(Ordering::Relaxed),
            failures_in_a_row: counts.failures_in_a_row.load(Ordering::Relaxed),
        }
    });
    let services = futures::future::join_all(views).await.into_iter().map(AnyView::Service);
    let plain = core.origins.iter().map(|origin| AnyView::Http(origin.view()));
    Json(services.chain(plain).collect::<Vec<_>>()).into_response()
}
