//! From the outbox to the broker: in order for each key, at least once, never lost.
//!
//! A row leaves the outbox only after the broker has confirmed it, so a crash or an outage anywhere costs a second delivery at
//! most, which the inbox of the consumer finds out by the event's id. Events of one key are sent one after the other; those of
//! different keys at the same time, since a confirmed publish costs the broker a disk write.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::StreamExt;
use futures::stream;
use rand::Rng;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use vitrina_broker::Message;
use vitrina_storage::OutboxRow;

use crate::call::chain;
use crate::context::Context;
use crate::event::ID_HEADER;
use crate::telemetry;

/// Rows that are read and sent before the next look at the outbox; with events of some hundred bytes, well under 1 MB.
const BATCH_ROWS: usize = 256;
/// Keys whose events are on their way at once: enough to fill the broker's group commit.
const KEYS_AT_ONCE: usize = 32;
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
    let has_failed = AtomicBool::new(false);
    let done: Vec<Vec<u64>> = stream::iter(by_key(rows))
        .map(|rows| send_key(ctx, service, rows, &has_failed))
        .buffer_unordered(KEYS_AT_ONCE)
        .collect()
        .await;
    let mut done = done.concat();
    done.sort_unstable();
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

/// The rows of each key in their order; keys in the order of their first row.
fn by_key(rows: Vec<OutboxRow>) -> Vec<Vec<OutboxRow>> {
    let mut place: HashMap<String, usize> = HashMap::new();
    let mut keys: Vec<Vec<OutboxRow>> = Vec::new();
    for row in rows {
        let at = *place.entry(row.message.key.clone()).or_insert(keys.len());
        if at == keys.len() {
            keys.push(Vec::new());
        }
        keys[at].push(row);
    }
    keys
}

/// Sends the events of one key until one fails; gives those that were confirmed.
async fn send_key(
    ctx: &Context,
    service: &'static str,
    rows: Vec<OutboxRow>,
    has_failed: &AtomicBool,
) -> Vec<u64> {
    let mut done = Vec::with_capacity(rows.len());
    for row in rows {
        // One failure most often means that the broker is away: the other keys need not find that out one by one.
        if has_failed.load(Ordering::Relaxed) {
            break;
        }
        let seq = row.seq;
        match send(ctx, row).await {
            Ok(()) => done.push(seq),
            Err(error) => {
                if !has_failed.swap(true, Ordering::Relaxed) {
                    tracing::warn!(
                        service,
                        seq,
                        error = chain(&error),
                        "an event was not sent; it stays in the outbox"
                    );
                }
                break;
            }
        }
    }
    done
}

async fn send(ctx: &Context, row: OutboxRow) -> Result<(), vitrina_broker::Error> {
    let mut message = message(row);
    let span = telemetry::publish_span(&message);
    // The consumer's span becomes a child of this one. Without telemetry there is none, and the request's context stays.
    span.in_scope(|| vitrina_otel::propagate::inject_message(&mut message.headers));
    ctx.broker.publish(message).instrument(span).await
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
    use vitrina_storage::OutboxMessage;

    use super::*;

    #[test]
    fn the_rows_of_a_key_keep_their_order() {
        let row = |seq, key: &str| OutboxRow {
            seq,
            message: OutboxMessage { key: key.to_owned(), ..OutboxMessage::default() },
        };
        let keys = by_key(vec![row(1, "a"), row(2, "b"), row(3, "a"), row(4, "c"), row(5, "b")]);
        let seqs: Vec<Vec<u64>> = keys.iter().map(|rows| rows.iter().map(|row| row.seq).collect()).collect();
        assert_eq!(seqs, [vec![1, 3], vec![2, 5], vec![4]]);
    }

    #[test]
    fn the_wait_grows_up_to_its_bound() {
        for failures in 1..40 {
            let pause = backoff(failures);
            assert!(pause >= BACKOFF_MIN / 2 && pause <= BACKOFF_MAX, "{failures}: {pause:?}");
        }
        assert!(backoff(30) >= BACKOFF_MAX / 2);
    }
}
