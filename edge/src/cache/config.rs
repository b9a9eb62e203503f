//! What can be set on the cache: the section `[edge.cache]`.

use serde::Deserialize;

/// Bounds of the cache.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CacheConfig {
    /// Whether answers are kept at all.
    pub enabled: bool,
    /// Bytes of all stored answers together.
    pub bytes_max: u64,
    /// Bytes of one stored answer.
    pub entry_bytes_max: u64,
}

/// A map is split for its locks; an answer has to fit into the smallest part.
const PARTS: u64 = 16;

impl Default for CacheConfig {
    fn default() -> Self {
        Self { enabled: true, bytes_max: 256 * 1024 * 1024, entry_bytes_max: 4 * 1024 * 1024 }
    }
}

impl CacheConfig {
    pub(crate) fn mistakes(&self) -> Vec<String> {
        let mut mistakes = Vec::new();
        if self.bytes_max == 0 {
            mistakes.push(
                "edge.cache.bytes_max must be at least 1; enabled = false turns the cache off".to_owned(),
            );
        }
        if self.entry_bytes_max > self.bytes_max / PARTS {
            mistakes.push(format!("edge.cache.entry_bytes_max may be at most bytes_max / {PARTS}"));
        }
        mistakes
    }
}
