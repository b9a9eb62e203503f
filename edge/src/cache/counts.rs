//! What the cache did, in numbers, for the metrics and the operator.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use super::status::Forward;

/// The reasons of a miss, in the order of the counters.
const REASONS: [Forward; 7] = [
    Forward::Bypass,
    Forward::Method,
    Forward::UriMiss,
    Forward::VaryMiss,
    Forward::Miss,
    Forward::Request,
    Forward::Stale,
];

/// Counters from the start of the process on.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    hits: AtomicU64,
    stale_hits: AtomicU64,
    misses: [AtomicU64; REASONS.len()],
    fills: AtomicU64,
    refreshes: AtomicU64,
    collapsed: AtomicU64,
    invalidations: AtomicU64,
}

impl Counts {
    /// Served from the store, fresh.
    pub(crate) fn hit(&self) {
        self.hits.fetch_add(1, Ordering::Relaxed);
    }

    /// Served from the store, stale.
    pub(crate) fn stale_hit(&self) {
        self.stale_hits.fetch_add(1, Ordering::Relaxed);
    }

    /// Not served from the store.
    pub(crate) fn miss(&self, reason: Forward) {
        if let Some(at) = REASONS.iter().position(|known| *known == reason) {
            self.misses[at].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A fill began.
    pub(crate) fn fill(&self) {
        self.fills.fetch_add(1, Ordering::Relaxed);
    }

    /// A fill in the background began; it counts as a fill too.
    pub(crate) fn refresh(&self) {
        self.refreshes.fetch_add(1, Ordering::Relaxed);
        self.fill();
    }

    /// Waited for the fill of another request.
    pub(crate) fn collapsed(&self) {
        self.collapsed.fetch_add(1, Ordering::Relaxed);
    }

    /// Tags were raised.
    pub(crate) fn invalidated(&self, tags: usize) {
        self.invalidations.fetch_add(u64::try_from(tags).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Hits, fresh and stale, and misses.
    pub(crate) fn totals(&self) -> (u64, u64) {
        let sum = |counts: &[(&str, u64)]| counts.iter().map(|(_, count)| count).sum();
        (sum(&self.hits_by_state()), sum(&self.misses_by_reason()))
    }

    /// What was served from the store.
    pub(crate) fn hits_by_state(&self) -> [(&'static str, u64); 2] {
        [("fresh", &self.hits), ("stale", &self.stale_hits)]
            .map(|(state, counter)| (state, counter.load(Ordering::Relaxed)))
    }

    /// What was not served from it.
    pub(crate) fn misses_by_reason(&self) -> [(&'static str, u64); REASONS.len()] {
        std::array::from_fn(|at| (REASONS[at].as_str(), self.misses[at].load(Ordering::Relaxed)))
    }

    /// As Prometheus text.
    pub(crate) fn render(&self, out: &mut String) {
        let single = [
            ("fills", &self.fills),
            ("refreshes", &self.refreshes),
            ("collapsed", &self.collapsed),
            ("invalidated_tags", &self.invalidations),
        ];
        // Writing to a String cannot fail.
        let _ = writeln!(out, "# TYPE vitrina_edge_cache_hits_total counter");
        for (state, value) in self.hits_by_state() {
            let _ = writeln!(out, "vitrina_edge_cache_hits_total{{state=\"{state}\"}} {value}");
        }
        let _ = writeln!(out, "# TYPE vitrina_edge_cache_misses_total counter");
        for (reason, value) in self.misses_by_reason() {
            let _ = writeln!(out, "vitrina_edge_cache_misses_total{{reason=\"{reason}\"}} {value}");
        }
        for (name, counter) in single {
            let value = counter.load(Ordering::Relaxed);
            let name = format!("vitrina_edge_cache_{name}_total");
            let _ = write!(out, "# TYPE {name} counter\n{name} {value}\n");
        }
    }
}
