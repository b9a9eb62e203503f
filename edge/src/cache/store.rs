//! The stored answers, bounded by bytes.
//!
//! Eviction is that of `quick_cache` (S3-FIFO like): what is asked for once does not push out what is asked for often. A key
//! leads to an answer, to the fields that its answers vary on (then to one of those), or to the memory that what it names could
//! not be stored. Nothing outlives the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ahash::RandomState;
use http::{HeaderMap, HeaderName};
use quick_cache::sync::Cache;
use quick_cache::{Lifecycle, OptionsBuilder, Weighter};

use super::entry::{Draft, Entry};
use super::epochs::{Epoch, Epochs};
use super::status::Forward;
use super::vary;

/// Bytes of an ordinary entry, for the first size of the map.
const ENTRY_BYTES: u64 = 8 * 1024;

/// What a key that leads to no answer weighs.
const SIGNPOST_BYTES: u64 = 256;

/// For how long it is remembered that something could not be stored; meanwhile nobody waits for anybody there.
const PASS_MS: u64 = 5_000;

/// Keys are opaque bytes; see [`key`](super::key).
type Key = Box<[u8]>;

/// All stored answers.
#[derive(Debug)]
pub(crate) struct Store {
    slots: Cache<Key, Slot, Weight, RandomState, Evictions>,
    evictions: Evictions,
    entry_bytes_max: u64,
    /// Nothing that began before is stored any more, since a purge by prefix might have had to find it.
    purged: AtomicU64,
}

/// What is stored for a request.
#[derive(Debug)]
pub(crate) enum Found {
    /// An answer that holds; it may be stale.
    Answer(Arc<Entry>),
    /// An answer that was outdated by a write or by the clock: never to be served.
    Outdated(Arc<Entry>),
    /// It could not be stored lately: go on without waiting for others.
    Pass,
    /// Answers to requests with other headers.
    VaryMiss,
    /// Nothing.
    Nothing,
}

impl Found {
    /// Why it does not answer, when it does not.
    pub(crate) fn missed(&self) -> Forward {
        match self {
            Self::Answer(_) => Forward::Stale,
            Self::Outdated(_) => Forward::Miss,
            Self::Pass => Forward::Bypass,
            Self::VaryMiss => Forward::VaryMiss,
            Self::Nothing => Forward::UriMiss,
        }
    }
}

#[derive(Clone, Debug)]
enum Slot {
    Answer(Arc<Entry>),
    Varies(Arc<[HeaderName]>),
    Pass { until_ms: u64 },
}

#[derive(Clone, Debug)]
struct Weight;

/// Counts what was pushed out.
#[derive(Clone, Debug, Default)]
struct Evictions(Arc<AtomicU64>);

impl Store {
    /// A store of at most so many bytes, and an answer of at most so many.
    pub(crate) fn new(bytes_max: u64, entry_bytes_max: u64) -> Self {
        let evictions = Evictions::default();
        let items = usize::try_from(bytes_max / ENTRY_BYTES).unwrap_or(usize::MAX).max(64);
        let options = OptionsBuilder::new()
            .estimated_items_capacity(items)
            .weight_capacity(bytes_max)
            .build()
            .expect("both capacities are set");
        Self {
            slots: Cache::with_options(options, Weight, RandomState::new(), evictions.clone()),
            evictions,
            entry_bytes_max,
            purged: AtomicU64::new(0),
        }
    }

    /// What is stored under a key for a request with these headers.
    pub(crate) fn find(&self, key: &[u8], request: &HeaderMap, epochs: &Epochs, now_ms: u64) -> Found {
        match self.slots.get(key) {
            Some(Slot::Answer(entry)) => judged(entry, epochs, now_ms),
            Some(Slot::Varies(names)) => match self.slots.get(vary::key(key, &names, request).as_slice()) {
                Some(Slot::Answer(entry)) => judged(entry, epochs, now_ms),
                _ => Found::VaryMiss,
            },
            Some(Slot::Pass { until_ms }) if now_ms < until_ms => Found::Pass,
            Some(Slot::Pass { .. }) | None => Found::Nothing,
        }
    }

