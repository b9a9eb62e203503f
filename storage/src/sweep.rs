//! Forgetting what nobody asks for any more: inbox marks after 7 days, idempotency records after 24 hours.
//!
//! An idempotency record carries its time. An inbox mark does not: it carries the number of its commit, and every sweep that
//! finds the last checkpoint an hour old writes down which commit was the last at that time. A mark is thus kept for 7 days
//! and at most an hour more, plus the time between two sweeps, by whatever clock the caller has.

use std::ops::Bound;

use bytes::Bytes;

use crate::commit::Commit;
use crate::engine::{Direction, Range};
use crate::error::Error;
use crate::key::{after_prefix, decode_all};
use crate::layout;
use crate::store::{Raw, Store};

/// Redeliveries of a broker come within hours (its retry ladder ends after one); a week leaves room for an outage.
const INBOX_KEPT_MS: u64 = 7 * 24 * 60 * 60 * 1000;
/// The least that the contract promises to clients that send a request again.
const IDEMPOTENCY_KEPT_MS: u64 = 24 * 60 * 60 * 1000;
const CHECKPOINT_EVERY_MS: u64 = 60 * 60 * 1000;
/// Marks and records removed by one sweep: two rows each, so that either kind fits into a commit.
const SWEPT_MAX: usize = 400;

/// What a sweep has removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Inbox marks.
    pub inbox: usize,
    /// Idempotency records.
    pub idempotency: usize,
    /// Whether it stopped at its bound; sweep again soon.
    pub has_more: bool,
}

impl Store {
    /// Removes inbox marks older than 7 days and idempotency records older than 24 hours, a bounded number of them.
    ///
    /// To be called now and then, at least once an hour. `now_ms` is Unix time in milliseconds. Safe to repeat and to cancel.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub async fn sweep(&self, now_ms: u64) -> Result<Swept, Error> {
        self.mark_checkpoint(now_ms).await?;
        let inbox = self.sweep_inbox(now_ms).await?;
        let idempotency = self.sweep_idempotency(now_ms).await?;
        Ok(Swept { inbox, idempotency, has_more: inbox.max(idempotency) == SWEPT_MAX })
    }

    async fn mark_checkpoint(&self, now_ms: u64) -> Result<(), Error> {
        let last = self.scan(all(layout::CHECKPOINT), 1, Direction::Backward)?;
        let last_ms = last.first().map(|(key, _)| number(key)).transpose()?;
        if last_ms.is_some_and(|last_ms| now_ms < last_ms.saturating_add(CHECKPOINT_EVERY_MS)) {
            return Ok(());
        }
        let seq = self.shared().view.head().commit_seq;
        let mut commit = Commit::new();
        commit.put_raw(layout::checkpoint(now_ms), Bytes::copy_from_slice(&seq.to_be_bytes()));
        self.commit(commit).await.map(drop)
    }

    async fn sweep_inbox(&self, now_ms: u64) -> Result<usize, Error> {
        let Some(old_ms) = now_ms.checked_sub(INBOX_KEPT_MS) else {
            return Ok(0);
        };
        let until = (Bound::Included(vec![layout::CHECKPOINT]), Bound::Included(layout::checkpoint(old_ms)));
        let checkpoints = self.scan(until, SWEPT_MAX, Direction::Backward)?;
        let Some((_, Raw { value, .. })) = checkpoints.first() else {
            return Ok(0);
        };
        let seq = value.as_ref().try_into().map(u64::from_be_bytes).unwrap_or(0);
        let until = layout::inbox_by_age(seq.saturating_add(1), "");
        let marks = (Bound::Included(vec![layout::INBOX_BY_AGE]), Bound::Excluded(until));
        let marks = self.scan(marks, SWEPT_MAX, Direction::Forward)?;
        let mut commit = Commit::new();
        for (key, _) in &marks {
            let (_, id) = decode_all::<(u64, String)>(&key[1..])
                .map_err(|error| Error::corrupt(key, error.to_string()))?;
            commit.delete_raw(layout::inbox(&id)).delete_raw(key.clone());
        }
        // The newest of the old checkpoints goes on counting for the marks that are still to be swept.
        for (key, _) in checkpoints.iter().skip(1).take(100) {
            commit.delete_raw(key.clone());
        }
        self.commit(commit).await?;
        Ok(marks.len())
    }

    async fn sweep_idempotency(&self, now_ms: u64) -> Result<usize, Error> {
        let Some(old_ms) = now_ms.checked_sub(IDEMPOTENCY_KEPT_MS) else {
            return Ok(0);
        };
        let mut until = vec![layout::IDEMPOTENCY_BY_AGE];
        until.extend_from_slice(&old_ms.to_be_bytes());
        let old = (Bound::Included(vec![layout::IDEMPOTENCY_BY_AGE]), Bound::Excluded(until));
        let old = self.scan(old, SWEPT_MAX, Direction::Forward)?;
        let mut commit = Commit::new();
        for (key, _) in &old {
            number(key)?;
            let mut record = vec![layout::IDEMPOTENCY];
            record.extend_from_slice(&key[9..]);
            commit.delete_raw(record).delete_raw(key.clone());
        }
        self.commit(commit).await?;
        Ok(old.len())
    }
}

fn all(table: u8) -> Range {
    (Bound::Included(vec![table]), after_prefix(&[table]).map_or(Bound::Unbounded, Bound::Excluded))
}

/// The number behind the first byte of a key.
fn number(key: &[u8]) -> Result<u64, Error> {
    let bytes = key.get(1..9).and_then(|bytes| bytes.try_into().ok());
    bytes.map(u64::from_be_bytes).ok_or_else(|| Error::corrupt(key, "the key is cut off"))
}
