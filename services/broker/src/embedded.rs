//! The broker inside one process, on a store.
//!
//! A queue is a range of rows; what memory keeps is their order. A crash leaves the rows: after a start every row is
//! ready or put off as before, so what was delivered but not settled is delivered again. Bindings are rows too, hence
//! what is published while a consumer is away waits for it. Transient queues are in memory only.

mod held;
mod memory;
mod rows;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::AbortHandle;
use vitrina_storage::{Commit, Scan, Store, prefix};

use crate::api::{self, Settle, Verdict};
pub(crate) use crate::embedded::held::{Held, ack_all};
use crate::embedded::memory::{Lane, State, Transient};
use crate::embedded::rows::{BINDINGS, Binding, DEAD, QUEUED, QueuedRow};
use crate::{
    Broker, Consumer, DeadLetter, Delivery, Error, Health, Ladder, Message, Published, Queue, QueueKind,
    RECOVERY_TOPIC_PREFIX, many,
};

/// Rows of a queue before publishing is refused: about 1 GiB at 1 KiB each, days of a consumer's absence.
const QUEUE_ROWS_MAX: usize = 1_000_000;
/// Messages that wait in a transient queue. A consumer that falls behind further is ended, since it missed some.
const TRANSIENT_MESSAGES_MAX: usize = 10_000;
/// Messages that are published in one commit, and bytes of their payloads: with three queues for each, about what a commit
/// of the store takes. More of them are published one by one.
const TOGETHER_MESSAGES_MAX: usize = 256;
const TOGETHER_BYTES_MAX: usize = 512 * 1024;
/// Rows that are read at a time for a consumer.
const FEED_ROWS_MAX: usize = 64;
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

/// The queues of a message, with the row that it gets in each.
type Targets = Vec<(Arc<Lane>, u64)>;

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

    /// For each message the queues that it goes to, with the row that it gets.
    fn route(&self, messages: &[Message]) -> Result<Vec<Targets>, Error> {
        let mut state = self.state()?;
        let mut routes = Vec::with_capacity(messages.len());
        for message in messages {
            let mut lanes = Vec::new();
            for lane in state.lanes.values().filter(|lane| lane.is_bound_to(&message.topic)) {
                if lane.len() >= QUEUE_ROWS_MAX {
                    return Err(Error::Full(lane.name.clone()));
                }
                lanes.push(Arc::clone(lane));
            }
            let is_command = message.topic.starts_with(RECOVERY_TOPIC_PREFIX);
            if is_command
                && lanes.is_empty()
                && !state.transient.iter().any(|to| to.is_bound_to(&message.topic))
            {
                return Err(Error::Unroutable(message.topic.clone()));
            }
            routes.push(lanes.into_iter().map(|lane| (lane, state.next_seq())).collect());
        }
        Ok(routes)
    }

    /// Publishes all of them in one commit, or none.
    async fn publish_together(&self, messages: &[Message]) -> Result<(), Error> {
        let routes = self.route(messages)?;
        let mut commit = Commit::new();
        for (message, targets) in messages.iter().zip(&routes) {
            for (lane, seq) in targets {
                commit.put(&QUEUED, &(lane.name.clone(), *seq), &QueuedRow::new(message));
            }
        }
        self.store.commit(commit).await?;
        for (lane, seq) in routes.iter().flatten() {
            lane.ready(*seq);
        }
        self.send_transient(messages)
    }

    fn send_transient(&self, messages: &[Message]) -> Result<(), Error> {
        let mut state = self.state()?;
        state.transient.retain(|to| {
            let mut meant = messages.iter().filter(|message| to.is_bound_to(&message.topic));
            meant.all(|message| to.messages.try_send(message.clone()).is_ok())
        });
        Ok(())
    }
}

#[async_trait]
impl Broker for Embedded {
    async fn publish(&self, message: Message) -> Result<(), Error> {
        self.0.publish_together(&[message]).await
    }

    async fn publish_all(&self, messages: Vec<Message>) -> Published {
        let mut published = Published::none(messages.len());
        let mut at = 0;
        while at < messages.len() && published.failure.is_none() {
            let together = &messages[at..at + together(&messages[at..])];
            let is_durable = &mut published.is_durable[at..at + together.len()];
            if self.0.publish_together(together).await.is_ok() {
                is_durable.fill(true);
            } else {
                // Which of them it is, and whether the others can go, comes out one by one.
                let each = many::publish_each(self, together.to_vec()).await;
                is_durable.copy_from_slice(&each.is_durable);
                published.failure = each.failure;
            }
            at += together.len();
        }
        published
    }