    /// Stores an answer; `None` when it is too large, or was overtaken by a purge. `vary` names the fields that answers under
    /// this key vary on, and `request` holds their values here.
    pub(crate) fn put(
        &self,
        key: &[u8],
        vary: &[HeaderName],
        request: &HeaderMap,
        draft: Draft,
    ) -> Option<Arc<Entry>> {
        let entry = Arc::new(Entry::new(draft));
        if entry.weight() > self.entry_bytes_max || entry.begun.number() < self.purged.load(Ordering::SeqCst)
        {
            return None;
        }
        let slot = Slot::Answer(entry.clone());
        if vary.is_empty() {
            self.slots.insert(key.into(), slot);
        } else {
            self.slots.insert(key.into(), Slot::Varies(vary.into()));
            self.slots.insert(vary::key(key, vary, request).into(), slot);
        }
        Some(entry)
    }

    /// Remembers that what a key names could not be stored.
    pub(crate) fn pass(&self, key: &[u8], now_ms: u64) {
        self.slots.insert(key.into(), Slot::Pass { until_ms: now_ms + PASS_MS });
    }

    /// Drops an answer, or all that vary under its key.
    pub(crate) fn remove(&self, key: &[u8]) {
        self.slots.remove(key);
    }

    /// Drops this answer, unless another one has taken its place.
    pub(crate) fn remove_entry(&self, key: &[u8], entry: &Arc<Entry>) {
        self.slots.remove_if(key, |slot| matches!(slot, Slot::Answer(stored) if Arc::ptr_eq(stored, entry)));
    }

    /// Drops all answers whose path begins so; gives how many. `now` is the present epoch: what is being filled under such a
    /// path is not stored.
    pub(crate) fn purge_prefix(&self, prefix: &str, now: Epoch) -> usize {
        self.purged.fetch_max(now.number(), Ordering::SeqCst);
        let dropped = AtomicU64::new(0);
        self.slots.retain(|_, slot| {
            let is_meant = matches!(slot, Slot::Answer(entry) if entry.path.starts_with(prefix));
            dropped.fetch_add(u64::from(is_meant), Ordering::Relaxed);
            !is_meant
        });
        usize::try_from(dropped.into_inner()).unwrap_or(usize::MAX)
    }

    /// Drops everything.
    pub(crate) fn clear(&self) {
        self.slots.clear();
    }

    /// Bytes that are counted as used.
    pub(crate) fn bytes(&self) -> u64 {
        self.slots.weight()
    }

    pub(crate) fn bytes_max(&self) -> u64 {
        self.slots.capacity()
    }

    /// Answers and signposts.
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// What was pushed out for want of room.
    pub(crate) fn evictions(&self) -> u64 {
        self.evictions.0.load(Ordering::Relaxed)
    }

    /// The answers that were served most often, the first first. It looks at all, so it is for operators.
    pub(crate) fn top(&self, count: usize) -> Vec<Arc<Entry>> {
        let mut entries: Vec<Arc<Entry>> = self
            .slots
            .iter()
            .filter_map(|(_, slot)| match slot {
                Slot::Answer(entry) => Some(entry),
                Slot::Varies(_) | Slot::Pass { .. } => None,
            })
            .collect();
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.hits()));
        entries.truncate(count);
        entries
    }
}

impl Weighter<Key, Slot> for Weight {
    fn weight(&self, key: &Key, slot: &Slot) -> u64 {
        let own = match slot {
            Slot::Answer(entry) => entry.weight(),
            Slot::Varies(_) | Slot::Pass { .. } => SIGNPOST_BYTES,
        };
        own + u64::try_from(key.len()).unwrap_or(u64::MAX)
    }
}

impl Lifecycle<Key, Slot> for Evictions {
    type RequestState = ();

    fn on_evict(&self, (): &mut (), _: Key, _: Slot) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn judged(entry: Arc<Entry>, epochs: &Epochs, now_ms: u64) -> Found {
    let holds = now_ms < entry.ends_ms && epochs.still_holds(&entry.tags, entry.begun, &entry.checked);
    if holds { Found::Answer(entry) } else { Found::Outdated(entry) }
}
