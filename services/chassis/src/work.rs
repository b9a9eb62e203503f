//! The unit of work: the one way in which a service writes.
//!
//! ```text
//! look up the key ─▶ known: the stored answer, or refused when it belongs to another request
//!        │ new
//!        ▼
//!     decide (read, let the model judge, build the commit) ─▶ commit with the record of the answer ─▶ answer
//!        ▲                                                        │ conflict
//!        └────────────── wait in line, with jitter ◀──────────────┘
//! ```
//!
//! The record of the answer stands in the same commit as the fact and expects its own absence. Of any number of requests
//! with one key, in whatever process, exactly one commits; the others conflict, look up again and give its answer.
//!
//! Cancelling is safe: a commit that was handed over is finished by the store, and the key tells the next attempt.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::time::Duration;

use bytes::Bytes;
use prost::Message;
use rand::Rng;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use vitrina_storage::{self as storage, Commit, IdempotencyKey, IdempotencyRecord, Store};

use crate::call::{Answer, Call};
use crate::fault::{Fault, IntoFault};

/// Attempts of one unit. Those that conflicted wait in line, so that within a process each attempt meets newcomers only;
/// 32 in a row means that the rows are hotter than this store can serve.
const ATTEMPTS_MAX: u32 = 32;
/// Longest wait before an attempt; a commit takes 1–3 ms, so the retries of other processes are spread over several.
const BACKOFF_MAX: Duration = Duration::from_millis(32);

/// A prime, small: it only has to keep hot rpcs from sharing a line by chance.
const LINES: usize = 31;
/// Where the units of an rpc that conflicted wait for one another, in order. Without it, n writers of one row would need up
/// to n rounds of reading and deciding each.
static LINE: [Semaphore; LINES] = [const { Semaphore::const_new(1) }; LINES];

/// What a decision comes to: what is to be written, and what is answered once it is.
#[derive(Clone, Debug)]
pub struct Decision<M> {
    /// The commit; an empty one writes nothing.
    pub commit: Commit,
    /// The answer.
    pub answer: Answer<M>,
}

/// Why a unit of work was not done, beside what the store and the decision say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The key belongs to another request of this caller.
    #[error("the idempotency key belongs to another request")]
    KeyReused,
    /// Every attempt met somebody else's write.
    #[error("still contended after {ATTEMPTS_MAX} attempts")]
    Contended,
    /// The stored answer of an earlier request does not decode.
    #[error("the stored answer does not decode")]
    BadRecord,
}

/// A stored answer.
#[derive(Clone, PartialEq, prost::Message)]
struct Recorded {
    #[prost(bytes = "bytes", tag = "1")]
    reply: Bytes,
    #[prost(string, repeated, tag = "2")]
    changed: Vec<String>,
    #[prost(uint64, optional, tag = "3")]
    version: Option<u64>,
}

impl<M> Decision<M> {
    /// Writes this and answers that.
    pub fn new(commit: Commit, answer: Answer<M>) -> Decision<M> {
        Decision { commit, answer }
    }

    /// Writes nothing, as everything is already as it should be.
    pub fn unchanged(answer: Answer<M>) -> Decision<M> {
        Decision { commit: Commit::new(), answer }
    }
}

impl IntoFault for Refused {
    fn fault(&self) -> Fault {
        match self {
            Refused::KeyReused => Fault::new(
                crate::fault::Code::KeyReused,
                "idempotency_key_reused",
                "this idempotency key was used with another request",
            ),
            Refused::Contended => Fault::unavailable("contended", "too many are changing this at the moment"),
            Refused::BadRecord => Fault::internal(),
        }
    }
}

/// Does a unit of work: decides, commits, and decides again when somebody else was faster.
///
/// `decide` reads what it needs and returns the commit with its expectations; it must have no other effect, since it may run
/// several times. `rpc` is the full name of the rpc. With an idempotency key the answer is kept for 24 h: the reply must then
/// be under about 500 KiB, and the fingerprint is the SHA-256 of `call.request`. A request with a secret in it has to be
/// replaced first ([`Call::with`]), because a fast hash of a password must not be kept.
///
/// # Errors
/// What `decide` returned, the store's error, or [`Refused`].
pub async fn unit<Req, M, E>(
    store: &Store,
    call: &Call<Req>,
    rpc: &'static str,
    mut decide: impl FnMut() -> Result<Decision<M>, E>,
) -> Result<Answer<M>, E>
where
    Req: Message,
    M: Message + Default,
    E: From<storage::Error> + From<Refused>,
{
    let key = call.idempotency_key.as_ref().map(|key| IdempotencyKey {
        caller: call.caller.scope(),
        rpc: rpc.to_owned(),
        key: key.clone(),
    });
    // Only requests with a key pay for the fingerprint.
    let fingerprint = key.as_ref().map(|_| <[u8; 32]>::from(Sha256::digest(call.request.encode_to_vec())));
    let mut turn = None;
    for attempt in 0..ATTEMPTS_MAX {
        if attempt > 0 {
            if turn.is_none() {
                turn = line(rpc).acquire().await.ok();
            }
            tokio::time::sleep(backoff(attempt)).await;
        }
        if let (Some(key), Some(fingerprint)) = (&key, &fingerprint)
            && let Some(record) = store.idempotency(key)?
        {
            return Ok(replayed(&record, fingerprint)?);
        }
        let Decision { mut commit, answer } = decide()?;
        if let (Some(key), Some(fingerprint)) = (&key, fingerprint) {
            commit.record(key.clone(), record(&answer, fingerprint, call.now_ms));
        }
        if commit.is_empty() {
            return Ok(answer);
        }
        match store.commit(commit).await {
            Ok(_) => return Ok(answer),
            Err(storage::Error::Conflict) => tracing::debug!(rpc, attempt, "a unit of work conflicts"),
            Err(error) => return Err(error.into()),
        }
    }
    drop(turn);
    Err(Refused::Contended.into())
}

fn record<M: Message>(answer: &Answer<M>, fingerprint: [u8; 32], now_ms: u64) -> IdempotencyRecord {
    let recorded = Recorded {
        reply: answer.reply.encode_to_vec().into(),
        changed: answer.changed.clone(),
        version: answer.version,
    };
    IdempotencyRecord { fingerprint, reply: recorded.encode_to_vec().into(), created_at_ms: now_ms }
}

fn replayed<M: Message + Default>(
    record: &IdempotencyRecord,
    fingerprint: &[u8; 32],
) -> Result<Answer<M>, Refused> {
    if record.fingerprint != *fingerprint {
        return Err(Refused::KeyReused);
    }
    let Recorded { reply, changed, version } =
        Recorded::decode(record.reply.clone()).map_err(|_| Refused::BadRecord)?;
    let reply = M::decode(reply).map_err(|_| Refused::BadRecord)?;
    Ok(Answer { reply, changed, version, is_replayed: true })
}

fn line(rpc: &str) -> &'static Semaphore {
    let mut hasher = DefaultHasher::new();
    rpc.hash(&mut hasher);
    &LINE[(hasher.finish() % LINES as u64) as usize]
}

/// Full jitter over a doubling range; none before the first retry, which most often succeeds once its turn has come.
fn backoff(attempt: u32) -> Duration {
    let range = Duration::from_micros(500 << attempt.min(10)).min(BACKOFF_MAX);
    if attempt <= 1 { Duration::ZERO } else { range.mul_f64(rand::thread_rng().r#gen()) }
}
