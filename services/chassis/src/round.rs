//! One round of an inbox: decides on messages of different keys, and writes the effects of all of them in one go. Each effect
//! still is a commit of its own, with its own expectations and its own mark: one that conflicts holds no other up.

use std::panic::AssertUnwindSafe;

use tracing::{Instrument, Span};
use vitrina_broker::Message;
use vitrina_storage::{self as storage, Commit, CommitSeq};

use crate::call::chain;
use crate::context::Context;
use crate::inbox::{Failed, Inbox, Work};
use crate::telemetry;

/// Rounds in which a message may conflict before it goes back to the broker: a conflict is over after one, mostly.
const CONFLICTS_MAX: u32 = 16;
/// Decisions after which others get their turn on this thread; one takes some 10 µs.
const DECISIONS_IN_A_ROW: usize = 32;

/// What becomes of a message.
pub(crate) enum Outcome {
    /// Its effect is on disk, or it has none.
    Done,
    /// It is to be decided again, in the next round.
    Again,
    /// It goes up the broker's ladder.
    Later(String),
    /// No attempt can help.
    Dead(String),
}

/// Handles messages, of which no two have the same key; gives them back in their order.
pub(crate) async fn handle(ctx: &Context, inbox: &Inbox, works: Vec<Work>) -> Vec<(Work, Outcome)> {
    let mut decided = Vec::with_capacity(works.len());
    let mut commits = Vec::with_capacity(works.len());
    for (index, work) in works.into_iter().enumerate() {
        if index % DECISIONS_IN_A_ROW == DECISIONS_IN_A_ROW - 1 {
            tokio::task::yield_now().await;
        }
        let decision = work.span.in_scope(|| decide(ctx, inbox, &work.delivery.message));
        decided.push(match decision {
            Ok(commit) => {
                commits.push(commit);
                (work, None)
            }
            Err(outcome) => (work, Some(outcome)),
        });
    }
    let span = write_span(&inbox.queue.name, &decided);
    let written = ctx.store.commit_all(commits).instrument(span).await;
    let mut written = written.into_iter();
    decided
        .into_iter()
        .map(|(mut work, outcome)| {
            let outcome = outcome.unwrap_or_else(|| after_write(&mut work, written.next()));
            (work, outcome)
        })
        .collect()
}

/// The span of writing the effects: that of the message when there is but one, else one with links to all of them.
fn write_span(queue: &str, decided: &[(Work, Option<Outcome>)]) -> Span {
    let written: Vec<&Span> =
        decided.iter().filter(|(_, outcome)| outcome.is_none()).map(|(work, _)| &work.span).collect();
    match written[..] {
        [] => Span::none(),
        [only] => only.clone(),
        _ => {
            let span = telemetry::round_span(queue, written.len());
            for message in written {
                span.follows_from(message);
            }
            span
        }
    }
}

/// The commit of a message's effect with its mark, or what becomes of the message without one.
fn decide(ctx: &Context, inbox: &Inbox, message: &Message) -> Result<Commit, Outcome> {
    match ctx.store.is_handled(&message.id) {
        Ok(true) => return Err(Outcome::Done),
        Ok(false) => {}
        Err(error) => return Err(Outcome::Later(chain(&error))),
    }
    match call(inbox, message) {
        Ok(Some(mut commit)) => {
            commit.mark_handled(&message.id);
            Ok(commit)
        }
        Ok(None) => Err(Outcome::Done),
        Err(failed) if failed.is_hopeless => Err(Outcome::Dead(failed.cause)),
        Err(failed) => Err(Outcome::Later(failed.cause)),
    }
}

/// A handler that panics must not end the inbox: its message goes up the ladder like any other failure.
fn call(inbox: &Inbox, message: &Message) -> Result<Option<Commit>, Failed> {
    std::panic::catch_unwind(AssertUnwindSafe(|| (inbox.handler)(message)))
        .unwrap_or_else(|_| Err(Failed { is_hopeless: false, cause: "the handler panicked".to_owned() }))
}

fn after_write(work: &mut Work, written: Option<Result<CommitSeq, storage::Error>>) -> Outcome {
    match written {
        Some(Ok(_)) => Outcome::Done,
        // Either its own mark, which the next round sees, or somebody else's write, after which to decide again.
        Some(Err(storage::Error::Conflict)) if work.conflicts < CONFLICTS_MAX => {
            work.conflicts += 1;
            Outcome::Again
        }
        Some(Err(storage::Error::Conflict)) => {
            Outcome::Later(format!("still contended after {CONFLICTS_MAX} attempts"))
        }
        Some(Err(error)) => Outcome::Later(chain(&error)),
        None => Outcome::Later("the store gave no answer".to_owned()),
    }
}
