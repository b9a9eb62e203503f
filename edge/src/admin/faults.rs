//! `/admin/faults`: failures of services made on purpose, to see how the shop bears them.

use std::collections::BTreeMap;

use axum::extract::{Json, State};
use axum::response::Response;
use axum::routing::get;

use super::{Shared, Topic, refusal};
use crate::config::SERVICES;
use crate::upstream::Fault;

pub(super) fn routes() -> Topic {
    Topic::new().route("/admin/faults", get(faults).put(set_faults))
}

async fn faults(State(core): Shared) -> Json<BTreeMap<String, Fault>> {
    Json(core.faults.view())
}

/// Replaces all faults: `{"users": {"down": true}, "products": {"delayMs": 300, "errorRate": 0.1}}`; `{}` ends them.
async fn set_faults(
    State(core): Shared,
    Json(faults): Json<BTreeMap<String, Fault>>,
) -> Result<Json<BTreeMap<String, Fault>>, Response> {
    for (name, fault) in &faults {
        if !SERVICES.contains(&name.as_str()) {
            return Err(refusal(400, "service_unknown", "There is no such service."));
        }
        if !(0.0..=1.0).contains(&fault.error_rate) {
            return Err(refusal(400, "out_of_range", "errorRate must be 0 to 1."));
        }
    }
    tracing::warn!(?faults, "faults are set on purpose");
    core.faults.set(faults);
    Ok(Json(core.faults.view()))
}
