//! The messages that commits have left to be sent: read in order, sent, marked as done. At least once: whoever sends and dies
//! before marking sends again.

use std::ops::Bound;

use tokio::sync::watch;

use crate::commit::{COMMIT_ROWS_MAX, Commit};
use crate::engine::Direction;
use crate::error::Error;
use crate::layout;
use crate::records::{self, OutboxMessage};
use crate::store::Store;

/// Messages marked as done in one commit; each is one write, whatever the length of the message.
const DONE_MESSAGES_MAX: usize = COMMIT_ROWS_MAX / 2;

/// The outbox of a store.
#[derive(Clone, Debug)]
pub struct Outbox {
    store: Store,
}

/// A message that is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxRow {
    /// Its place in the order of all messages of the store; never given twice.
    pub seq: u64,
    /// The message.
    pub message: OutboxMessage,
}

impl Outbox {
    pub(crate) fn new(store: Store) -> Outbox {
        Outbox { store }
    }

    /// The oldest messages behind `after` (0 for all) that are not done, in order; at most `limit`, and 1,000.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub fn pending(&self, after: u64, limit: usize) -> Result<Vec<OutboxRow>, Error> {
        let range = (Bound::Excluded(layout::outbox(after)), Bound::Included(layout::outbox(u64::MAX)));
        let rows = self.store.scan(range, limit, Direction::Forward)?;
        rows.into_iter()
            .map(|(key, raw)| {
                let seq = key.get(1..).and_then(|seq| seq.try_into().ok()).map(u64::from_be_bytes);
                let seq = seq.ok_or_else(|| Error::corrupt(&key, "not the key of an outbox row"))?;
                Ok(OutboxRow { seq, message: records::decode_message(&key, raw.value)? })
            })
            .collect()
    }

    /// Removes messages that have arrived; those that are not there are passed over. Safe to repeat.
    ///
    /// # Errors
    /// As [`Store::commit`], without conflicts. Those of the messages that were removed before the failure stay removed.
    pub async fn done(&self, seqs: &[u64]) -> Result<(), Error> {
        for chunk in seqs.chunks(DONE_MESSAGES_MAX) {
            let mut commit = Commit::new();
            for seq in chunk {
                commit.delete_raw(layout::outbox(*seq));
            }
            self.store.commit(commit).await?;
        }
        Ok(())
    }

    /// Tells of new messages: the receiver changes to the last sequence number whenever messages have become durable.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.store.shared().outbox.subscribe()
    }

    /// How many messages are not done.
    pub fn pending_count(&self) -> u64 {
        self.store.shared().view.head().outbox_pending
    }
}
