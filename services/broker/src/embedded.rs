//! The broker inside one process, on a store.
//!
//! A queue is a range of rows; what memory keeps is their order. A crash leaves the rows: after a start every row is
//! ready or put off as before, so what was delivered but not settled is delivered again. Bindings are rows too, hence
//! what is published while a consumer is away waits for it. Transient queues are in memory only.

mod memory;
mod rows;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::AbortHandle;
use vitrina_storage::{Commit, Scan, Store, prefix};

use crate::api::{Settle, Verdict};
use crate::embedded::memory::{Lane, State, Transient, now_ms};
use crate::embedded::rows::{BINDINGS, Binding, DEAD, QUEUED, QueuedRow};
use crate::{
    Broker, Consumer, DeadLetter, Delivery, Error, Health, Ladder, Message, Queue, QueueKind,
    RECOVERY_TOPIC_PREFIX, topic,
};

/// Rows of a queue before publishing is refused: about 1 GiB at 1 KiB each, days of a consumer's absence.
const QUEUE_ROWS_MAX: usize = 1_000_000;
/// Messages that wait in a transient queue. A consumer that falls behind further is ended, since it missed some.
const TRANSIENT_MESSAGES_MAX: usize = 10_000;
/// The pause after a failed read of the store.
const READ_PAUSE: Duration = Duration::from_secs(1);

/// The embedded broker with the usual ladder. The store must be its own.
pub fn embedded(store: Store) -> Arc<dyn Broker> {
    embedded_with(store, Ladder::default())
}

/// The embedded broker with a ladder of one's own.
pub fn embedded_with(store: Store, ladder: Ladder) -> Arc<dyn Broker> {
    Arc::new(Embedded(Arc::new(Inner { store, ladder, state: Mutex::default() })))
}

struct Embedded(Arc<Inner>);

struct Inner {
    store: Store,
    ladder: Ladder,
    state: Mutex<State>,
}

impl Inner {
    /// The state, read from the store at the first call.
    fn state(&self) -> Result<MutexGuard<'_, State>, Error> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.is_closed {
            return Err(Error::Closed);
        }
        if !state.is_loaded {
            state.load(&self.store)?;
        }
        Ok(state)
    }

    /// The queues that a message goes to, with the row that it gets.
    fn route(&self, message: &Message) -> Result<Vec<(Arc<Lane>, u64)>, Error> {
        let mut state = self.state()?;
        let mut targets = Vec::new();
        for lane in state.lanes.values() {
            if lane.topics().iter().any(|pattern| topic::is_match(pattern, &message.topic)) {
                if lane.len() >= QUEUE_ROWS_MAX {
                    return Err(Error::Full(lane.name.clone()));
                }
                targets.push(Arc::clone(lane));
            }
        }
        Ok(targets.into_iter().map(|lane| (lane, state.next_seq())).collect())
    }

    fn send_transient(&self, message: &Message) -> Result<usize, Error> {
        let mut state = self.state()?;
        let is_meant =
            |to: &Transient| to.topics.iter().any(|pattern| topic::is_match(pattern, &message.topic));
        state.transient.retain(|to| !is_meant(to) || to.messages.try_send(message.clone()).is_ok());
        Ok(state.transient.iter().filter(|to| is_meant(to)).count())
    }
}

#[async_trait]
impl Broker for Embedded {
    async fn publish(&self, message: Message) -> Result<(), Error> {
        let targets = self.0.route(&message)?;
        if !targets.is_empty() {
            let mut commit = Commit::new();
            for (lane, seq) in &targets {
                commit.put(&QUEUED, &(lane.name.clone(), *seq), &QueuedRow::new(&message));
            }
            self.0.store.commit(commit).await?;
        }
        for (lane, seq) in &targets {
            lane.ready(*seq);
        }
        let heard = self.0.send_transient(&message)? + targets.len();
        if heard == 0 && message.topic.starts_with(RECOVERY_TOPIC_PREFIX) {
            return Err(Error::Unroutable(message.topic));
        }
        Ok(())
    }

    async fn consume(&self, queue: Queue) -> Result<Consumer, Error> {
        let (sender, receiver) = mpsc::channel(1);
        let feeder = match queue.kind {
            QueueKind::Transient => {
                let (messages, waiting) = mpsc::channel(TRANSIENT_MESSAGES_MAX);
                self.0.state()?.transient.push(Transient { topics: queue.topics, messages });
                tokio::spawn(feed_transient(waiting, sender)).abort_handle()
            }
            QueueKind::Durable => self.consume_durable(queue, sender).await?,
        };
        self.0.state()?.feeders.push(feeder.clone());
        Ok(Consumer::new(receiver, feeder))
    }

    fn health(&self) -> Health {
        match self.0.store.is_read_only() {
            Some(reason) => Health { is_up: false, detail: reason },
            None => Health { is_up: true, detail: "embedded".to_owned() },
        }
    }

    async fn close(&self) {
        if let Ok(mut state) = self.0.state() {
            state.is_closed = true;
            state.transient.clear();
            state.feeders.drain(..).for_each(|feeder| feeder.abort());
        }
        self.0.store.close().await;
    }

    async fn dead_letters(&self, queue: &str, limit: usize) -> Result<Vec<DeadLetter>, Error> {
        let scan = Scan::first(prefix(&queue.to_owned()), limit);
        let rows = DEAD.scan(&self.0.store, scan)?;
        Ok(rows.into_iter().map(|(_, row)| row.value.dead_letter()).collect())
    }

