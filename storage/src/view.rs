//! What readers see: only what is durable.
//!
//! sled shows a batch as soon as it is applied, before it is on disk. So the commit thread first lays the rows that its group
//! will change, as they are before, over the engine as a *mask*; readers look through the mask until the group is durable.
//! A reader holds the lock for its whole read and the mask is only laid and lifted under the lock, so that a page, or the
//! rows of a `get_many`, are all of one moment. The same masks, kept longer, give an export its frozen view while commits go on.
//!
//! All of it is in memory: a crash leaves what the engine recovers, which is a state between two groups.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use bytes::{Bytes, BytesMut};

use crate::engine::{Direction, Engine, Range, StoredRow};
use crate::envelope::Envelope;
use crate::error::Error;
use crate::layout;
use crate::records::Head;
use crate::store::Raw;

/// Most bytes of old rows kept for one export. An export during which more is overwritten fails rather than take the memory.
const SNAPSHOT_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Rows as readers must see them instead of what the engine has; `None` for a row that they must not see.
pub(crate) type Mask = BTreeMap<Vec<u8>, Option<Bytes>>;

pub(crate) struct View {
    engine: Arc<dyn Engine>,
    masks: RwLock<Masks>,
}

#[derive(Default)]
struct Masks {
    head: Head,
    in_flight: Mask,
    snapshots: HashMap<u64, Snapshot>,
    snapshots_made: u64,
}

#[derive(Default)]
struct Snapshot {
    mask: Mask,
    bytes: usize,
}

/// A frozen view of all rows, let go of when dropped.
pub(crate) struct Frozen<'a> {
    view: &'a View,
    id: u64,
    /// The counters at that moment.
    pub(crate) head: Head,
}

impl View {
    pub(crate) fn new(engine: Arc<dyn Engine>, head: Head) -> View {
        View { engine, masks: RwLock::new(Masks { head, ..Masks::default() }) }
    }

    pub(crate) fn engine(&self) -> &dyn Engine {
        &*self.engine
    }

    /// The counters as of the last durable group.
    pub(crate) fn head(&self) -> Head {
        self.read().head
    }

    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Raw>, Error> {
        self.get_behind(&self.read().in_flight, key)
    }

    pub(crate) fn get_many(&self, keys: &[Vec<u8>]) -> Result<Vec<Option<Raw>>, Error> {
        let masks = self.read();
        keys.iter().map(|key| self.get_behind(&masks.in_flight, key)).collect()
    }

    pub(crate) fn scan(
        &self,
        range: &Range,
        limit: usize,
        direction: Direction,
    ) -> Result<Vec<(Vec<u8>, Raw)>, Error> {
        let masks = self.read();
        self.scan_behind(&masks.in_flight, range, limit, direction)?
            .into_iter()
            .map(|(key, stored)| {
                let raw = self.assemble(&masks.in_flight, &key, &stored)?;
                Ok((key, raw))
            })
            .collect()
    }

    /// Hides a group that is about to be applied: `before` holds all rows that it changes, as they are now.
    pub(crate) fn hide(&self, before: Mask) {
        let mut masks = self.write();
        for snapshot in masks.snapshots.values_mut() {
            for (key, row) in &before {
                if !snapshot.mask.contains_key(key) {
                    snapshot.bytes += key.len() + row.as_ref().map_or(0, Bytes::len);
                    snapshot.mask.insert(key.clone(), row.clone());
                }
            }
            if snapshot.bytes > SNAPSHOT_BYTES_MAX {
                snapshot.mask.clear();
            }
        }
        masks.in_flight = before;
    }

    /// Shows what the engine has, now that it is durable.
    pub(crate) fn reveal(&self, head: Head) {
        let mut masks = self.write();
        masks.in_flight.clear();
        masks.head = head;
    }

