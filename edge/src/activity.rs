//! What a client's connection is doing: its stream looks here, the gateway tells, and the listener ends it when it must.
//!
//! It is shared by the three because pingora hands out the stream of HTTP/1 only, while the requests of HTTP/2 know
//! nothing of each other. Nothing is kept; it ends with the connection.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures::task::AtomicWaker;

/// In `waiting_since_ms`: a request is being answered.
const BUSY: u64 = u64::MAX;

/// A client's connection, as far as its stream, its requests and the listener need to agree.
#[derive(Debug)]
pub(crate) struct Activity {
    accepted: Instant,
    /// Milliseconds after `accepted` since which no request runs, or [`BUSY`].
    waiting_since_ms: AtomicU64,
    running: AtomicU32,
    done: AtomicU32,
    broken_off: AtomicU32,
    is_tls: AtomicBool,
    is_http2: AtomicBool,
    cut: OnceLock<Cut>,
    reader: AtomicWaker,
}

/// Why the edge ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Its handshake or a header did not come in time.
    Slow,
    /// Others needed its slot, and it had waited the longest.
    Evicted,
    /// It broke off more requests than a client has reason to.
    Flood,
}

impl Activity {
    /// A connection that was accepted just now.
    pub(crate) fn new() -> Self {
        Self {
            accepted: Instant::now(),
            waiting_since_ms: AtomicU64::new(0),
            running: AtomicU32::new(0),
            done: AtomicU32::new(0),
            broken_off: AtomicU32::new(0),
            is_tls: AtomicBool::new(false),
            is_http2: AtomicBool::new(false),
            cut: OnceLock::new(),
            reader: AtomicWaker::new(),
        }
    }

    pub(crate) fn set_tls(&self) {
        self.is_tls.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_tls(&self) -> bool {
        self.is_tls.load(Ordering::Relaxed)
    }

    pub(crate) fn set_http2(&self) {
        self.is_http2.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_http2(&self) -> bool {
        self.is_http2.load(Ordering::Relaxed)
    }

    /// Tells that a header is complete. Gives how many requests of this connection run now, this one included.
    pub(crate) fn request_started(&self) -> u32 {
        self.waiting_since_ms.store(BUSY, Ordering::Relaxed);
        self.running.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Tells that a request is answered.
    pub(crate) fn request_done(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
        if self.running.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.waiting_since_ms.store(self.now_ms(), Ordering::Relaxed);
        }
    }

    /// Tells that requests were answered at once, between two reads.
    pub(crate) fn touch(&self) {
        self.waiting_since_ms.store(self.now_ms(), Ordering::Relaxed);
    }

    /// Tells that the client broke a request off. Gives whether it has done so more than `max` times and with more than
    /// half of its requests: one that shows a page and moves on breaks some off, a flood nearly all.
    pub(crate) fn request_broken_off(&self, max: u32) -> bool {
        let broken_off = self.broken_off.fetch_add(1, Ordering::Relaxed) + 1;
        broken_off > max && broken_off > self.done() / 2
    }

    /// Whether a request is being answered: what comes from the client now is a body or a later request.
    pub(crate) fn is_busy(&self) -> bool {
        self.running.load(Ordering::Relaxed) > 0
    }

    /// How many requests have been answered.
    pub(crate) fn done(&self) -> u32 {
        self.done.load(Ordering::Relaxed)
    }

    /// How long no request has run; `None` while one does.
    pub(crate) fn waiting(&self) -> Option<Duration> {
        let since_ms = self.waiting_since_ms.load(Ordering::Relaxed);
        (since_ms != BUSY).then(|| Duration::from_millis(self.now_ms().saturating_sub(since_ms)))
    }

    /// Ends the connection at its next read, which it wakes. The first reason counts.
    pub(crate) fn cut(&self, why: Cut) {
        // Set already: it ends for that.
        let _ = self.cut.set(why);
        self.reader.wake();
    }

    /// Why the edge ended the connection, when it did.
    pub(crate) fn why_cut(&self) -> Option<Cut> {
        self.cut.get().copied()
    }

    /// Ready once the connection is to end. One task at a time may wait.
    pub(crate) fn poll_cut(&self, cx: &Context<'_>) -> Poll<()> {
        if self.is_to_end() {
            return Poll::Ready(());
        }
        self.reader.register(cx.waker());
        // Once more: it may have been cut between the look and the registration.
        if self.is_to_end() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// One that others need the slot of, but whose request has come after all, is left until that is answered.
    fn is_to_end(&self) -> bool {
        match self.cut.get() {
            Some(Cut::Evicted) => !self.is_busy(),
            Some(Cut::Slow | Cut::Flood) => true,
            None => false,
        }
    }

    fn now_ms(&self) -> u64 {
        // Never BUSY: that many milliseconds are longer than any machine runs.
        u64::try_from(self.accepted.elapsed().as_millis()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_waits_while_none_of_its_requests_runs() {
        let activity = Activity::new();
        assert!(activity.waiting().is_some());
        activity.request_started();
        assert_eq!(activity.request_started(), 2);
        activity.request_done();
        assert!(activity.is_busy() && activity.waiting().is_none());
        activity.request_done();
        assert!(!activity.is_busy() && activity.waiting().is_some());
    }

    #[test]
    fn only_who_breaks_off_most_requests_floods() {
        let (flood, reader) = (Activity::new(), Activity::new());
        for count in 1..=20 {
            for activity in [&flood, &reader] {
                activity.request_started();
                activity.request_done();
            }
            assert_eq!(flood.request_broken_off(10), count > 10);
            if count % 4 == 0 {
                assert!(!reader.request_broken_off(1));
            }
        }
    }
}
