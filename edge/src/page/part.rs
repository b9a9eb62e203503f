//! Parts of pages by way of the cache: what is kept is not asked for, and what a page shows is noted.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;

use prost::Message;
use tonic::Status;

use super::Pages;
use crate::cache::{self, FragmentTerms};

/// A kind of parts: the rpc that they come from, with the tag of what each shows.
#[derive(Clone, Copy)]
pub(super) struct Kind {
    pub(super) rpc: &'static str,
    /// Such as `product:`, to which the id is added; whole, when it ends with no colon.
    pub(super) tag: &'static str,
}

impl Kind {
    fn tag_of(self, id: &str) -> String {
        if self.tag.ends_with(':') { format!("{}{id}", self.tag) } else { self.tag.to_owned() }
    }

    fn key(self, id: &[u8]) -> Vec<u8> {
        let mut key = Vec::with_capacity(self.rpc.len() + 1 + id.len());
        key.extend_from_slice(self.rpc.as_bytes());
        key.push(0);
        key.extend_from_slice(id);
        key
    }
}

impl Pages {
    /// The reply of an rpc to a request about one thing.
    pub(super) async fn part<Q, M, F>(
        &self,
        kind: Kind,
        id: &str,
        request: &Q,
        call: impl FnOnce() -> F,
    ) -> Result<M, Status>
    where
        Q: Message,
        M: Message + Clone + 'static,
        F: Future<Output = Result<M, Status>>,
    {
        let Some((cache, deps)) = &self.shared else {
            return call().await;
        };
        let tag = kind.tag_of(id);
        deps.tag(tag.as_str());
        let key = kind.key(&request.encode_to_vec());
        if let Some((part, _)) = cache.fragments.get::<M>(&key, &cache.epochs, cache::now_ms()) {
            return Ok(part);
        }
        let begun = cache.epochs.now();
        let part = call().await?;
        let terms = FragmentTerms { tags: cache.epochs.tags([tag.as_str()]), begun, ends_ms: u64::MAX };
        cache.fragments.put(&key, &part, terms, cache::now_ms());
        Ok(part)
    }

    /// Items of a batch, each kept by itself: only those that are not kept are asked for. `ends` tells until when an item
    /// is true by itself, in milliseconds since 1970.
    pub(super) async fn parts<M, F>(
        &self,
        kind: Kind,
        ids: BTreeSet<String>,
        ends: fn(&M, u64) -> u64,
        call: impl FnOnce(Vec<String>) -> F,
    ) -> Result<BTreeMap<String, M>, Status>
    where
        M: Message + Clone + 'static,
        F: Future<Output = Result<BTreeMap<String, M>, Status>>,
    {
        let Some((cache, deps)) = &self.shared else {
            return if ids.is_empty() { Ok(BTreeMap::new()) } else { call(ids.into_iter().collect()).await };
        };
        let now_ms = cache::now_ms();
        let mut found = BTreeMap::new();
        let mut missing = Vec::new();
        for id in ids {
            deps.tag(kind.tag_of(&id));
            match cache.fragments.get::<M>(&kind.key(id.as_bytes()), &cache.epochs, now_ms) {
                Some((part, ends_ms)) => {
                    deps.ends(ends_ms);
                    found.insert(id, part);
                }
                None => missing.push(id),
            }
        }
        if missing.is_empty() {
            return Ok(found);
        }
        let begun = cache.epochs.now();
        for (id, part) in call(missing).await? {
            let ends_ms = ends(&part, now_ms);
            deps.ends(ends_ms);
            let tags = cache.epochs.tags([kind.tag_of(&id).as_str()]);
            let terms = FragmentTerms { tags, begun, ends_ms };
            cache.fragments.put(&kind.key(id.as_bytes()), &part, terms, now_ms);
            found.insert(id, part);
        }
        Ok(found)
    }
}
