//! Parts of pages: the reply of an rpc, or one item of a batch, kept under the same tags and epochs as whole answers.
//!
//! When one product changes, the page that shows it is filled again with one call; its other parts come from here. Parts are
//! kept as messages, so that joining them costs no decoding. Only pages that are the same for everybody use them.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use ahash::RandomState;
use prost::Message;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::epochs::{Epoch, Epochs, Tags};

/// For how long a part is kept: what is missed of a write by a lost event ends with it.
const KEPT_MS: u64 = 30_000;

/// What a part takes beside its fields; decoded strings take more than their wire form, so that is counted twice.
const OVERHEAD_BYTES: u64 = 256;

/// Share of the cache's bytes for parts.
const SHARE: u64 = 4;

/// Bytes of an ordinary part, for the first size of the map.
const PART_BYTES: u64 = 1_024;

/// The kept parts.
#[derive(Debug)]
pub(crate) struct Fragments {
    parts: Cache<Box<[u8]>, Arc<Part>, Weight, RandomState>,
}

/// What a part is kept under.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    /// What it shows.
    pub(crate) tags: Tags,
    /// The epoch that was read before the call.
    pub(crate) begun: Epoch,
    /// Until when what it shows is true by itself, in milliseconds since 1970.
    pub(crate) ends_ms: u64,
}

#[derive(Debug)]
struct Part {
    message: Box<dyn Any + Send + Sync>,
    terms: Terms,
    fresh_until_ms: u64,
    checked: AtomicU64,
    bytes: u64,
}

#[derive(Clone, Debug)]
struct Weight;

impl Fragments {
    /// Parts within their share of the cache's bytes.
    pub(crate) fn new(cache_bytes_max: u64) -> Self {
        let bytes_max = (cache_bytes_max / SHARE).max(1);
        let items = usize::try_from(bytes_max / PART_BYTES).unwrap_or(usize::MAX).max(64);
        Self { parts: Cache::with(items, bytes_max, Weight, RandomState::new(), Default::default()) }
    }

    /// A part of this kind, with the end of its truth, when it is here and holds.
    pub(crate) fn get<M: Clone + 'static>(
        &self,
        key: &[u8],
        epochs: &Epochs,
        now_ms: u64,
    ) -> Option<(M, u64)> {
        let part = self.parts.get(key)?;
        let holds = now_ms < part.fresh_until_ms
            && epochs.still_holds(&part.terms.tags, part.terms.begun, &part.checked);
        if !holds {
            return None;
        }
        Some((part.message.downcast_ref::<M>()?.clone(), part.terms.ends_ms))
    }

    /// Keeps a part.
    pub(crate) fn put<M: Message + Clone + 'static>(
        &self,
        key: &[u8],
        message: &M,
        terms: Terms,
        now_ms: u64,
    ) {
        let bytes = OVERHEAD_BYTES + 2 * u64::try_from(message.encoded_len()).unwrap_or(u64::MAX / 2);
        let part = Part {
            message: Box::new(message.clone()),
            fresh_until_ms: (now_ms + KEPT_MS).min(terms.ends_ms),
            terms,
            checked: AtomicU64::new(0),
            bytes,
        };
        self.parts.insert(key.into(), Arc::new(part));
    }

    /// Drops all.
    pub(crate) fn clear(&self) {
        self.parts.clear();
    }

    /// Bytes that are counted as used.
    pub(crate) fn bytes(&self) -> u64 {
        self.parts.weight()
    }
}

impl Weighter<Box<[u8]>, Arc<Part>> for Weight {
    fn weight(&self, key: &Box<[u8]>, part: &Arc<Part>) -> u64 {
        part.bytes + u64::try_from(key.len()).unwrap_or(u64::MAX)
    }
}
