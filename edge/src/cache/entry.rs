//! A stored answer.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::encoding::{Coding, Encodings};
use super::epochs::{Epoch, Tags};
use super::policy::Terms;

/// What an entry takes beside its body and headers: itself, its place in the map, the allocator's share.
const OVERHEAD_BYTES: usize = 512;

/// An answer to be stored.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) status: StatusCode,
    /// As [`kept`](super::freshen::kept) leaves them.
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) terms: Terms,
    /// Path with query, for a purge by prefix.
    pub(crate) path: Box<str>,
    pub(crate) tags: Tags,
    /// The epoch that was read before the fill began.
    pub(crate) begun: Epoch,
    /// When it ceases to hold by itself, such as at the end of an offer that it shows; `u64::MAX`: never. Past it the answer is
    /// not even served stale. Milliseconds since 1970.
    pub(crate) ends_ms: u64,
}

/// A stored answer. It never changes; a newer one takes its place.
#[derive(Debug)]
pub(crate) struct Entry {
    draft: Draft,
    /// At which count of changes it was last found to hold.
    pub(super) checked: AtomicU64,
    hits: AtomicU64,
    is_refreshing: AtomicBool,
    encodings: Encodings,
    /// The header as bytes in each coding, made when it is first needed.
    rendered: [OnceLock<Bytes>; Coding::COUNT],
}

impl Entry {
    pub(crate) fn new(draft: Draft) -> Self {
        Self {
            encodings: Encodings::of(&draft.headers, draft.body.len()),
            draft,
            checked: AtomicU64::new(0),
            hits: AtomicU64::new(0),
            is_refreshing: AtomicBool::new(false),
            rendered: Default::default(),
        }
    }

    /// Counts a hit and gives how many there were before.
    pub(crate) fn note_hit(&self) -> u64 {
        self.hits.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn hits(&self) -> u64 {
        self.hits.load(Ordering::Relaxed)
    }

    /// Whether the caller is the one to refresh it; once only, until [`Self::refresh_failed`].
    pub(crate) fn begin_refresh(&self) -> bool {
        !self.is_refreshing.swap(true, Ordering::AcqRel)
    }

    /// The next one may try again.
    pub(crate) fn refresh_failed(&self) {
        self.is_refreshing.store(false, Ordering::Release);
    }

    pub(crate) fn encodings(&self) -> &Encodings {
        &self.encodings
    }

    /// The header in a coding as `render` writes it, once.
    pub(crate) fn rendered(&self, coding: Coding, render: impl FnOnce() -> Bytes) -> &Bytes {
        self.rendered[coding as usize].get_or_init(render)
    }

    /// Bytes that it counts for: compressed forms are made later, so they are counted from the start.
    pub(crate) fn weight(&self) -> u64 {
        let headers: usize =
            self.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 32).sum();
        let bodies = if self.encodings.is_compressible() { 2 } else { 1 };
        let bytes = OVERHEAD_BYTES + headers + self.path.len() + self.tags.bytes() + bodies * self.body.len();
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }
}

impl std::ops::Deref for Entry {
    type Target = Draft;

    fn deref(&self) -> &Draft {
        &self.draft
    }
}
