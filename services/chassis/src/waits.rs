//! Waits a little for what another service has told, but whose event is still on its way.
//!
//! Who creates a product and publishes it at once, or registers and asks at once, has done nothing wrong. So what is not
//! known yet is looked for again for a while: the commit of the inbox wakes nobody, and a look is one read in memory.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;

/// Between two looks: an event takes some milliseconds.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);

/// The places of those who wait; clones share them.
#[derive(Clone, Debug)]
pub struct Waits {
    places: Arc<Semaphore>,
    longest: Duration,
}

impl Waits {
    /// As many `places` for waits of at most `longest_ms` each: asking for what never was must not tie up more calls.
    pub fn new(places: usize, longest_ms: u64) -> Waits {
        Waits { places: Arc::new(Semaphore::new(places)), longest: Duration::from_millis(longest_ms) }
    }

    /// Looks until something is there or the wait is over; looks once when too many wait already.
    ///
    /// # Errors
    /// What the look fails with.
    pub async fn until<T, E>(&self, look: impl Fn() -> Result<Option<T>, E>) -> Result<Option<T>, E> {
        if let Some(found) = look()? {
            return Ok(Some(found));
        }
        let Ok(_place) = self.places.try_acquire() else { return Ok(None) };
        let end = Instant::now() + self.longest;
        while Instant::now() < end {
            tokio::time::sleep(LOOK_INTERVAL).await;
            if let Some(found) = look()? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}
