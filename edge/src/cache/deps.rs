//! What an answer depends on, noted while it is made.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// Tags of one answer at most; past that it is not worth keeping, and is not stored.
const TAGS_MAX: usize = 1_000;

/// Tags and the end of what an answer shows. A clone notes to the same place.
#[derive(Clone, Debug, Default)]
pub(crate) struct Deps(Arc<Mutex<Noted>>);

#[derive(Debug)]
struct Noted {
    tags: BTreeSet<String>,
    ends_ms: u64,
}

impl Default for Noted {
    fn default() -> Self {
        Self { tags: BTreeSet::new(), ends_ms: u64::MAX }
    }
}

impl Deps {
    /// The answer shows something that this tag names.
    pub(crate) fn tag(&self, tag: impl Into<String>) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        noted.tags.insert(tag.into());
    }

    /// What the answer shows is true until then, in milliseconds since 1970.
    pub(crate) fn ends(&self, at_ms: u64) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        noted.ends_ms = noted.ends_ms.min(at_ms);
    }

    /// All tags, with the earliest end; `None` when there are too many.
    pub(crate) fn noted(&self) -> Option<(Vec<String>, u64)> {
        let noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (noted.tags.len() <= TAGS_MAX).then(|| (noted.tags.iter().cloned().collect(), noted.ends_ms))
    }
}
