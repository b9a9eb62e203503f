//! A context for tests: a real store in a directory of its own, a real embedded broker, a clock that the test moves.

use std::time::Duration;

use tempfile::TempDir;
use vitrina_broker::Ladder;
use vitrina_storage::{Options, Store};

use crate::clock::Clock;
use crate::context::Context;

/// The time at which a test begins: 2026-01-01T00:00:00Z.
pub const START_MS: u64 = 1_767_225_600_000;

/// Steps of the broker's ladder: enough for a handler that fails twice, so that a test does not wait for hours.
const RETRIES: usize = 3;
/// The length of each step.
const RETRY_AFTER: Duration = Duration::from_millis(20);

/// A context whose parts are all real; the directory vanishes with the returned guard.
///
/// # Panics
/// When the machine has no room for a temporary directory. Call it inside a tokio runtime.
pub fn context() -> (Context, TempDir) {
    let dir = TempDir::new().expect("a temporary directory can be made");
    let open =
        |name: &str| Store::open(&dir.path().join(name), Options::default()).expect("an empty store opens");
    let broker = vitrina_broker::embedded_with(open("broker"), Ladder(vec![RETRY_AFTER; RETRIES]));
    (Context::new(open("store"), Clock::manual(START_MS), broker), dir)
}
