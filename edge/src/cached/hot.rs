//! Answers that are asked for all the time are made again as soon as a write has outdated them, before somebody asks. Those
//! that nobody asked for since are dropped.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use quick_cache::sync::Cache;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::Source;
use crate::cache;
use crate::cache::entry::Entry;
use crate::cache::store::Found;
use crate::core::Core;
use crate::upstream::Timings;

/// Hits of one stored answer from which on it is hot: a page on which a crowd looks has them in a moment.
const HITS_MIN: u64 = 16;

/// Hot answers watched; each costs a look after every write.
const WATCHED_MAX: usize = 256;

/// Changes come in groups: a product, its publication, the index.
const SETTLE: Duration = Duration::from_millis(5);

/// The hot answers.
#[derive(Debug)]
pub(crate) struct Hot {
    watched: Cache<Box<[u8]>, Arc<Source>>,
    changes: Notify,
}

impl Default for Hot {
    fn default() -> Self {
        Self { watched: Cache::new(WATCHED_MAX), changes: Notify::new() }
    }
}

impl Hot {
    /// Notes that a stored answer was served.
    pub(crate) fn note(&self, entry: &Entry, key: &[u8], source: impl Fn() -> Source) {
        if entry.note_hit() + 1 == HITS_MIN {
            self.watched.insert(key.into(), Arc::new(source()));
        }
    }

    /// Notes that something changed.
    pub(crate) fn changed(&self) {
        self.changes.notify_one();
    }
}

/// Makes hot answers again after each change, until dropped.
pub(crate) async fn keep_hot(core: Arc<Core>) {
    loop {
        core.hot.changes.notified().await;
        tokio::time::sleep(SETTLE).await;
        let watched: Vec<_> = core.hot.watched.iter().collect();
        for (key, source) in watched {
            let found = core.cache.store.find(&key, &HeaderMap::new(), &core.cache.epochs, cache::now_ms());
            let Found::Outdated(entry) = found else {
                continue;
            };
            if entry.hits() < HITS_MIN {
                core.hot.watched.remove(&key);
                core.cache.store.remove_entry(&key, &entry);
                continue;
            }
            core.cache.counts.refresh();
            let wait = core.fill_once(&key, (*source).clone(), Timings::default());
            let deadline = Instant::now() + Duration::from_millis(source.route.deadline_ms);
            // How it ended is told by the next request.
            let _ = wait.outcome(deadline).await;
        }
    }
}
