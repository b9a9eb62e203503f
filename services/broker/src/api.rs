//! The interface that both implementations keep.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::{Error, embedded, many};

/// Topics of commands: unlike an event, a command without a queue is refused.
pub const RECOVERY_TOPIC_PREFIX: &str = "recovery.";

/// A broker.
#[async_trait]
pub trait Broker: Send + Sync + 'static {
    /// Gives `message` to every queue whose topics match. `Ok` only once it is durable.
    ///
    /// # Errors
    /// The message may be there or not; publish it again with the same id.
    async fn publish(&self, message: Message) -> Result<(), Error>;

    /// Publishes several messages: those of one key in their order, and none behind one of its key that failed. What each of
    /// them costs is a part of what it costs alone.
    async fn publish_all(&self, messages: Vec<Message>) -> Published {
        many::publish_each(self, messages).await
    }

    /// Declares `queue` and consumes it until the consumer is dropped or the broker closed. One consumer of a durable
    /// queue is active at a time. The implementation reconnects by itself.
    ///
    /// # Errors
    /// When the queue could not be declared; try again.
    async fn consume(&self, queue: Queue) -> Result<Consumer, Error>;

    /// Whether messages can be published now.
    fn health(&self) -> Health;

    /// Ends all consumers and lets go of the connection.
    async fn close(&self);

    /// The dead letters of a queue, at most `limit`.
    async fn dead_letters(&self, queue: &str, limit: usize) -> Result<Vec<DeadLetter>, Error>;

    /// Puts a dead letter back into its queue, with all its attempts.
    async fn replay_dead_letter(&self, queue: &str, id: &str) -> Result<(), Error>;

    /// Forgets a dead letter.
    async fn drop_dead_letter(&self, queue: &str, id: &str) -> Result<(), Error>;
}

/// What is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// Unique; the same id is the same message.
    pub id: String,
    /// What happened, words between dots: `product.changed`.
    pub topic: String,
    /// The id of the entity.
    pub key: String,
    /// The encoded event.
    pub payload: Bytes,
    /// Names and values; the W3C trace context rides here.
    pub headers: Vec<(String, String)>,
}

/// What became of messages that were published together.
#[derive(Debug)]
pub struct Published {
    /// For each message in its place whether it is durable. Of the others some may be there nevertheless: publish them again
    /// with the same ids.
    pub is_durable: Vec<bool>,
    /// Why the first of the others is not.
    pub failure: Option<Error>,
}

/// What is listened to.
#[derive(Clone, Debug)]
pub struct Queue {
    /// `publications.inbox`, `recovery.users`.
    pub name: String,
    /// Patterns of topics; `*` stands for one word and `#` for any number.
    pub topics: Vec<String>,
    /// Whether it outlives its consumer.
    pub kind: QueueKind,
    /// Deliveries that may be unsettled at a time, at least 1.
    pub prefetch: u16,
}

/// Whether a queue outlives its consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueKind {
    /// It stays, and so do its messages.
    Durable,
    /// It ends with its consumer and has no retries and no dead letters. Each consumer has a queue of its own.
    Transient,
}

/// Whether the broker can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Messages can be published.
    pub is_up: bool,
    /// For the operator.
    pub detail: String,
}

/// A message that was given up.
#[derive(Clone, Debug)]
pub struct DeadLetter {
    /// The message as it was published.
    pub message: Message,
    /// Why, in the words of the last consumer.
    pub cause: String,
    /// How often it was delivered.
    pub attempts: u32,
}

/// The delays between attempts; after the last one a message becomes a dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ladder(pub Vec<Duration>);

impl Default for Ladder {
    /// 1 s, 5 s, 30 s, 2 min, 10 min, 1 h: a restart, a deployment, an incident.
    fn default() -> Ladder {
        Ladder([1, 5, 30, 120, 600, 3600].map(Duration::from_secs).to_vec())
    }
}

impl Ladder {
    /// The delay after the failed attempt number `attempt` (from 1); `None` after the last.
    pub(crate) fn after(&self, attempt: u32) -> Option<Duration> {
        self.0.get(usize::try_from(attempt).ok()?.checked_sub(1)?).copied()
    }
}

/// A message to be settled. One that is dropped unsettled is delivered again.
pub struct Delivery {
    /// The message.
    pub message: Message,
    /// From 1; redeliveries after a crash do not count.
    pub attempt: u32,
    pub(crate) held: Held,
}

/// What becomes of a delivery that is not done.
pub(crate) enum Verdict {
    Later(String),
    Dead(String),
}

/// The way back to the broker that delivered.
pub(crate) enum Held {
    /// A row of the embedded broker: many are acknowledged in one commit.
    Row(embedded::Held),
    /// Whatever is settled one by one.
    Single(Box<dyn Settle>),
}

/// A delivery that is settled by itself.
#[async_trait]
pub(crate) trait Settle: Send + Sync {
    async fn ack(self: Box<Self>) -> Result<(), Error>;

    async fn put_aside(
        self: Box<Self>,
        message: Message,
        attempt: u32,
        verdict: Verdict,
    ) -> Result<(), Error>;
}

impl Delivery {
    /// The effect is committed; the message is done.
    ///
    /// # Errors
    /// It will be delivered again.
    pub async fn ack(self) -> Result<(), Error> {
        Delivery::ack_all(vec![self]).await
    }

    /// As [`Delivery::ack`], for several deliveries of one broker; the embedded one makes a single commit of it.
    ///
    /// # Errors
    /// Some or all of them will be delivered again.
    pub async fn ack_all(deliveries: Vec<Delivery>) -> Result<(), Error> {
        let mut rows = Vec::with_capacity(deliveries.len());
        for delivery in deliveries {
            match delivery.held {
                Held::Row(held) => rows.push(held),
                Held::Single(held) => held.ack().await?,
            }
        }
        embedded::ack_all(rows).await
    }

    /// Delivers it again after the next step of the ladder; after the last one it is a dead letter.
    ///
    /// # Errors
    /// It will be delivered again, sooner.
    pub async fn retry_later(self, cause: &str) -> Result<(), Error> {
        self.put_aside(Verdict::Later(cause.to_owned())).await
    }

    /// Gives it up: no attempt can help.
    ///
    /// # Errors
    /// It will be delivered again.
    pub async fn dead(self, cause: &str) -> Result<(), Error> {
        self.put_aside(Verdict::Dead(cause.to_owned())).await
    }

    async fn put_aside(self, verdict: Verdict) -> Result<(), Error> {
        match self.held {
            Held::Row(held) => held.put_aside(self.message, self.attempt, verdict).await,
            Held::Single(held) => held.put_aside(self.message, self.attempt, verdict).await,
        }
    }
}

impl std::fmt::Debug for Delivery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Delivery")
            .field("message", &self.message)
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}

/// The deliveries of a queue.
#[derive(Debug)]
pub struct Consumer {
    deliveries: mpsc::Receiver<Delivery>,
    feeder: AbortHandle,
}

impl Consumer {
    pub(crate) fn new(deliveries: mpsc::Receiver<Delivery>, feeder: AbortHandle) -> Consumer {
        Consumer { deliveries, feeder }
    }

    /// The next delivery; `None` once the broker is closed. Safe to cancel.
    pub async fn next(&mut self) -> Option<Delivery> {
        self.deliveries.recv().await
    }

    /// The next delivery when there is one at this moment.
    pub fn try_next(&mut self) -> Option<Delivery> {
        self.deliveries.try_recv().ok()
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.feeder.abort();
    }
}
