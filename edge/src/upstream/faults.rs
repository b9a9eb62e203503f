//! Failures made on purpose, set by the operator on the admin listener, to see how the shop behaves when a service is
//! down, slow or unreliable. They act on this edge only and vanish with it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tonic::Status;

/// Longest delay that may be set: above it every deadline has passed anyway.
const DELAY_MAX: Duration = Duration::from_secs(60);

/// What happens to calls of one service.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Fault {
    /// Every call fails as if nothing listened.
    pub(crate) down: bool,
    /// Milliseconds that each call waits first.
    pub(crate) delay_ms: u64,
    /// Share of the calls that fail, 0 to 1.
    pub(crate) error_rate: f64,
}

/// The faults by service.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    is_any_set: AtomicBool,
    by_service: RwLock<BTreeMap<String, Fault>>,
}

impl Faults {
    /// Replaces all faults.
    pub(crate) fn set(&self, faults: BTreeMap<String, Fault>) {
        let mut by_service = self.by_service.write().unwrap_or_else(PoisonError::into_inner);
        self.is_any_set.store(!faults.is_empty(), Ordering::Release);
        *by_service = faults;
    }

    pub(crate) fn view(&self) -> BTreeMap<String, Fault> {
        self.by_service.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Does to a call what is set for its service.
    pub(crate) async fn apply(&self, service: &str) -> Result<(), Status> {
        if !self.is_any_set.load(Ordering::Acquire) {
            return Ok(());
        }
        let Some(fault) = self.of(service) else {
            return Ok(());
        };
        if fault.delay_ms > 0 {
            tokio::time::sleep(Duration::from_millis(fault.delay_ms).min(DELAY_MAX)).await;
        }
        if fault.down || rand::random::<f64>() < fault.error_rate {
            return Err(Status::unavailable("a fault is set for this service"));
        }
        Ok(())
    }

    fn of(&self, service: &str) -> Option<Fault> {
        self.by_service.read().unwrap_or_else(PoisonError::into_inner).get(service).copied()
    }
}