    async fn replay_dead_letter(&self, queue: &str, id: &str) -> Result<(), Error> {
        let key = (queue.to_owned(), id.to_owned());
        let row = DEAD.get(&self.0.store, &key)?.ok_or_else(|| missing(queue, id))?;
        let (lane, seq) = {
            let mut state = self.0.state()?;
            (state.lane(queue), state.next_seq())
        };
        let fresh = QueuedRow::new(&row.value.message());
        let mut commit = Commit::new();
        commit.expect(&DEAD, &key, row.version).delete(&DEAD, &key).put(
            &QUEUED,
            &(key.0.clone(), seq),
            &fresh,
        );
        self.0.store.commit(commit).await?;
        lane.ready(seq);
        Ok(())
    }

    async fn drop_dead_letter(&self, queue: &str, id: &str) -> Result<(), Error> {
        let key = (queue.to_owned(), id.to_owned());
        let row = DEAD.get(&self.0.store, &key)?.ok_or_else(|| missing(queue, id))?;
        let mut commit = Commit::new();
        commit.expect(&DEAD, &key, row.version).delete(&DEAD, &key);
        self.0.store.commit(commit).await?;
        Ok(())
    }
}

impl Embedded {
    async fn consume_durable(
        &self,
        queue: Queue,
        sender: mpsc::Sender<Delivery>,
    ) -> Result<AbortHandle, Error> {
        let mut commit = Commit::new();
        commit.put(&BINDINGS, &queue.name, &Binding { topics: queue.topics.clone() });
        self.0.store.commit(commit).await?;
        let lane = self.0.state()?.lane(&queue.name);
        lane.bind(queue.topics);
        let permits = Arc::new(Semaphore::new(usize::from(queue.prefetch.max(1))));
        Ok(tokio::spawn(feed(Arc::clone(&self.0), lane, permits, sender)).abort_handle())
    }
}

async fn feed_transient(mut waiting: mpsc::Receiver<Message>, sender: mpsc::Sender<Delivery>) {
    while let Some(message) = waiting.recv().await {
        let delivery = Delivery { message, attempt: 1, settle: Box::new(Forgotten) };
        if sender.send(delivery).await.is_err() {
            return;
        }
    }
}

/// Feeds the consumer of a durable queue; a second consumer waits until the first has gone, for the order's sake.
async fn feed(inner: Arc<Inner>, lane: Arc<Lane>, permits: Arc<Semaphore>, sender: mpsc::Sender<Delivery>) {
    let _active = lane.active.lock().await;
    while let Ok(permit) = Arc::clone(&permits).acquire_owned().await {
        let seq = lane.take().await;
        let held = Held {
            inner: Arc::clone(&inner),
            lane: Arc::clone(&lane),
            seq,
            is_settled: Settled::No,
            _permit: permit,
        };
        match QUEUED.get(&inner.store, &(lane.name.clone(), seq)) {
            Ok(Some(row)) => {
                let delivery = Delivery {
                    message: row.value.message(),
                    attempt: row.value.attempt,
                    settle: Box::new(held),
                };
                if sender.send(delivery).await.is_err() {
                    return;
                }
            }
            Ok(None) => held.forget(),
            Err(error) => {
                tracing::error!(
                    queue = lane.name,
                    error = &error as &dyn std::error::Error,
                    "a queue cannot be read"
                );
                drop(held);
                tokio::time::sleep(READ_PAUSE).await;
            }
        }
    }
}

#[derive(PartialEq, Eq)]
enum Settled {
    No,
    Yes,
}

/// A row that was delivered; it becomes ready again when it is dropped unsettled.
struct Held {
    inner: Arc<Inner>,
    lane: Arc<Lane>,
    seq: u64,
    is_settled: Settled,
    _permit: OwnedSemaphorePermit,
}

impl Held {
    fn forget(mut self) {
        self.is_settled = Settled::Yes;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.is_settled == Settled::No {
            self.lane.ready(self.seq);
        }
    }
}

#[async_trait]
impl Settle for Held {
    async fn settle(
        mut self: Box<Self>,
        message: Message,
        attempt: u32,
        verdict: Verdict,
    ) -> Result<(), Error> {
        let key = (self.lane.name.clone(), self.seq);
        let mut row = QueuedRow::new(&message);
        row.attempt = attempt;
        let mut commit = Commit::new();
        let mut due = None;
        match verdict {
            Verdict::Done => {
                commit.delete(&QUEUED, &key);
            }
            Verdict::Later(cause) => {
                row.cause = cause;
                if let Some(delay) = self.inner.ladder.after(attempt) {
                    row.attempt = attempt.saturating_add(1);
                    row.due_ms =
                        now_ms().saturating_add(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX));
                    due = Some(row.due_ms);
                    commit.put(&QUEUED, &key, &row);
                } else {
                    commit.delete(&QUEUED, &key).put(&DEAD, &(key.0.clone(), message.id), &row);
                }
            }
            Verdict::Dead(cause) => {
                row.cause = cause;
                commit.delete(&QUEUED, &key).put(&DEAD, &(key.0.clone(), message.id), &row);
            }
        }
        self.inner.store.commit(commit).await?;
        self.is_settled = Settled::Yes;
        if let Some(due) = due {
            self.lane.put_off(due, self.seq);
        }
        Ok(())
    }
}

/// A transient delivery: nothing is left to be done.
struct Forgotten;

#[async_trait]
impl Settle for Forgotten {
    async fn settle(self: Box<Self>, _: Message, _: u32, _: Verdict) -> Result<(), Error> {
        Ok(())
    }
}

fn missing(queue: &str, id: &str) -> Error {
    Error::NoSuchDeadLetter { queue: queue.to_owned(), id: id.to_owned() }
}
