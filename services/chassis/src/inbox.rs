//! From the broker into the service: each message takes effect once.
//!
//! The id of the message is marked in the commit of its effect, and only then is the message acknowledged. A message that
//! comes again, because a crash or an outage came between, conflicts with its own mark and is acknowledged without effect.
//! Messages of one key are handled in the order in which they came; those of different keys at the same time.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::future;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use vitrina_broker::{Consumer, Delivery, Message, Queue};
use vitrina_storage::{self as storage, Commit};

use crate::call::chain;
use crate::context::Context;
use crate::fault::{Code, IntoFault};
use crate::relay::backoff;
use crate::telemetry;

/// Keys that are worked on at once. Each waits for two syncs, that of its effect and that of its acknowledgement, 2–5 ms
/// each on a slow disk; commits of one moment share a sync. 64 of them make some thousand messages a second, where 8 stay
/// under one thousand, and an import of a catalogue sends that many.
const LANES: usize = 64;
/// Messages that wait in a lane; together with the broker's prefetch this bounds what a service holds in memory.
const LANE_MESSAGES_MAX: usize = 8;
/// Attempts to commit an effect before the message goes back to the broker: a conflict is over after one round, mostly.
const ATTEMPTS_MAX: u32 = 16;
/// Longest wait between two attempts.
const CONFLICT_WAIT_MAX: Duration = Duration::from_millis(32);

/// Makes the commit of a message's effect.
pub(crate) type Handler = Arc<dyn Fn(&Message) -> Result<Option<Commit>, Failed> + Send + Sync>;

/// What a service listens to.
pub(crate) struct Inbox {
    pub(crate) queue: Queue,
    pub(crate) handler: Handler,
}

/// Why a handler did not come to a commit.
pub(crate) struct Failed {
    is_hopeless: bool,
    cause: String,
}

/// What becomes of a delivery.
enum Outcome {
    Done,
    Later(String),
    Dead(String),
}

/// Keeps what the inbox needs of a handler's error.
pub(crate) fn failed(error: &(impl IntoFault + std::error::Error)) -> Failed {
    Failed { is_hopeless: error.fault().code == Code::InvalidInput, cause: chain(error) }
}

/// Handles messages until it is told to stop; then finishes what it took and returns. `listening` is cancelled once the
/// queue exists, from when on nothing that is published is missed.
pub(crate) async fn run(ctx: Context, inbox: Inbox, listening: CancellationToken, stop: CancellationToken) {
    let mut failures = 0;
    while !stop.is_cancelled() {
        match ctx.broker.consume(inbox.queue.clone()).await {
            Ok(consumer) => {
                failures = 0;
                listening.cancel();
                drain(&ctx, &inbox, consumer, &stop).await;
            }
            Err(error) => {
                failures += 1;
                tracing::warn!(
                    queue = inbox.queue.name,
                    error = chain(&error),
                    "the queue cannot be consumed"
                );
            }
        }
        // The consumer reconnects by itself; it ends only when the broker was closed, which is no reason to spin.
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(backoff(failures)) => {}
        }
    }
}

async fn drain(ctx: &Context, inbox: &Inbox, mut consumer: Consumer, stop: &CancellationToken) {
    let (lanes, workers): (Vec<_>, Vec<_>) = (0..LANES)
        .map(|_| {
            let (lane, deliveries) = mpsc::channel(LANE_MESSAGES_MAX);
            (lane, work(ctx, inbox, deliveries))
        })
        .unzip();
    let take = async move {
        loop {
            let delivery = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                delivery = consumer.next() => delivery,
            };
            let Some(delivery) = delivery else { break };
            let lane = &lanes[lane_of(&delivery.message.key)];
            // A worker lives as long as its lane, so this waits for room and cannot fail.
            if lane.send(delivery).await.is_err() {
                break;
            }
        }
        // The lanes close here, and the consumer only after the workers have acknowledged what they hold.
        drop(lanes);
        consumer
    };
    let (consumer, _) = future::join(take, future::join_all(workers)).await;
    drop(consumer);
}

fn lane_of(key: &str) -> usize {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    (hasher.finish() % LANES as u64) as usize
}

async fn work(ctx: &Context, inbox: &Inbox, mut deliveries: mpsc::Receiver<Delivery>) {
    while let Some(delivery) = deliveries.recv().await {
        let span = telemetry::process_span(&inbox.queue.name, &delivery.message, delivery.attempt);
        deliver(ctx, inbox, delivery).instrument(span).await;
    }
}

async fn deliver(ctx: &Context, inbox: &Inbox, delivery: Delivery) {
    let queue = inbox.queue.name.as_str();
    let settled = match handle(ctx, inbox, &delivery.message).await {
        Outcome::Done => {
            telemetry::consumed(queue, "done");
            delivery.ack().await
        }
        Outcome::Later(cause) => {
            tracing::warn!(
                queue,
                message_id = delivery.message.id,
                attempt = delivery.attempt,
                cause,
                "a message is put off"
            );
            telemetry::consumed(queue, "later");
            delivery.retry_later(&cause).await
        }
        Outcome::Dead(cause) => {
            tracing::error!(
                queue,
                message_id = delivery.message.id,
                cause,
                "a message is parked as a dead letter"
            );
            telemetry::consumed(queue, "dead");
            delivery.dead(&cause).await
        }
    };
    if let Err(error) = settled {
        // The broker delivers it again, and the mark in the inbox keeps it from a second effect.
        tracing::warn!(queue, error = chain(&error), "a message could not be settled");
    }
}

async fn handle(ctx: &Context, inbox: &Inbox, message: &Message) -> Outcome {
    for attempt in 0..ATTEMPTS_MAX {
        if attempt > 0 {
            tokio::time::sleep(backoff(1).min(CONFLICT_WAIT_MAX)).await;
        }
        match ctx.store.is_handled(&message.id) {
            Ok(true) => return Outcome::Done,
            Ok(false) => {}
            Err(error) => return Outcome::Later(chain(&error)),
        }
        let mut commit = match decide(inbox, message) {
            Ok(Some(commit)) => commit,
            Ok(None) => return Outcome::Done,
            Err(failed) if failed.is_hopeless => return Outcome::Dead(failed.cause),
            Err(failed) => return Outcome::Later(failed.cause),
        };
        commit.mark_handled(&message.id);
        match ctx.store.commit(commit).await {
            Ok(_) => return Outcome::Done,
            // Either its own mark, which the next round sees, or somebody else's write, after which to decide again.
            Err(storage::Error::Conflict) => {}
            Err(error) => return Outcome::Later(chain(&error)),
        }
    }
    Outcome::Later(format!("still contended after {ATTEMPTS_MAX} attempts"))
}

/// A handler that panics must not end the lane, and with it the inbox: its message goes up the ladder like any other failure.
fn decide(inbox: &Inbox, message: &Message) -> Result<Option<Commit>, Failed> {
    std::panic::catch_unwind(AssertUnwindSafe(|| (inbox.handler)(message)))
        .unwrap_or_else(|_| Err(Failed { is_hopeless: false, cause: "the handler panicked".to_owned() }))
}
