//! The cache: one store and one policy for pages, rpcs and plain HTTP upstreams.
//!
//! ```text
//! request ─▶ key ─▶ Store::find ─▶ Answer ─▶ Terms::judge ─▶ Serve, ServeAndRefresh ───────▶ client
//!                        │                        │ Stale, Refused
//!                        │ Outdated, Nothing      ▼
//!                        └──────────────▶ Fills::once / join ─▶ fetch ─▶ Terms::of ─▶ Store::put
//! ```
//!
//! The rooms: `policy` (RFC 9111 over headers and times; with `control`, `freshen`, `vary`, `conditions`), `status`
//! (RFC 9211), `store` and `entry`, `epochs` (tags), `fill` (one fill at a time), `encoding` (compressed once), `key`,
//! `counts`; `deps` and `fragments` for answers that are joined from parts. None of them knows of rpcs.
//!
//! For another source of answers than rpcs: make a key with [`key::proxied`], a [`fill::Fills`] of its own, and go by
//! the order that `policy` gives. Read [`Epochs::now`] before asking the source and put it into the
//! [`Draft`](entry::Draft), so that an answer that raced with a change is never served. Tags may be empty.
//!
//! Invariants: what a write outdated is not served once the write's answer was given; an answer that depended on its caller
//! is never stored; memory is bounded by bytes. Everything vanishes with the process.

pub(crate) mod conditions;
mod config;
pub(crate) mod control;
mod counts;
mod deps;
pub(crate) mod encoding;
pub(crate) mod entry;
pub(crate) mod epochs;
pub(crate) mod fill;
mod fragments;
pub(crate) mod freshen;
pub(crate) mod key;
pub(crate) mod policy;
pub(crate) mod status;
pub(crate) mod store;
pub(crate) mod vary;

use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

pub use config::CacheConfig;
pub(crate) use counts::Counts;
pub(crate) use deps::Deps;
pub(crate) use epochs::Epochs;
pub(crate) use fragments::{Fragments, Terms as FragmentTerms};
pub(crate) use store::Store;

/// The cache of one edge.
#[derive(Debug)]
pub(crate) struct Cache {
    pub(crate) store: Store,
    pub(crate) fragments: Fragments,
    pub(crate) epochs: Epochs,
    pub(crate) counts: Counts,
}

impl Cache {
    pub(crate) fn new(config: &CacheConfig) -> Self {
        Self {
            store: Store::new(config.bytes_max, config.entry_bytes_max),
            fragments: Fragments::new(config.bytes_max),
            epochs: Epochs::default(),
            counts: Counts::default(),
        }
    }

    /// Makes everything under these tags invalid, before this returns.
    pub(crate) fn invalidate<'t>(&self, tags: impl IntoIterator<Item = &'t str>) {
        let mut count = 0;
        self.epochs.raise(tags.into_iter().inspect(|_| count += 1));
        self.counts.invalidated(count);
    }

    /// Drops the answers whose path begins so; gives how many. A part of a page has no path: all parts go.
    pub(crate) fn purge_prefix(&self, prefix: &str) -> usize {
        self.fragments.clear();
        self.store.purge_prefix(prefix, self.epochs.next())
    }

    /// All numbers as Prometheus text.
    pub(crate) fn render(&self, out: &mut String) {
        self.counts.render(out);
        let numbers = [
            ("evictions_total", "counter", self.store.evictions()),
            ("bytes", "gauge", self.store.bytes()),
            ("bytes_max", "gauge", self.store.bytes_max()),
            ("fragment_bytes", "gauge", self.fragments.bytes()),
            ("entries", "gauge", u64::try_from(self.store.len()).unwrap_or(u64::MAX)),
        ];
        for (name, kind, value) in numbers {
            // Writing to a String cannot fail.
            let _ =
                write!(out, "# TYPE vitrina_edge_cache_{name} {kind}\nvitrina_edge_cache_{name} {value}\n");
        }
    }

    /// Drops everything, and what is being filled now is not served either.
    pub(crate) fn purge_all(&self) {
        self.epochs.raise_all();
        self.store.clear();
        self.fragments.clear();
    }
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