    pub(crate) fn freeze(&self) -> Frozen<'_> {
        let mut masks = self.write();
        masks.snapshots_made += 1;
        let id = masks.snapshots_made;
        let snapshot = Snapshot { mask: masks.in_flight.clone(), bytes: 0 };
        masks.snapshots.insert(id, snapshot);
        Frozen { view: self, id, head: masks.head }
    }

    fn get_behind(&self, mask: &Mask, key: &[u8]) -> Result<Option<Raw>, Error> {
        let stored = self.stored_behind(mask, key)?;
        stored.map(|stored| self.assemble(mask, key, &stored)).transpose()
    }

    fn stored_behind(&self, mask: &Mask, key: &[u8]) -> Result<Option<Bytes>, Error> {
        match mask.get(key) {
            Some(row) => Ok(row.clone()),
            None => self.engine.get(key),
        }
    }

    fn assemble(&self, mask: &Mask, key: &[u8], stored: &Bytes) -> Result<Raw, Error> {
        assemble(key, stored, |part| self.stored_behind(mask, part))
    }

    /// The rows as stored. Asks the engine for as many rows more as the mask may take away, so that the merged page is
    /// right up to its limit.
    fn scan_behind(
        &self,
        mask: &Mask,
        range: &Range,
        limit: usize,
        direction: Direction,
    ) -> Result<Vec<StoredRow>, Error> {
        if limit == 0 || is_empty(range) {
            return Ok(Vec::new());
        }
        let masked: Vec<_> = mask.range::<Vec<u8>, _>((range.0.as_ref(), range.1.as_ref())).collect();
        let mut rows = self.engine.scan(range, limit.saturating_add(masked.len()), direction)?;
        if masked.is_empty() {
            return Ok(rows);
        }
        rows.retain(|(key, _)| !mask.contains_key(key));
        rows.extend(masked.into_iter().filter_map(|(key, row)| Some((key.clone(), row.clone()?))));
        match direction {
            Direction::Forward => rows.sort_unstable_by(|a, b| a.0.cmp(&b.0)),
            Direction::Backward => rows.sort_unstable_by(|a, b| b.0.cmp(&a.0)),
        }
        rows.truncate(limit);
        Ok(rows)
    }

    fn read(&self) -> RwLockReadGuard<'_, Masks> {
        // Nothing in here is left half done by a panic: maps are replaced or extended row by row.
        self.masks.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Masks> {
        self.masks.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Frozen<'_> {
    /// A page of rows as stored, upwards.
    pub(crate) fn page(&self, range: &Range, limit: usize) -> Result<Vec<StoredRow>, Error> {
        let masks = self.view.read();
        let snapshot = masks.snapshots.get(&self.id).ok_or(Error::Closed)?;
        if snapshot.bytes > SNAPSHOT_BYTES_MAX {
            return Err(Error::TooLarge {
                what: "bytes overwritten during the export",
                size: snapshot.bytes,
                max: SNAPSHOT_BYTES_MAX,
            });
        }
        self.view.scan_behind(&snapshot.mask, range, limit, Direction::Forward)
    }
}

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        self.view.write().snapshots.remove(&self.id);
    }
}

/// Opens a row, fetches its parts where it has some, and checks all of it.
pub(crate) fn assemble(
    key: &[u8],
    stored: &Bytes,
    mut fetch: impl FnMut(&[u8]) -> Result<Option<Bytes>, Error>,
) -> Result<Raw, Error> {
    let envelope = Envelope::open(key, stored)?;
    if envelope.parts == 0 {
        envelope.check(key, &envelope.value)?;
        return Ok(Raw { value: envelope.value, version: envelope.version });
    }
    let mut value = BytesMut::new();
    for index in 0..envelope.parts {
        let part = layout::part(key, index);
        let stored = fetch(&part)?.ok_or_else(|| Error::corrupt(key, format!("part {index} is missing")))?;
        value.extend_from_slice(&Envelope::open_whole(&part, &stored)?.value);
    }
    envelope.check(key, &value)?;
    Ok(Raw { value: value.freeze(), version: envelope.version })
}

/// Whether no key can be in the range; the standard map and sled panic on some of these.
fn is_empty((start, end): &Range) -> bool {
    match (start, end) {
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
        (Bound::Included(start), Bound::Included(end)) => start > end,
        (Bound::Included(start) | Bound::Excluded(start), Bound::Included(end) | Bound::Excluded(end)) => {
            start >= end
        }
    }
}
