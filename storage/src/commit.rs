//! What a caller asks to be written: expectations and writes that hold together or not at all.

use bytes::Bytes;
use prost::Message;

use crate::envelope::part_count;
use crate::error::Error;
use crate::key::Key;
use crate::layout;
use crate::records::{self, IdempotencyKey, IdempotencyRecord, OutboxMessage};
use crate::table::Table;

/// Longest key, table prefix included. Together with the bound on a row's value it keeps sled from putting a leaf outside
/// of its log (see `envelope`).
pub const KEY_BYTES_MAX: usize = 1024;
/// Longest value of one key. Above about 6 KiB it is spread over several rows, which costs a read each; payloads beyond
/// this bound belong into an object store.
pub const VALUE_BYTES_MAX: usize = 512 * 1024;
/// Most rows that one commit may write, the rows of the outbox, the inbox and of long values included.
pub const COMMIT_ROWS_MAX: usize = 1000;
/// Most bytes of keys and values that one commit may write; keeps a group of commits in memory and its flush short.
pub const COMMIT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// One conditional atomic write, to be handed to [`crate::Store::commit`].
///
/// Expectations are checked against the store as it was before this commit; of two writes to one key the later holds.
#[derive(Clone, Debug, Default)]
pub struct Commit {
    pub(crate) expectations: Vec<Expectation>,
    pub(crate) writes: Vec<Write>,
    pub(crate) messages: Vec<OutboxMessage>,
    pub(crate) handled: Vec<String>,
}

/// A key must be at this version, or absent when there is none.
#[derive(Clone, Debug)]
pub(crate) struct Expectation {
    pub(crate) key: Vec<u8>,
    pub(crate) version: Option<u64>,
}

/// A value to put, or `None` to delete.
#[derive(Clone, Debug)]
pub(crate) struct Write {
    pub(crate) key: Vec<u8>,
    pub(crate) value: Option<Bytes>,
}

/// The place of a commit in the order of all commits of its store; rises by one with each commit that writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommitSeq(pub u64);

impl Commit {
    /// An empty commit.
    pub fn new() -> Commit {
        Commit::default()
    }

    /// Holds only when the key has no row.
    pub fn expect_absent<K: Key, V>(&mut self, table: &Table<K, V>, key: &K) -> &mut Self {
        self.expect_raw(table.key(key), None)
    }

    /// Holds only when the key's row is at this version, as a read gave it. A row that is deleted and put again begins at
    /// version 1 anew.
    pub fn expect<K: Key, V>(&mut self, table: &Table<K, V>, key: &K, version: u64) -> &mut Self {
        self.expect_raw(table.key(key), Some(version))
    }

    /// Writes a row: at version 1 when it is new, else at one more than before.
    pub fn put<K: Key, V: Message>(&mut self, table: &Table<K, V>, key: &K, value: &V) -> &mut Self {
        self.put_raw(table.key(key), value.encode_to_vec().into())
    }

    /// Removes a row; a row that is not there stays not there.
    pub fn delete<K: Key, V>(&mut self, table: &Table<K, V>, key: &K) -> &mut Self {
        self.delete_raw(table.key(key))
    }

    /// Adds a message to the outbox. Several are allowed; they keep their order.
    pub fn emit(&mut self, message: OutboxMessage) -> &mut Self {
        self.messages.push(message);
        self
    }

    /// Marks a message of the broker as handled; the commit is a conflict when it already was.
    pub fn mark_handled(&mut self, message_id: &str) -> &mut Self {
        self.expect_raw(layout::inbox(message_id), None);
        self.handled.push(message_id.to_owned());
        self
    }

    /// Keeps the reply of a request under its idempotency key; the commit is a conflict when the key already has one.
    pub fn record(&mut self, key: IdempotencyKey, record: IdempotencyRecord) -> &mut Self {
        let row = layout::idempotency(&key);
        self.expect_raw(row.clone(), None);
        self.put_raw(layout::idempotency_by_age(record.created_at_ms, &key), Bytes::new());
        self.put_raw(row, records::encode_record(record))
    }

    /// Whether the commit neither writes nor expects anything.
    pub fn is_empty(&self) -> bool {
        self.expectations.is_empty() && self.is_read()
    }

    /// Takes over everything of another commit, behind what is already here.
    pub fn merge(&mut self, other: Commit) -> &mut Self {
        self.expectations.extend(other.expectations);
        self.writes.extend(other.writes);
        self.messages.extend(other.messages);
        self.handled.extend(other.handled);
        self
    }

    pub(crate) fn expect_raw(&mut self, key: Vec<u8>, version: Option<u64>) -> &mut Self {
        self.expectations.push(Expectation { key, version });
        self
    }

    pub(crate) fn put_raw(&mut self, key: Vec<u8>, value: Bytes) -> &mut Self {
        self.writes.push(Write { key, value: Some(value) });
        self
    }

    pub(crate) fn delete_raw(&mut self, key: Vec<u8>) -> &mut Self {
        self.writes.push(Write { key, value: None });
        self
    }

    /// Whether the commit only checks expectations.
    pub(crate) fn is_read(&self) -> bool {
        self.writes.is_empty() && self.messages.is_empty() && self.handled.is_empty()
    }

    /// Rows and bytes that the commit writes at most.
    pub(crate) fn size(&self) -> (usize, usize) {
        let messages = self.messages.iter().map(|message| (9, message.stored_bytes()));
        let handled = self.handled.iter().flat_map(|id| [(id.len() + 3, 8), (id.len() + 11, 0)]);
        let writes =
            self.writes.iter().map(|write| (write.key.len(), write.value.as_ref().map_or(0, Bytes::len)));
        messages
            .chain(handled)
            .chain(writes)
            .fold((0, 0), |(rows, bytes), (key, value)| (rows + 1 + part_count(value), bytes + key + value))
    }

    /// Refuses what is over a bound, before it costs the other commits of the group anything.
    pub(crate) fn check_bounds(&self) -> Result<(), Error> {
        for message in &self.messages {
            check_bound("value bytes", message.stored_bytes(), VALUE_BYTES_MAX)?;
        }
        for id in &self.handled {
            check_bound("key bytes", layout::inbox_by_age(0, id).len(), KEY_BYTES_MAX)?;
        }
        for expectation in &self.expectations {
            check_bound("key bytes", expectation.key.len(), KEY_BYTES_MAX)?;
        }
        for write in &self.writes {
            check_bound("key bytes", write.key.len(), KEY_BYTES_MAX)?;
            check_bound("value bytes", write.value.as_ref().map_or(0, Bytes::len), VALUE_BYTES_MAX)?;
        }
        let (rows, bytes) = self.size();
        check_bound("rows per commit", rows, COMMIT_ROWS_MAX)?;
        check_bound("bytes per commit", bytes, COMMIT_BYTES_MAX)
    }
}

fn check_bound(what: &'static str, size: usize, max: usize) -> Result<(), Error> {
    if size <= max { Ok(()) } else { Err(Error::TooLarge { what, size, max }) }
}
