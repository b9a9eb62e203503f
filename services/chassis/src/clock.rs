//! The time as a value: services ask the clock of their context, so that tests can move it.
//!
//! The clock gives wall time only. Waiting (back-off, deadlines, intervals) is done with tokio's timers, which a moved clock
//! does not touch.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Tells the Unix time in milliseconds; cheap to clone, and clones of a manual clock move together.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Manual(Arc<AtomicU64>),
}

impl Clock {
    /// The clock of the machine.
    pub fn system() -> Clock {
        Clock(Source::System)
    }

    /// A clock that stands at `now_ms` until it is moved.
    pub fn manual(now_ms: u64) -> Clock {
        Clock(Source::Manual(Arc::new(AtomicU64::new(now_ms))))
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub fn now_ms(&self) -> u64 {
        match &self.0 {
            // A machine set before 1970 reads as 1970: wrong, but ordered and without a panic.
            Source::System => {
                SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
            }
            Source::Manual(now) => now.load(Ordering::SeqCst),
        }
    }

    /// Moves a manual clock forward. The clock of the machine stays as it is: nothing but a test calls this.
    pub fn advance(&self, by: Duration) {
        if let Source::Manual(now) = &self.0 {
            now.fetch_add(by.as_millis() as u64, Ordering::SeqCst);
        }
    }
}

impl Default for Clock {
    fn default() -> Self {
        Clock::system()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_stands_until_it_is_moved() {
        let clock = Clock::manual(5);
        let clone = clock.clone();
        assert_eq!(clone.now_ms(), 5);
        clock.advance(Duration::from_secs(1));
        assert_eq!(clone.now_ms(), 1005);
    }
}
