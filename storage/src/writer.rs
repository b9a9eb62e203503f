//! The commit thread: the only writer.
//!
//! It takes what is waiting, stages it as a group, hides the changed rows from readers, writes one batch, makes it durable,
//! shows the rows and answers. There is no wait for a group to fill: while one is on its way to disk, the next gathers.
//!
//! When the disk fails, the group is answered with the failure, its rows stay hidden, and the store is read-only until the
//! engine has recovered. What is then on disk counts, as after a crash.

use std::sync::{Arc, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tracing::{debug, error, info};

use crate::commit::{Commit, CommitSeq};
use crate::error::Error;
use crate::group::Group;
use crate::open;
use crate::records::Head;
use crate::store::Shared;
use crate::watchdog::BusyClock;

/// Most commits of a group. More gained nothing from 128 callers up when measured (see the design's storage page).
const GROUP_COMMITS_MAX: usize = 512;
/// Bounds of the batch of a group, within which a flush stays far below the watchdog's time-out. A single commit is below.
const GROUP_ROWS_MAX: usize = 8 * 1024;
const GROUP_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Without a commit for so long, the engine may rest.
const IDLE: Duration = Duration::from_secs(3);

/// What the commit thread is told.
pub(crate) enum Order {
    Commit(Request),
    Close(Option<oneshot::Sender<()>>),
}

/// What became of the commits of a request, in their order.
pub(crate) type Outcomes = Vec<Result<CommitSeq, Error>>;

/// Commits, each for itself, and where to answer them together.
pub(crate) struct Request {
    pub(crate) commits: Vec<Commit>,
    pub(crate) reply: oneshot::Sender<Outcomes>,
    /// Its place among the waiting requests, free again when it is answered.
    pub(crate) slot: OwnedSemaphorePermit,
}

struct Writer {
    shared: Arc<Shared>,
    orders: mpsc::Receiver<Order>,
    clock: BusyClock,
    probe_interval: Duration,
    head: Head,
    /// When to try again while read-only.
    next_probe: Option<Instant>,
}

/// What a group has come to.
#[derive(Default)]
struct Size {
    commits: usize,
    rows: usize,
    bytes: usize,
}

/// Ends the process when the thread panics: commits would otherwise be refused for ever, and a restart recovers.
struct AbortOnPanic;

pub(crate) fn spawn(
    shared: Arc<Shared>,
    orders: mpsc::Receiver<Order>,
    clock: BusyClock,
    probe_interval: Duration,
) -> Result<JoinHandle<()>, Error> {
    let head = shared.view.head();
    let mut writer = Writer { shared, orders, clock, probe_interval, head, next_probe: None };
    std::thread::Builder::new()
        .name("storage-commit".into())
        .spawn(move || {
            let _guard = AbortOnPanic;
            let closed = writer.run();
            writer.shared.view.engine().close();
            drop(writer);
            if let Some(closed) = closed {
                // Whoever closes may have stopped waiting.
                let _ = closed.send(());
            }
        })
        .map_err(|source| Error::io("start a thread", source))
}

impl Writer {
    /// Works until it is closed; gives back who waits for that.
    fn run(&mut self) -> Option<oneshot::Sender<()>> {
        loop {
            match self.next_order() {
                None if self.next_probe.is_some() => self.probe(),
                None => self.rest(),
                Some(Order::Close(closed)) => return closed,
                Some(Order::Commit(first)) => {
                    let (group, close) = self.gather(first);
                    self.commit_or_refuse(group);
                    if let Some(closed) = close {
                        return closed;
                    }
                }
            }
        }
    }

    /// The next order; `None` when it is time to probe, or to rest.
    fn next_order(&self) -> Option<Order> {
        let wait = match self.next_probe {
            Some(at) => at.checked_duration_since(Instant::now())?,
            None => IDLE,
        };
        match self.orders.recv_timeout(wait) {
            Ok(order) => Some(order),
            Err(mpsc::RecvTimeoutError::Timeout) => None,
            Err(mpsc::RecvTimeoutError::Disconnected) => Some(Order::Close(None)),
        }
    }

    /// What else is waiting, within the bounds of a group, and a close when one came.
    fn gather(&self, first: Request) -> (Vec<Request>, Option<Option<oneshot::Sender<()>>>) {
        let mut size = Size::default();
        size.add(&first);
        let mut group = vec![first];
        while size.has_room() {
            match self.orders.try_recv() {
                Ok(Order::Commit(request)) => {
                    size.add(&request);
                    group.push(request);
                }
                Ok(Order::Close(closed)) => return (group, Some(closed)),
                Err(_) => break,
            }
        }
        (group, None)
    }

    fn commit_or_refuse(&mut self, group: Vec<Request>) {
        let read_only = self.shared.read_only.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(reason) = read_only {
            let refusal = Error::ReadOnly { reason };
            for Request { commits, reply, .. } in group {
                answer(reply, commits.iter().map(|_| Err(refusal.clone())).collect());
            }
            return;
        }
        self.commit(group);
    }

    fn commit(&mut self, requests: Vec<Request>) {
        let shared = Arc::clone(&self.shared);
        let mut group = Group::new(shared.view.engine(), self.head);
        let mut answers = Vec::with_capacity(requests.len());
        let mut slots = Vec::with_capacity(requests.len());
        for Request { commits, reply, slot } in requests {
            let staged: Outcomes = commits.into_iter().map(|commit| group.stage(commit)).collect();
            answers.push((reply, staged));
            slots.push(slot);
        }
        // Refusals wait as well: one that is due to a commit of this group must not be told before that commit is readable.
        let outcome = if group.is_empty() { Ok(()) } else { self.write(group) };
        for (reply, mut staged) in answers {
            if let Err(failure) = &outcome {
                staged
                    .iter_mut()
                    .filter(|staged| staged.is_ok())
                    .for_each(|staged| *staged = Err(failure.clone()));
            }
            answer(reply, staged);
        }
        drop(slots);
        if outcome.is_err() {
            // Many failures are over at once; then nobody needs to wait for the interval.
            self.probe();
        }
    }

    fn write(&mut self, group: Group<'_>) -> Result<(), Error> {
        let (head, before, batch) = group.finish();
        self.shared.view.hide(before);
        self.shared.set_busy_since_ms(self.clock.now_ms());
        let engine = self.shared.view.engine();
        let outcome = engine.apply(&batch).and_then(|()| engine.sync(head.commit_seq));
        self.shared.set_busy_since_ms(0);
        match &outcome {
            Ok(()) => self.show(head),
            Err(failure) => {
                let reason = describe(failure);
                error!(reason, rows = batch.len(), "the disk refuses writes; the store is read-only");
                self.shared.set_read_only(Some(reason));
                self.next_probe = Some(Instant::now() + self.probe_interval);
            }
        }
        outcome
    }

    fn show(&mut self, head: Head) {
        self.head = head;
        self.shared.view.reveal(head);
        self.shared.outbox.send_if_modified(|last| {
            let is_new = *last != head.outbox_seq;
            *last = head.outbox_seq;
            is_new
        });
    }

    /// Lets the engine give back memory.
    fn rest(&mut self) {
        if let Err(failure) = self.shared.view.engine().rest() {
            let reason = describe(&failure);
            error!(reason, "the store could not be opened anew; it is read-only");
            self.shared.set_read_only(Some(reason));
            self.next_probe = Some(Instant::now() + self.probe_interval);
        }
    }

    /// Tries to leave the read-only mode.
    fn probe(&mut self) {
        let engine = self.shared.view.engine();
        match engine.recover().and_then(|()| open::read_head(engine)) {
            Ok(head) => {
                self.show(head);
                self.shared.set_read_only(None);
                self.next_probe = None;
                info!(commit_seq = head.commit_seq, "the store takes writes again");
            }
            Err(failure) => {
                debug!(reason = describe(&failure), "the store stays read-only");
                self.next_probe = Some(Instant::now() + self.probe_interval);
            }
        }
    }
}

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::process::abort();
        }
    }
}

impl Size {
    fn add(&mut self, request: &Request) {
        self.commits += request.commits.len();
        for commit in &request.commits {
            let (rows, bytes) = commit.size();
            self.rows += rows;
            self.bytes += bytes;
        }
    }

    fn has_room(&self) -> bool {
        self.commits < GROUP_COMMITS_MAX && self.rows < GROUP_ROWS_MAX && self.bytes < GROUP_BYTES_MAX
    }
}

fn answer(reply: oneshot::Sender<Outcomes>, outcomes: Outcomes) {
    // Whoever asked may be gone; the commits stand all the same.
    let _ = reply.send(outcomes);
}

/// A failure with its source, in one line.
fn describe(failure: &Error) -> String {
    match std::error::Error::source(failure) {
        Some(source) => format!("{failure}: {source}"),
        None => failure.to_string(),
    }
}
