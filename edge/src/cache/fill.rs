//! One fill at a time for each key: of many that miss the same, one fetches and the others wait for it.
//!
//! A fill runs as a task of its own ([`Fills::once`]), so that the client whose request began it may hang up without the
//! others noticing. Where that cannot be (a proxied request lives in the phases of its own session), [`Fills::join`] hands
//! out the lead; a lead that is dropped tells the waiters so. They are told apart: *stored* is served to all, what was *not
//! storable* may be for the first only, and after an *abandoned* fill the next one leads.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use tokio::time::Instant;
use tracing::Instrument as _;

use super::entry::Entry;

/// How a fill ended. `T` is what there is to give when nothing could be stored.
#[derive(Clone, Debug)]
pub(crate) enum Outcome<T> {
    /// It is in the store.
    Stored(Arc<Entry>),
    /// It came, and could not be stored.
    NotStorable(T),
    /// Nothing came: the leader is gone.
    Abandoned,
}

/// The outcome of a fill, once there is one.
type Pending<T> = Option<Outcome<T>>;

/// By the key of the entry.
type Running<T> = HashMap<Box<[u8]>, watch::Receiver<Pending<T>>>;

/// The fills under way.
#[derive(Debug)]
pub(crate) struct Fills<T> {
    running: Mutex<Running<T>>,
}

/// Whether to fetch or to wait.
#[derive(Debug)]
pub(crate) enum Place<T: Clone> {
    /// Fetch, and tell the others.
    Leader(Lead<T>),
    /// Another one fetches.
    Waiter(Wait<T>),
}

/// The duty to end a fill. Dropping it abandons the fill.
#[derive(Debug)]
pub(crate) struct Lead<T: Clone> {
    fills: Arc<Fills<T>>,
    key: Box<[u8]>,
    outcome: watch::Sender<Pending<T>>,
}

/// The right to hear how a fill ended.
#[derive(Debug)]
pub(crate) struct Wait<T> {
    outcome: watch::Receiver<Pending<T>>,
    /// Whether another request began the fill.
    pub(crate) is_collapsed: bool,
}

impl<T> Default for Fills<T> {
    fn default() -> Self {
        Self { running: Mutex::default() }
    }
}

impl<T: Clone + Send + Sync + 'static> Fills<T> {
    /// Takes part in the fill of a key: the first leads.
    pub(crate) fn join(self: &Arc<Self>, key: &[u8]) -> Place<T> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(outcome) = running.get(key) {
            return Place::Waiter(Wait { outcome: outcome.clone(), is_collapsed: true });
        }
        let (sender, receiver) = watch::channel(None);
        running.insert(key.into(), receiver);
        Place::Leader(Lead { fills: self.clone(), key: key.into(), outcome: sender })
    }

    /// Waits for the fill of a key, which this starts as a task of its own when there is none. The task continues the
    /// trace of whoever started it.
    pub(crate) fn once<A>(self: &Arc<Self>, key: &[u8], fill: impl FnOnce() -> A) -> Wait<T>
    where
        A: Future<Output = Outcome<T>> + Send + 'static,
    {
        match self.join(key) {
            Place::Waiter(wait) => wait,
            Place::Leader(lead) => {
                let wait = Wait { outcome: lead.outcome.subscribe(), is_collapsed: false };
                let filling = fill();
                tokio::spawn(async move { lead.finish(filling.await) }.in_current_span());
                wait
            }
        }
    }

    /// Whether a fill of the key is under way.
    pub(crate) fn is_running(&self, key: &[u8]) -> bool {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).contains_key(key)
    }

    /// Fills under way now.
    pub(crate) fn len(&self) -> usize {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

impl<T: Clone> Lead<T> {
    /// Tells all waiters. What was stored must be in the store before, so that who comes after finds it there.
    pub(crate) fn finish(self, outcome: Outcome<T>) {
        self.leave();
        self.outcome.send_replace(Some(outcome));
    }

    fn leave(&self) {
        self.fills.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

impl<T: Clone> Drop for Lead<T> {
    fn drop(&mut self) {
        if self.outcome.borrow().is_none() {
            self.leave();
            self.outcome.send_replace(Some(Outcome::Abandoned));
        }
    }
}

impl<T: Clone> Wait<T> {
    /// How the fill ended; `None` when it did not by the deadline.
    pub(crate) async fn outcome(mut self, deadline: Instant) -> Option<Outcome<T>> {
        let ended = tokio::time::timeout_at(deadline, self.outcome.wait_for(Option::is_some)).await.ok()?;
        // A sender that vanished without a word is an abandoned fill as well.
        Some(ended.ok().and_then(|outcome| outcome.clone()).unwrap_or(Outcome::Abandoned))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(30)
    }

    #[tokio::test]
    async fn those_who_come_meanwhile_get_the_same() {
        let fills: Arc<Fills<u32>> = Arc::default();
        let (go, gone) = tokio::sync::oneshot::channel::<()>();
        let first = fills.once(b"k", || async {
            let _ = gone.await;
            Outcome::NotStorable(7)
        });
        let second = fills.once(b"k", || async { Outcome::NotStorable(8) });
        assert!(!first.is_collapsed && second.is_collapsed);
        // The first hangs up.
        drop(first);
        go.send(()).unwrap();
        assert!(matches!(second.outcome(soon()).await, Some(Outcome::NotStorable(7))));
        assert_eq!(fills.len(), 0);
    }

    #[tokio::test]
    async fn a_lead_that_is_dropped_is_told() {
        let fills: Arc<Fills<u32>> = Arc::default();
        let Place::Leader(lead) = fills.join(b"k") else { panic!("the first leads") };
        let Place::Waiter(wait) = fills.join(b"k") else { panic!("the second waits") };
        drop(lead);
        assert!(matches!(wait.outcome(soon()).await, Some(Outcome::Abandoned)));
        assert!(matches!(fills.join(b"k"), Place::Leader(_)));
    }

    #[tokio::test]
    async fn a_wait_has_an_end() {
        let fills: Arc<Fills<u32>> = Arc::default();
        let _lead = fills.join(b"k");
        let Place::Waiter(wait) = fills.join(b"k") else { panic!("the second waits") };
        assert!(wait.outcome(Instant::now()).await.is_none());
    }
}
