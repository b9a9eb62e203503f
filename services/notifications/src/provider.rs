//! The mail and the push provider, in our words. The vendors' files are `sendgrid` and `fcm`.

pub(crate) mod fcm;
pub(crate) mod sendgrid;

use reqwest::{Response, StatusCode, header};

use crate::model::delivery::Fate;

/// Longest answer that is read: those of success are empty or a name, errors some hundred bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Characters of a provider's words that are kept.
const DETAIL_CHARS_MAX: usize = 200;

/// Why a provider cannot be used as it is configured.
#[derive(Debug, thiserror::Error)]
#[error("{setting}: {reason}")]
pub struct Misconfigured {
    /// Which setting.
    pub setting: &'static str,
    /// What is wrong with it, without its value.
    pub reason: &'static str,
}

/// Why a call did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failed {
    /// It may succeed later; it may even have happened.
    #[error("{reason}")]
    Later {
        /// For an operator, without addresses and tokens.
        reason: String,
        /// When the provider wishes to be asked again, in milliseconds from now.
        wait_ms: Option<u64>,
    },
    /// It will never succeed.
    #[error("refused: {0}")]
    Refused(String),
    /// The device is no more.
    #[error("the device is unregistered")]
    Unregistered,
}

/// What the mail provider says that became of a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MailEvent {
    /// The provider's own id of the event.
    pub(crate) id: String,
    /// Our id of the delivery, as text.
    pub(crate) delivery: String,
    pub(crate) fate: Fate,
    /// Why it came back; empty: it did not.
    pub(crate) reason: String,
}

/// Whether events are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Forged,
    /// Signed, but too long ago to be trusted.
    Stale,
    Signed,
}

impl Failed {
    fn later(reason: impl Into<String>) -> Failed {
        Failed::Later { reason: reason.into(), wait_ms: None }
    }
}

/// A call that got no answer.
fn unanswered(error: &reqwest::Error) -> Failed {
    Failed::later(vitrina_outgoing::cause(error))
}

/// An answer's body, as far as it is of use.
async fn read(mut response: Response) -> Result<Vec<u8>, Failed> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| unanswered(&error))? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(Failed::later("the answer is too long"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// When the provider wishes to be asked again: `Retry-After` in seconds, or `X-RateLimit-Reset` as a time in seconds.
fn wished_ms(response: &Response, now_ms: u64) -> Option<u64> {
    let seconds = |name: &str| response.headers().get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
    let after = seconds(header::RETRY_AFTER.as_str()).map(|seconds| seconds.saturating_mul(1000));
    let reset = || seconds("x-ratelimit-reset").map(|at| at.saturating_mul(1000).saturating_sub(now_ms));
    after.or_else(reset)
}

/// A provider's words, short and without the addresses that they may repeat.
fn detail(status: StatusCode, words: &str) -> String {
    let words: String = words.chars().take(DETAIL_CHARS_MAX).collect();
    let words: Vec<&str> = words.split_whitespace().filter(|word| !word.contains('@')).collect();
    format!("status {}: {}", status.as_u16(), words.join(" "))
}

/// Seconds since 1970 of a time in milliseconds.
fn seconds(unix_ms: u64) -> u64 {
    unix_ms / 1000
}
