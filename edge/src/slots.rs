//! How many connections there may be, and which one goes when there are too many.
//!
//! A connection on which no request runs costs its client nothing: whoever opens many and sends their headers slowly, or
//! never, would keep everybody else out. So when no slot is free, those that have waited longest are ended: an attacker
//! pushes out himself and idle connections, whose clients open new ones, but nobody whose request is being answered.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::activity::{Activity, Cut};

/// A connection that has waited for less is not ended: its header may be on the way.
const WAIT_MIN: Duration = Duration::from_millis(100);

/// When none could be ended, all is looked at again after this time.
const AGAIN: Duration = Duration::from_millis(50);

/// The share of all slots that is freed at once, so that not every new connection has to look at all others.
const BATCH: usize = 64;

/// The slots of a listener.
#[derive(Debug)]
pub(crate) struct Slots {
    free: Arc<Semaphore>,
    batch: usize,
    next: AtomicU64,
    taken: Mutex<HashMap<u64, Arc<Activity>>>,
}

/// The right to one connection, until dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    slots: Arc<Slots>,
    number: u64,
    _permit: OwnedSemaphorePermit,
}

impl Slots {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self {
            free: Arc::new(Semaphore::new(max)),
            batch: (max / BATCH).max(1),
            next: AtomicU64::new(0),
            taken: Mutex::default(),
        })
    }

    /// Waits for a slot; when there is none, ends connections that wait for longest.
    pub(crate) async fn take(self: &Arc<Self>) -> Slot {
        let permit = loop {
            if let Ok(permit) = self.free.clone().try_acquire_owned() {
                break permit;
            }
            self.evict();
            if let Ok(Ok(permit)) = tokio::time::timeout(AGAIN, self.free.clone().acquire_owned()).await {
                break permit;
            }
        };
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        Slot { slots: self.clone(), number, _permit: permit }
    }

    fn evict(&self) {
        let mut waiting: Vec<_> = {
            let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
            taken
                .values()
                .filter_map(|activity| Some((activity.waiting()?, activity.clone())))
                .filter(|(waited, _)| *waited >= WAIT_MIN)
                .collect()
        };
        waiting.sort_unstable_by_key(|(waited, _)| std::cmp::Reverse(*waited));
        for (_, activity) in waiting.iter().take(self.batch) {
            activity.cut(Cut::Evicted);
        }
    }
}

impl Slot {
    /// Begins the connection that the slot is for.
    pub(crate) fn begin(&self) -> Arc<Activity> {
        let activity = Arc::new(Activity::new());
        let mut taken = self.slots.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.insert(self.number, activity.clone());
        activity
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.taken.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_waits_longest_goes_and_who_is_busy_stays() {
        let slots = Slots::new(2);
        let (busy, idle) = (slots.take().await, slots.take().await);
        let (running, waiting) = (busy.begin(), idle.begin());
        running.request_started();
        // The clock of activities is the machine's, so this one really waits.
        std::thread::sleep(WAIT_MIN);
        let third = tokio::spawn({
            let slots = slots.clone();
            async move { slots.take().await }
        });
        std::future::poll_fn(|cx| waiting.poll_cut(cx)).await;
        assert_eq!((waiting.why_cut(), running.why_cut()), (Some(Cut::Evicted), None));
        drop(idle);
        third.await.unwrap();
    }
}
