//! From the outbox to the broker: in order for each key, at least once, never lost.
//!
//! A row leaves the outbox only after the broker has confirmed it, so a crash or an outage anywhere costs a second delivery at
//! most, which the inbox of the consumer finds out by the event's id. Events are sent many at a time, since a confirm costs
//! the broker a disk write; those of one key keep their order.

use std::time::Duration;

use rand::Rng;
use tokio_util::sync::CancellationToken;
use vitrina_broker::Message;
use vitrina_storage::OutboxRow;

use crate::call::chain;
use crate::context::Context;
use crate::event::ID_HEADER;
use crate::telemetry;

/// Rows that are read and sent before the next look at the outbox; with events of some hundred bytes, well under 1 MB.
const BATCH_ROWS: usize = 256;
/// First wait after a failure, doubled up to [`BACKOFF_MAX`].
const BACKOFF_MIN: Duration = Duration::from_millis(100);
/// Longest wait after a failure: a broker that returns gets the events within 5 s, as the design asks.
const BACKOFF_MAX: Duration = Duration::from_secs(3);
/// A look at the outbox without having been woken, for rows that another replica on the same store left behind.
const IDLE_MAX: Duration = Duration::from_secs(5);

/// Relays until it is told to stop; what is then still pending is left to [`flush`].
pub(crate) async fn run(ctx: Context, service: &'static str, stop: CancellationToken) {
    let outbox = ctx.store.outbox();
    let mut news = outbox.watch();
    let mut failures = 0;
    while !stop.is_cancelled() {
        // Marked as seen before the look: what comes in during the look wakes the next wait.
        news.borrow_and_update();
        let pause = match relay_batch(&ctx, service).await {
            Sent::All => {
                failures = 0;
                continue;
            }
            Sent::Empty => {
                failures = 0;
                tokio::select! {
                    () = stop.cancelled() => break,
                    changed = news.changed() => {
                        // The store is closed: nothing will come any more.
                        if changed.is_err() { break; }
                    }
                    () = tokio::time::sleep(IDLE_MAX) => {}
                }
                continue;
            }
            Sent::Failed => {
                failures += 1;
                backoff(failures)
            }
        };
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Relays until the outbox is empty. Without a bound of its own: the caller sets the time limit and may cancel at any point.
pub(crate) async fn flush(ctx: &Context, service: &'static str) {
    let mut failures = 0;
    loop {
        match relay_batch(ctx, service).await {
            Sent::All => failures = 0,
            Sent::Empty => return,
            Sent::Failed => {
                failures += 1;
                tokio::time::sleep(backoff(failures)).await;
            }
        }
    }
}

enum Sent {
    All,
    Empty,
    Failed,
}

async fn relay_batch(ctx: &Context, service: &'static str) -> Sent {
    let outbox = ctx.store.outbox();
    let rows = match outbox.pending(0, BATCH_ROWS) {
        Ok(rows) if rows.is_empty() => return Sent::Empty,
        Ok(rows) => rows,
        Err(error) => {
            tracing::error!(service, error = chain(&error), "the outbox cannot be read");
            return Sent::Failed;
        }
    };
    let total = rows.len();
    let seqs: Vec<u64> = rows.iter().map(|row| row.seq).collect();
    let (messages, spans): (Vec<_>, Vec<_>) = rows.into_iter().map(traced).unzip();
    let published = ctx.broker.publish_all(messages).await;
    drop(spans);
    let done: Vec<u64> = seqs
        .into_iter()
        .zip(published.is_durable)
        .filter_map(|(seq, is_durable)| is_durable.then_some(seq))
        .collect();
    if let Some(error) = published.failure {
        tracing::warn!(
            service,
            left = total - done.len(),
            error = chain(&error),
            "events were not sent; they stay in the outbox"
        );
    }
    if let Err(error) = outbox.done(&done).await {
        tracing::error!(
            service,
            error = chain(&error),
            "events that were sent cannot be marked; they will be sent again"
        );
        return Sent::Failed;
    }
    telemetry::relayed(service, done.len() as u64);
    if done.len() == total { Sent::All } else { Sent::Failed }
}

/// The message of a row and the span of its sending. The consumer's span becomes a child of this one. Without telemetry there
/// is none, and the request's context stays.
fn traced(row: OutboxRow) -> (Message, tracing::Span) {
    let mut message = message(row);
    let span = telemetry::publish_span(&message);
    span.in_scope(|| vitrina_otel::propagate::inject_message(&mut message.headers));
    (message, span)
}

fn message(row: OutboxRow) -> Message {
    let mut message = row.message;
    let id = message
        .headers
        .iter()
        .position(|(name, _)| name == ID_HEADER)
        .map(|at| message.headers.swap_remove(at).1);
    Message {
        // Only an event that was not made by `event` has no id; its place in the outbox is as good within one topic.
        id: id.unwrap_or_else(|| format!("{}#{}", message.topic, row.seq)),
        topic: message.topic,
        key: message.key,
        payload: message.payload,
        headers: message.headers,
    }
}

/// Half of the doubled wait for sure, the other half by chance, so that services do not return to the broker in step.
pub(crate) fn backoff(failures: u32) -> Duration {
    let range = (BACKOFF_MIN * 2u32.pow(failures.saturating_sub(1).min(10))).min(BACKOFF_MAX);
    range / 2 + (range / 2).mul_f64(rand::thread_rng().r#gen())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_grows_up_to_its_bound() {
        for failures in 1..40 {
            let pause = backoff(failures);
            assert!(pause >= BACKOFF_MIN / 2 && pause <= BACKOFF_MAX, "{failures}: {pause:?}");
        }
        assert!(backoff(30) >= BACKOFF_MAX / 2);
    }
}
