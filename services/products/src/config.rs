//! What can be set.

use serde::Deserialize;

/// Settings of the service; every one has a default that fits a laptop.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Milliseconds between two looks for leases that are over. Stock of an unpaid order comes back at most this late.
    pub lease_sweep_interval_ms: u64,
    /// Milliseconds for which a publication that is not known yet is waited for: its event may still be on its way.
    pub publication_wait_ms: u64,
    /// Commits of one import that may be on their way to the disk at once. Sixteen fill the group commit of the store.
    pub import_commits_max: usize,
}

impl Default for Config {
    fn default() -> Config {
        Config { lease_sweep_interval_ms: 1000, publication_wait_ms: 1000, import_commits_max: 16 }
    }
}
