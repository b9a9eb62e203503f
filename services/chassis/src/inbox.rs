//! From the broker into the service: each message takes effect once.
//!
//! The id of the message is marked in the commit of its effect, and only then is the message acknowledged. A message that
//! comes again, because a crash or an outage came between, conflicts with its own mark and is acknowledged without effect.
//!
//! Messages are handled in rounds: whatever waits, but of each key only the first, is decided and then written in one go, so
//! that those of one key keep their order and many share the cost of a commit. While a round is written, the one before it
//! is acknowledged.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span};
use vitrina_broker::{Consumer, Delivery, Message, Queue};
use vitrina_storage::Commit;

use crate::call::chain;
use crate::context::Context;
use crate::fault::{Code, IntoFault};
use crate::relay::backoff;
use crate::round::{self, Outcome};
use crate::telemetry;

/// Messages that wait for a round or are in one; together with the broker's prefetch this bounds what a service holds in
/// memory. An import of a catalogue sends thousands a second, and a commit of this many takes about 10 ms.
const WAITING_MAX: usize = 256;

/// Makes the commit of a message's effect.
pub(crate) type Handler = Arc<dyn Fn(&Message) -> Result<Option<Commit>, Failed> + Send + Sync>;

/// What a service listens to.
pub(crate) struct Inbox {
    pub(crate) queue: Queue,
    pub(crate) handler: Handler,
}

/// Why a handler did not come to a commit.
pub(crate) struct Failed {
    pub(crate) is_hopeless: bool,
    pub(crate) cause: String,
}

/// A message in work.
pub(crate) struct Work {
    pub(crate) delivery: Delivery,
    pub(crate) span: Span,
    /// Rounds in which it met somebody else's write.
    pub(crate) conflicts: u32,
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
    let queue: Arc<str> = Arc::from(inbox.queue.name.as_str());
    let mut waiting = VecDeque::new();
    // Goes on beside the next rounds; bounded by the prefetch, since what is not settled counts against it.
    let mut settling = JoinSet::new();
    loop {
        while settling.try_join_next().is_some() {}
        if waiting.is_empty() {
            let next = tokio::select! {
                biased;
                () = stop.cancelled() => None,
                delivery = consumer.next() => delivery,
            };
            let Some(delivery) = next else { break };
            waiting.push_back(Work::new(&queue, delivery));
        }
        while waiting.len() < WAITING_MAX
            && !stop.is_cancelled()
            && let Some(delivery) = consumer.try_next()
        {
            waiting.push_back(Work::new(&queue, delivery));
        }
        let mut done = Vec::new();
        let handled = round::handle(ctx, inbox, first_of_each_key(&mut waiting)).await;
        // From the last to the first: those that go again stand before the later ones of their keys.
        for (work, outcome) in handled.into_iter().rev() {
            let queue = Arc::clone(&queue);
            match outcome {
                Outcome::Again => waiting.push_front(work),
                Outcome::Done => done.push(work),
                Outcome::Later(cause) => drop(settling.spawn(put_off(queue, work, cause))),
                Outcome::Dead(cause) => drop(settling.spawn(park(queue, work, cause))),
            }
        }
        if !done.is_empty() {
            settling.spawn(acknowledge(Arc::clone(&queue), done));
        }
    }
    while settling.join_next().await.is_some() {}
    // The consumer goes only now that what it delivered is settled.
    drop(consumer);
}

/// Takes the first message of each key out of what waits.
fn first_of_each_key(waiting: &mut VecDeque<Work>) -> Vec<Work> {
    let mut keys = HashSet::with_capacity(waiting.len());
    let (mut first, mut rest) = (Vec::with_capacity(waiting.len()), VecDeque::new());
    for work in waiting.drain(..) {
        if keys.insert(work.delivery.message.key.clone()) {
            first.push(work);
        } else {
            rest.push_back(work);
        }
    }
    *waiting = rest;
    first
}

impl Work {
    fn new(queue: &str, delivery: Delivery) -> Work {
        let span = telemetry::process_span(queue, &delivery.message, delivery.attempt);
        Work { delivery, span, conflicts: 0 }
    }
}

async fn acknowledge(queue: Arc<str>, done: Vec<Work>) {
    telemetry::consumed(&queue, "done", done.len() as u64);
    let (deliveries, spans): (Vec<_>, Vec<_>) =
        done.into_iter().map(|work| (work.delivery, work.span)).unzip();
    tell_unsettled(&queue, Delivery::ack_all(deliveries).await);
    drop(spans);
}

async fn put_off(queue: Arc<str>, work: Work, cause: String) {
    let Work { delivery, span, .. } = work;
    let settle = async {
        tracing::warn!(
            queue = &*queue,
            message_id = delivery.message.id,
            attempt = delivery.attempt,
            cause,
            "a message is put off"
        );
        telemetry::consumed(&queue, "later", 1);
        tell_unsettled(&queue, delivery.retry_later(&cause).await);
    };
    settle.instrument(span).await;
}

async fn park(queue: Arc<str>, work: Work, cause: String) {
    let Work { delivery, span, .. } = work;
    let settle = async {
        tracing::error!(
            queue = &*queue,
            message_id = delivery.message.id,
            cause,
            "a message is parked as a dead letter"
        );
        telemetry::consumed(&queue, "dead", 1);
        tell_unsettled(&queue, delivery.dead(&cause).await);
    };
    settle.instrument(span).await;
}

fn tell_unsettled(queue: &str, settled: Result<(), vitrina_broker::Error>) {
    if let Err(error) = settled {
        // The broker delivers again, and the mark in the inbox keeps it from a second effect.
        tracing::warn!(queue, error = chain(&error), "messages could not be settled");
    }
}
