//! A group of commits on its way to one batch: checks each commit against the store and what the group has staged before,
//! gives out versions and sequence numbers, and keeps the counters. Pure apart from reading old rows.

use bytes::Bytes;
use prost::Message;

use crate::commit::{Commit, CommitSeq, Write};
use crate::engine::{Change, Engine};
use crate::envelope::{self, Envelope};
use crate::error::Error;
use crate::layout;
use crate::records::{self, Head};
use crate::view::Mask;

pub(crate) struct Group<'a> {
    engine: &'a dyn Engine,
    head: Head,
    /// Rows as they are in the engine, for every key that was looked at.
    before: Mask,
    /// Rows as the group leaves them.
    staged: Mask,
}

impl<'a> Group<'a> {
    pub(crate) fn new(engine: &'a dyn Engine, head: Head) -> Group<'a> {
        Group { engine, head, before: Mask::new(), staged: Mask::new() }
    }

    /// Takes a commit into the group, or leaves the group as it was.
    pub(crate) fn stage(&mut self, commit: Commit) -> Result<CommitSeq, Error> {
        self.load(&commit)?;
        for expectation in &commit.expectations {
            if self.version(&expectation.key) != expectation.version {
                return Err(Error::Conflict);
            }
        }
        if commit.is_read() {
            return Ok(CommitSeq(self.head.commit_seq));
        }
        // From here on nothing may fail: a commit is staged as a whole.
        self.head.commit_seq += 1;
        let seq = self.head.commit_seq;
        for write in commit.writes {
            self.write(write);
        }
        for message in commit.messages {
            self.head.outbox_seq += 1;
            let key = layout::outbox(self.head.outbox_seq);
            self.write(Write { key, value: Some(records::encode_message(message)) });
        }
        for id in commit.handled {
            let number = Bytes::copy_from_slice(&seq.to_be_bytes());
            self.write(Write { key: layout::inbox(&id), value: Some(number) });
            self.write(Write { key: layout::inbox_by_age(seq, &id), value: Some(Bytes::new()) });
        }
        Ok(CommitSeq(seq))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.staged.is_empty()
    }

    /// The counters, the rows to hide from readers, and the batch.
    pub(crate) fn finish(mut self) -> (Head, Mask, Vec<Change>) {
        self.before.retain(|key, _| self.staged.contains_key(key));
        let mut batch: Vec<_> = self.staged.into_iter().collect();
        let (head, _) = envelope::seal(&layout::HEAD, self.head.commit_seq, &self.head.encode_to_vec());
        batch.push((layout::HEAD.to_vec(), Some(head)));
        (self.head, self.before, batch)
    }

    /// Reads every row that staging the commit will look at.
    fn load(&mut self, commit: &Commit) -> Result<(), Error> {
        for expectation in &commit.expectations {
            self.load_row(&expectation.key)?;
        }
        for write in &commit.writes {
            self.load_row(&write.key)?;
            let parts_before = usize::from(self.current(&write.key).map_or(0, |envelope| envelope.parts));
            let parts_after = write.value.as_ref().map_or(0, |value| envelope::part_count(value.len()));
            for index in (0u16..).take(parts_before.max(parts_after)) {
                self.load_row(&layout::part(&write.key, index))?;
            }
        }
        Ok(())
    }

    fn load_row(&mut self, key: &[u8]) -> Result<(), Error> {
        if !self.before.contains_key(key) {
            let row = self.engine.get(key)?;
            if let Some(stored) = &row {
                Envelope::open(key, stored)?;
            }
            self.before.insert(key.to_vec(), row);
        }
        Ok(())
    }

    fn stored(&self, key: &[u8]) -> Option<&Bytes> {
        // Rows of the outbox and the inbox are new, so that an unread row is an absent one.
        self.staged.get(key).or_else(|| self.before.get(key)).and_then(Option::as_ref)
    }

    fn current(&self, key: &[u8]) -> Option<Envelope> {
        self.stored(key)
            .map(|stored| Envelope::open(key, stored).expect("rows are opened once when they are read"))
    }

    fn version(&self, key: &[u8]) -> Option<u64> {
        self.current(key).map(|envelope| envelope.version)
    }

    fn write(&mut self, write: Write) {
        let Write { key, value } = write;
        let before = self.current(&key);
        let parts_before = before.as_ref().map_or(0, |envelope| envelope.parts);
        let version = before.map_or(0, |envelope| envelope.version) + 1;
        let (row, parts) = match value {
            Some(value) => {
                let (row, parts) = envelope::seal(&key, version, &value);
                (Some(row), parts)
            }
            None => (None, Vec::new()),
        };
        for index in (0..parts_before).skip(parts.len()) {
            self.set(layout::part(&key, index), None);
        }
        for (part, stored) in parts {
            self.set(part, Some(stored));
        }
        self.set(key, row);
    }

    fn set(&mut self, key: Vec<u8>, row: Option<Bytes>) {
        let is_outbox = key[0] == layout::OUTBOX;
        if let Some(old) = self.stored(&key) {
            let (bytes, checksum) = ((key.len() + old.len()) as u64, envelope::carried_checksum(old));
            self.head.rows = self.head.rows.saturating_sub(1);
            self.head.live_bytes = self.head.live_bytes.saturating_sub(bytes);
            self.head.digest = self.head.digest.wrapping_sub(u64::from(checksum));
            self.head.outbox_pending = self.head.outbox_pending.saturating_sub(u64::from(is_outbox));
        }
        if let Some(new) = &row {
            self.head.rows += 1;
            self.head.live_bytes += (key.len() + new.len()) as u64;
            self.head.digest = self.head.digest.wrapping_add(u64::from(envelope::carried_checksum(new)));
            self.head.outbox_pending += u64::from(is_outbox);
        }
        self.before.entry(key.clone()).or_insert(None);
        self.staged.insert(key, row);
    }
}
