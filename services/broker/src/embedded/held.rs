//! Rows that were delivered, and what becomes of them.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;
use vitrina_storage::Commit;

use crate::api::Verdict;
use crate::embedded::Inner;
use crate::embedded::memory::{Lane, now_ms};
use crate::embedded::rows::{DEAD, QUEUED, QueuedRow};
use crate::{Error, Message};

/// Rows that are acknowledged in one commit; a commit may hold a thousand.
const TOGETHER_ROWS_MAX: usize = 500;

/// A row that was delivered; it becomes ready again when it is dropped unsettled.
pub(crate) struct Held {
    inner: Arc<Inner>,
    lane: Arc<Lane>,
    seq: u64,
    is_settled: Settled,
    _permit: OwnedSemaphorePermit,
}

#[derive(PartialEq, Eq)]
enum Settled {
    No,
    Yes,
}

/// Acknowledges rows of one broker.
pub(crate) async fn ack_all(mut rows: Vec<Held>) -> Result<(), Error> {
    let Some(store) = rows.first().map(|held| held.inner.store.clone()) else { return Ok(()) };
    for rows in rows.chunks_mut(TOGETHER_ROWS_MAX) {
        let mut commit = Commit::new();
        for held in rows.iter() {
            commit.delete(&QUEUED, &held.key());
        }
        store.commit(commit).await?;
        rows.iter_mut().for_each(|held| held.is_settled = Settled::Yes);
    }
    Ok(())
}

impl Held {
    pub(super) fn new(inner: &Arc<Inner>, lane: &Arc<Lane>, seq: u64, permit: OwnedSemaphorePermit) -> Held {
        let (inner, lane) = (Arc::clone(inner), Arc::clone(lane));
        Held { inner, lane, seq, is_settled: Settled::No, _permit: permit }
    }

    /// The key of the row.
    pub(super) fn key(&self) -> (String, u64) {
        (self.lane.name.clone(), self.seq)
    }

    /// Lets go of a row that is not there.
    pub(super) fn forget(mut self) {
        self.is_settled = Settled::Yes;
    }

    /// Puts the row off to the next step of the ladder, or among the dead letters.
    pub(crate) async fn put_aside(
        mut self,
        message: Message,
        attempt: u32,
        verdict: Verdict,
    ) -> Result<(), Error> {
        let key = self.key();
        let mut row = QueuedRow::new(&message);
        row.attempt = attempt;
        let (delay, cause) = match verdict {
            Verdict::Later(cause) => (self.inner.ladder.after(attempt), cause),
            Verdict::Dead(cause) => (None, cause),
        };
        row.cause = cause;
        let mut commit = Commit::new();
        if let Some(delay) = delay {
            row.attempt = attempt.saturating_add(1);
            row.due_ms = now_ms().saturating_add(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX));
            commit.put(&QUEUED, &key, &row);
        } else {
            commit.delete(&QUEUED, &key).put(&DEAD, &(key.0.clone(), message.id), &row);
        }
        self.inner.store.commit(commit).await?;
        self.is_settled = Settled::Yes;
        if delay.is_some() {
            self.lane.put_off(row.due_ms, self.seq);
        }
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.is_settled == Settled::No {
            self.lane.ready(self.seq);
        }
    }
}