    async fn consume(&self, queue: Queue) -> Result<Consumer, Error> {
        // What waits here counts against the prefetch already.
        let (sender, receiver) = mpsc::channel(usize::from(queue.prefetch.max(1)));
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
        Ok(rows.into_iter().map(|(_, row)| row.value.into_dead_letter()).collect())
    }

    async fn replay_dead_letter(&self, queue: &str, id: &str) -> Result<(), Error> {
        let key = (queue.to_owned(), id.to_owned());
        let row = DEAD.get(&self.0.store, &key)?.ok_or_else(|| missing(queue, id))?;
        let (lane, seq) = {
            let mut state = self.0.state()?;
            (state.lane(queue), state.next_seq())
        };
        let fresh = QueuedRow::new(&row.value.into_message());
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

/// How many of the first messages are published in one commit; at least one.
fn together(messages: &[Message]) -> usize {
    let mut bytes = 0;
    let fits = |message: &&Message| {
        bytes += message.payload.len();
        bytes <= TOGETHER_BYTES_MAX
    };
    messages.iter().take(TOGETHER_MESSAGES_MAX).take_while(fits).count().max(1)
}

async fn feed_transient(mut waiting: mpsc::Receiver<Message>, sender: mpsc::Sender<Delivery>) {
    while let Some(message) = waiting.recv().await {
        let delivery = Delivery { message, attempt: 1, held: api::Held::Single(Box::new(Forgotten)) };
        if sender.send(delivery).await.is_err() {
            return;
        }
    }
}

/// Feeds the consumer of a durable queue; a second consumer waits until the first has gone, for the order's sake.
async fn feed(inner: Arc<Inner>, lane: Arc<Lane>, permits: Arc<Semaphore>, sender: mpsc::Sender<Delivery>) {
    let _active = lane.active.lock().await;
    while let Ok(permit) = Arc::clone(&permits).acquire_owned().await {
        let held = take(&inner, &lane, &permits, permit).await;
        let keys: Vec<_> = held.iter().map(Held::key).collect();
        let rows = match QUEUED.get_many(&inner.store, &keys) {
            Ok(rows) => rows,
            Err(error) => {
                tracing::error!(
                    queue = lane.name,
                    error = &error as &dyn std::error::Error,
                    "a queue cannot be read"
                );
                drop(held);
                tokio::time::sleep(READ_PAUSE).await;
                continue;
            }
        };
        for (held, row) in held.into_iter().zip(rows) {
            let Some(row) = row else {
                held.forget();
                continue;
            };
            let attempt = row.value.attempt;
            let delivery =
                Delivery { message: row.value.into_message(), attempt, held: api::Held::Row(held) };
            if sender.send(delivery).await.is_err() {
                return;
            }
        }
    }
}

/// Takes the next row, and those that are ready behind it as far as the prefetch allows.
async fn take(
    inner: &Arc<Inner>,
    lane: &Arc<Lane>,
    permits: &Arc<Semaphore>,
    permit: OwnedSemaphorePermit,
) -> Vec<Held> {
    let first = lane.take().await;
    let mut held = vec![Held::new(inner, lane, first, permit)];
    while held.len() < FEED_ROWS_MAX
        && let Ok(permit) = Arc::clone(permits).try_acquire_owned()
        && let Some(seq) = lane.try_take()
    {
        held.push(Held::new(inner, lane, seq, permit));
    }
    held
}

/// A transient delivery: nothing is left to be done.
struct Forgotten;

#[async_trait]
impl Settle for Forgotten {
    async fn ack(self: Box<Self>) -> Result<(), Error> {
        Ok(())
    }

    async fn put_aside(self: Box<Self>, _: Message, _: u32, _: Verdict) -> Result<(), Error> {
        Ok(())
    }
}

fn missing(queue: &str, id: &str) -> Error {
    Error::NoSuchDeadLetter { queue: queue.to_owned(), id: id.to_owned() }
}
