//! Ends the process when a commit hangs: a deadlocked engine answers nobody, while a restart loses nothing acknowledged.

use std::io::Write;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use tracing::error;

use crate::error::Error;
use crate::store::Shared;

/// How often to look. Much shorter than any sensible time-out, much longer than it takes.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// The time by which the start of a commit is told to the watchdog.
#[derive(Clone, Copy)]
pub(crate) struct BusyClock {
    started: Instant,
}

impl BusyClock {
    /// Milliseconds since the start, never 0, which stands for "not busy".
    pub(crate) fn now_ms(self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
    }
}

/// Starts the watchdog, which ends by itself when the store is gone.
pub(crate) fn spawn(shared: &Arc<Shared>, commit_timeout: Duration) -> Result<BusyClock, Error> {
    let clock = BusyClock { started: Instant::now() };
    let shared = Arc::downgrade(shared);
    std::thread::Builder::new()
        .name("storage-watchdog".into())
        .spawn(move || watch(&shared, clock, commit_timeout))
        .map_err(|source| Error::io("start a thread", source))?;
    Ok(clock)
}

fn watch(shared: &Weak<Shared>, clock: BusyClock, commit_timeout: Duration) {
    let timeout_ms = u64::try_from(commit_timeout.as_millis()).unwrap_or(u64::MAX);
    while let Some(shared) = shared.upgrade() {
        let since_ms = shared.busy_since_ms.load(Ordering::Acquire);
        drop(shared);
        if since_ms != 0 && clock.now_ms().saturating_sub(since_ms) > timeout_ms {
            error!(timeout_ms, "a commit hangs; the process ends to recover by a restart");
            // The log may be buffered, and an abort flushes nothing.
            let _ = writeln!(std::io::stderr(), "storage: a commit took more than {timeout_ms} ms, aborting");
            std::process::abort();
        }
        std::thread::park_timeout(LOOK_EVERY);
    }
}
