//! The removal of objects that no picture names: a queue in the store, worked off for as long as the service runs.
//!
//! First the object, then its row: a crash in between removes an object twice, which is the same as once. What fails is put
//! off, longer each time, and never given up: whoever deletes a photo relies on it.

use std::time::Duration;

use tokio::time::MissedTickBehavior;
use vitrina_storage::{Commit, Row};

use super::App;
use crate::error::Error;
use crate::keys::RemovalKey;
use crate::store;
use crate::store::rows::RemovalRow;

/// Removals that are read at once.
const REMOVALS_AT_ONCE: usize = 100;
/// Wait after the first failure; it doubles with each.
const BACKOFF_MS: u64 = 1000;
/// Longest wait: an outage of hours is over some minutes after its end.
const BACKOFF_MAX_MS: u64 = 5 * 60 * 1000;

impl App {
    /// Removes what is due, until it is stopped.
    pub(crate) async fn remove_objects(&self) {
        let mut tick = tokio::time::interval(Duration::from_millis(self.config.removal_interval_ms.max(1)));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            if let Err(error) = self.remove_due().await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "objects could not be removed, they are tried again"
                );
            }
        }
    }

    async fn remove_due(&self) -> Result<(), Error> {
        loop {
            let due = store::removals_due(&self.store, self.clock.now_ms(), REMOVALS_AT_ONCE)?;
            let is_last = due.len() < REMOVALS_AT_ONCE;
            for (key, row) in due {
                self.remove(&key, &row).await?;
            }
            if is_last {
                return Ok(());
            }
        }
    }

    /// Does one removal. A failure puts it off and ends the round: the next would most likely fail too.
    async fn remove(&self, key: &RemovalKey, row: &Row<RemovalRow>) -> Result<(), Error> {
        let mut outcome = Ok(());
        for object in &row.value.keys {
            outcome = self.bucket.remove(object).await;
            if outcome.is_err() {
                break;
            }
        }
        let mut commit = Commit::new();
        match &outcome {
            Ok(()) => store::removed(&mut commit, key, row)?,
            Err(_) => {
                let wait_ms = BACKOFF_MS << row.value.failures.min(16);
                store::put_off(&mut commit, key, row, self.clock.now_ms() + wait_ms.min(BACKOFF_MAX_MS));
            }
        }
        match self.store.commit(commit).await {
            // Another process of this service was faster.
            Ok(_) | Err(vitrina_storage::Error::Conflict) => Ok(outcome?),
            Err(error) => Err(error.into()),
        }
    }
}
