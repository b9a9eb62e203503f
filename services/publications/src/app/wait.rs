//! Waits a little for what another service has told, but whose event is still on its way.
//!
//! Who creates a product and publishes it at once, or registers and asks at once, has done nothing wrong. So what is not
//! known here is looked for again for a while: the commit of the inbox wakes nobody, and a look is one read in memory.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::error::Error;

/// Between two looks: an event takes some milliseconds.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);
/// Calls that wait at once: asking for what never was must not tie up more.
const WAITS_MAX: usize = 256;

/// The places of those who wait; clones share them.
#[derive(Clone, Debug)]
pub(super) struct Waits {
    places: Arc<Semaphore>,
    longest: Duration,
}

impl Waits {
    pub(super) fn of(longest: Duration) -> Waits {
        Waits { places: Arc::new(Semaphore::new(WAITS_MAX)), longest }
    }

    /// Looks until something is there or the wait is over; looks once when too many wait already.
    pub(super) async fn until<T>(
        &self,
        look: impl Fn() -> Result<Option<T>, Error>,
    ) -> Result<Option<T>, Error> {
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
