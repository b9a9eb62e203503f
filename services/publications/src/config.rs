//! What can be set.

use std::path::PathBuf;

use serde::Deserialize;

/// Settings of the service.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where the search index is kept; made anew from the store when it is missing or damaged.
    pub index_dir: PathBuf,
    /// Milliseconds for which a product or a user that is not known yet is waited for: the event may still be on its way.
    pub event_wait_ms: u64,
    /// Bytes that the index may gather in memory before it writes a segment; tantivy wants at least 15 MB.
    pub index_memory_bytes: usize,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            index_dir: PathBuf::from("vitrina-data/publications/index"),
            event_wait_ms: 1500,
            index_memory_bytes: 20_000_000,
        }
    }
}
