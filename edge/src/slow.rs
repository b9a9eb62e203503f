//! The slowest requests of late, with their traces: where to look first when something drags.
//!
//! A bounded ring: a request slower than the threshold takes the place of the oldest. It starts empty with the process.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// Requests that are remembered.
const KEPT: usize = 256;

/// Section `[edge.traces]`: what the operator is shown of slow requests.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Traces {
    /// Milliseconds from which on a request counts as slow.
    pub slow_ms: u64,
    /// Address of Jaeger's pages, such as `http://127.0.0.1:16686`; absent: traces are named, not linked.
    pub ui: Option<String>,
}

impl Default for Traces {
    /// Half a second: the longest that a page of the shop is to take.
    fn default() -> Self {
        Self { slow_ms: 500, ui: None }
    }
}

impl Traces {
    pub(crate) fn mistakes(&self) -> Vec<String> {
        let is_address = |ui: &String| ui.starts_with("http://") || ui.starts_with("https://");
        let wrong = self.ui.iter().filter(|ui| !is_address(ui));
        wrong
            .map(|ui| format!("edge.traces.ui: `{ui}` is no address such as http://127.0.0.1:16686"))
            .collect()
    }

    pub(crate) fn is_slow(&self, took: Duration) -> bool {
        took.as_millis() >= u128::from(self.slow_ms)
    }

    /// Where a trace is shown.
    pub(crate) fn link(&self, trace_id: &str) -> Option<String> {
        let ui = self.ui.as_deref()?.trim_end_matches('/');
        Some(format!("{ui}/trace/{trace_id}"))
    }
}

/// A request that took long.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SlowRequest {
    pub(crate) trace_id: String,
    pub(crate) method: &'static str,
    pub(crate) route: &'static str,
    pub(crate) status: u16,
    pub(crate) duration_ms: f64,
    /// When it was answered, in milliseconds since 1970.
    pub(crate) at_ms: u64,
}

/// The ring.
#[derive(Debug, Default)]
pub(crate) struct SlowRequests(Mutex<VecDeque<SlowRequest>>);

impl SlowRequests {
    pub(crate) fn note(&self, request: SlowRequest) {
        let mut ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if ring.len() >= KEPT {
            ring.pop_front();
        }
        ring.push_back(request);
    }

    /// At most `limit`, the latest first.
    pub(crate) fn latest(&self, limit: usize) -> Vec<SlowRequest> {
        let ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ring.iter().rev().take(limit).cloned().collect()
    }
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_come_first_and_the_oldest_go() {
        let slow = SlowRequests::default();
        for status in 0..300 {
            let request = SlowRequest {
                trace_id: String::new(),
                method: "GET",
                route: "/v1/me",
                status,
                duration_ms: 600.0,
                at_ms: 0,
            };
            slow.note(request);
        }
        let statuses = |limit| slow.latest(limit).iter().map(|one| one.status).collect::<Vec<_>>();
        assert_eq!(statuses(2), [299, 298]);
        assert_eq!((statuses(1_000).len(), statuses(1_000).last()), (KEPT, Some(&44)));
    }
}
