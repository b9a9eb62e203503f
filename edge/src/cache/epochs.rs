//! When what was last changed.
//!
//! A tag names an entity, `product:prd_…`. A write raises the epoch of its tags; an entry knows the epoch at which its fill
//! began, so it holds as long as none of its tags is newer. An invalidation is thus one store for each tag, however many
//! entries it touches, and a fill that raced with a write is never served, even when it ends after it.
//!
//! Tags share a fixed number of slots by their hash. Two tags in one slot invalidate each other, which costs a fill and is
//! never wrong; in exchange memory is bounded and nothing is locked. The numbers start anew with the process, as does the
//! store.

use std::sync::atomic::{AtomicU64, Ordering};

use ahash::RandomState;

/// Slots, a power of two: 2 MiB of memory that is used only as far as tags are raised. With 10,000 products changed at once,
/// 4 % of the others are touched by chance.
const SLOTS: usize = 1 << 18;

/// A point in the order of changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Epoch(u64);

/// Tags of one entry, hashed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tags(Box<[u64]>);

/// The epochs of all tags.
#[derive(Debug)]
pub(crate) struct Epochs {
    hasher: RandomState,
    /// The latest epoch given out.
    latest: AtomicU64,
    slots: Box<[AtomicU64]>,
    /// Counts the changes that are complete: what was checked at the present count need not be checked again.
    completed: AtomicU64,
    /// Everything older is invalid.
    floor: AtomicU64,
}

impl Default for Epochs {
    fn default() -> Self {
        Self {
            hasher: RandomState::new(),
            latest: AtomicU64::new(1),
            slots: std::iter::repeat_with(|| AtomicU64::new(0)).take(SLOTS).collect(),
            completed: AtomicU64::new(1),
            floor: AtomicU64::new(0),
        }
    }
}

impl Epochs {
    /// The present epoch, to be read before a fill begins.
    pub(crate) fn now(&self) -> Epoch {
        Epoch(self.latest.load(Ordering::SeqCst))
    }

    /// An epoch that is later than that of everything that began before now.
    pub(crate) fn next(&self) -> Epoch {
        Epoch(self.latest.fetch_add(1, Ordering::SeqCst) + 1)
    }

    /// The tags of an entry, each once.
    pub(crate) fn tags<'t>(&self, tags: impl IntoIterator<Item = &'t str>) -> Tags {
        let mut hashes: Vec<u64> = tags.into_iter().map(|tag| self.hasher.hash_one(tag)).collect();
        hashes.sort_unstable();
        hashes.dedup();
        Tags(hashes.into())
    }

    /// Makes everything under these tags that began before now invalid; once this returns, none of it is served.
    pub(crate) fn raise<'t>(&self, tags: impl IntoIterator<Item = &'t str>) {
        let epoch = self.latest.fetch_add(1, Ordering::SeqCst) + 1;
        for tag in tags {
            self.slot(self.hasher.hash_one(tag)).fetch_max(epoch, Ordering::SeqCst);
        }
        // After the slots: whoever sees the new count sees them too.
        self.completed.fetch_add(1, Ordering::SeqCst);
    }

    /// Makes everything that began before now invalid.
    pub(crate) fn raise_all(&self) {
        let epoch = self.latest.fetch_add(1, Ordering::SeqCst) + 1;
        self.floor.fetch_max(epoch, Ordering::SeqCst);
        self.completed.fetch_add(1, Ordering::SeqCst);
    }

    /// Whether what began then under these tags still holds.
    pub(crate) fn holds(&self, tags: &Tags, begun: Epoch) -> bool {
        let is_newer = |hash: &u64| self.slot(*hash).load(Ordering::SeqCst) > begun.0;
        begun.0 >= self.floor.load(Ordering::SeqCst) && !tags.0.iter().any(is_newer)
    }

    /// The same, remembering the count of changes at which it was last found to hold: without a change since then it is
    /// one comparison, however many tags there are.
    pub(crate) fn still_holds(&self, tags: &Tags, begun: Epoch, checked: &AtomicU64) -> bool {
        // Read before the slots: a change that completes meanwhile leads to another check, never to one too few.
        let completed = self.completed.load(Ordering::SeqCst);
        if checked.load(Ordering::Acquire) == completed {
            return true;
        }
        let holds = self.holds(tags, begun);
        if holds {
            checked.store(completed, Ordering::Release);
        }
        holds
    }

    fn slot(&self, hash: u64) -> &AtomicU64 {
        let index = usize::try_from(hash % SLOTS as u64).unwrap_or_default();
        &self.slots[index]
    }
}

impl Epoch {
    /// Its place in the order.
    pub(crate) fn number(self) -> u64 {
        self.0
    }
}

impl Tags {
    /// Bytes that they take.
    pub(crate) fn bytes(&self) -> usize {
        self.0.len() * size_of::<u64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_ends_what_began_before_it_only() {
        let epochs = Epochs::default();
        let tags = epochs.tags(["product:1", "seller:1"]);
        let before = epochs.now();
        let checked = AtomicU64::new(0);
        assert!(epochs.still_holds(&tags, before, &checked));
        epochs.raise(["product:2"]);
        assert!(epochs.still_holds(&tags, before, &checked));
        epochs.raise(["seller:1"]);
        assert!(!epochs.still_holds(&tags, before, &checked));
        assert!(epochs.holds(&tags, epochs.now()));
    }

    #[test]
    fn a_fill_that_raced_with_a_write_does_not_hold() {
        let epochs = Epochs::default();
        let begun = epochs.now();
        epochs.raise(["product:1"]);
        assert!(!epochs.holds(&epochs.tags(["product:1"]), begun));
    }

    #[test]
    fn everything_can_be_ended_at_once() {
        let epochs = Epochs::default();
        let begun = epochs.now();
        epochs.raise_all();
        assert!(!epochs.holds(&Tags::default(), begun));
        assert!(epochs.holds(&Tags::default(), epochs.now()));
    }
}
