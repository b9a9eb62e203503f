//! A delivery: one notification on its way to one mailbox or one device.
//!
//! ```text
//! queued ─▶ sent ─▶ delivered ─▶ bounced (a mailbox may refuse late)
//!    │        └───────────────────▲
//!    └─▶ failed: refused for good, out of attempts, or too late
//! ```
//! What the provider tells may overtake the mark that it was sent, so `queued` may become `delivered` at once.

use crate::model::kind::Facts;

/// A way out of the shop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub(crate) enum Channel {
    Email = 1,
    Push = 2,
}

/// Where a delivery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub(crate) enum State {
    Queued = 0,
    Sent = 1,
    Delivered = 2,
    Bounced = 3,
    Failed = 4,
}

/// A push device.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct Device {
    /// Sealed, but for the push itself.
    #[prost(string, tag = "1")]
    pub(crate) token: String,
    /// A Firebase installation id instead of a registration token.
    #[prost(bool, tag = "2")]
    pub(crate) is_fid: bool,
}

/// A delivery with all that sending it needs but the contact.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Delivery {
    /// The notification's id.
    #[prost(string, tag = "1")]
    pub(crate) notification: String,
    /// The user's id; empty: a guest.
    #[prost(string, tag = "2")]
    pub(crate) user: String,
    /// A guest's address; empty once it is over, or for a user.
    #[prost(string, tag = "3")]
    pub(crate) guest_email: String,
    #[prost(enumeration = "Channel", tag = "4")]
    pub(crate) channel: i32,
    /// Of a push; absent: it is yet to be spread to the user's devices.
    #[prost(message, optional, tag = "5")]
    pub(crate) device: Option<Device>,
    /// Name of the kind.
    #[prost(string, tag = "6")]
    pub(crate) kind: String,
    /// Emptied once it is over.
    #[prost(message, required, tag = "7")]
    pub(crate) facts: Facts,
    /// The sealed token of a mail that has one; emptied once it is over.
    #[prost(string, tag = "8")]
    pub(crate) sealed_token: String,
    #[prost(enumeration = "State", tag = "9")]
    pub(crate) state: i32,
    /// Attempts that were begun.
    #[prost(uint32, tag = "10")]
    pub(crate) attempts: u32,
    /// When it is taken up next; absent: it is over.
    #[prost(uint64, optional, tag = "11")]
    pub(crate) due_at_ms: Option<u64>,
    #[prost(uint64, tag = "12")]
    pub(crate) created_at_ms: u64,
    /// After this it is worth nothing; absent: never.
    #[prost(uint64, optional, tag = "13")]
    pub(crate) expires_at_ms: Option<u64>,
    /// The provider's own id of it; empty: none yet.
    #[prost(string, tag = "14")]
    pub(crate) provider_id: String,
    /// Why the last attempt did not succeed, for an operator; empty: it did.
    #[prost(string, tag = "15")]
    pub(crate) problem: String,
    /// Trace of the event that caused it; empty: none.
    #[prost(string, tag = "16")]
    pub(crate) traceparent: String,
}

/// What the mail provider says that became of a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Delivered,
    Bounced,
}

impl Delivery {
    /// Whether it is still to be sent.
    pub(crate) fn is_open(&self) -> bool {
        self.state() == State::Queued
    }

    /// Begins an attempt: whoever looks before `until_ms` leaves it alone, and after a crash it is taken up then.
    pub(crate) fn claimed(&self, until_ms: u64) -> Delivery {
        Delivery { attempts: self.attempts.saturating_add(1), due_at_ms: Some(until_ms), ..self.clone() }
    }

    /// The provider has taken it.
    pub(crate) fn sent(&self, provider_id: String) -> Delivery {
        Delivery { provider_id, problem: String::new(), ..self.over(State::Sent) }
    }

    /// It will not be sent.
    pub(crate) fn failed(&self, problem: String) -> Delivery {
        Delivery { problem, ..self.over(State::Failed) }
    }

    /// It did not succeed and is tried again at `due_at_ms`.
    pub(crate) fn put_off(&self, problem: String, due_at_ms: u64) -> Delivery {
        Delivery { problem, due_at_ms: Some(due_at_ms), ..self.clone() }
    }

    /// What the provider says that became of it; `None` when that is no news.
    pub(crate) fn fated(&self, fate: Fate) -> Option<Delivery> {
        match (fate, self.state()) {
            (Fate::Delivered, State::Queued | State::Sent | State::Failed) => {
                Some(self.over(State::Delivered))
            }
            (Fate::Bounced, state) if state != State::Bounced => Some(self.over(State::Bounced)),
            _ => None,
        }
    }

    /// Whether its time is over.
    pub(crate) fn is_too_late(&self, now_ms: u64) -> bool {
        self.expires_at_ms.is_some_and(|expires_at_ms| now_ms >= expires_at_ms)
    }

    /// What is over is not sent again, so what only sending needs is let go of, the token first of all.
    fn over(&self, state: State) -> Delivery {
        Delivery {
            guest_email: String::new(),
            facts: Facts::default(),
            sealed_token: String::new(),
            state: state.into(),
            due_at_ms: None,
            ..self.clone()
        }
    }
}

/// Milliseconds until the next attempt after so many; `None` when the ladder ends. `chance` from 0 to 1 spreads those that
/// failed together over half of the step; the provider's own wish goes before, up to the longest step.
pub(crate) fn wait_ms(ladder: &[u64], attempts: u32, chance: f64, wished_ms: Option<u64>) -> Option<u64> {
    let step = *ladder.get(usize::try_from(attempts.saturating_sub(1)).ok()?)?;
    let spread = (step as f64 * (0.75 + 0.5 * chance)) as u64;
    let longest = ladder.iter().copied().max().unwrap_or(0);
    Some(spread.max(wished_ms.unwrap_or(0).min(longest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queued() -> Delivery {
        Delivery { sealed_token: "sealed".into(), due_at_ms: Some(1), ..Delivery::default() }
    }

    #[test]
    fn a_ladder_has_an_end() {
        let ladder = [1000, 10_000];
        assert_eq!(wait_ms(&ladder, 1, 0.5, None), Some(1000));
        assert_eq!(wait_ms(&ladder, 2, 0.0, None), Some(7500));
        assert_eq!(wait_ms(&ladder, 2, 1.0, None), Some(12_500));
        assert_eq!(wait_ms(&ladder, 3, 0.5, None), None);
        assert_eq!(wait_ms(&ladder, 1, 0.5, Some(4000)), Some(4000), "as the provider wishes");
        assert_eq!(wait_ms(&ladder, 1, 0.5, Some(99_000)), Some(10_000), "within the ladder");
    }

    #[test]
    fn what_is_over_keeps_no_token_and_is_not_due() {
        for over in
            [queued().sent("m".into()), queued().failed("x".into()), queued().fated(Fate::Bounced).unwrap()]
        {
            assert!(over.sealed_token.is_empty() && over.due_at_ms.is_none() && !over.is_open());
        }
    }

    #[test]
    fn the_provider_may_tell_in_any_order() {
        let sent = queued().sent("m".into());
        let delivered = sent.fated(Fate::Delivered).unwrap();
        assert_eq!(delivered.state(), State::Delivered);
        assert_eq!(delivered.fated(Fate::Delivered), None);
        let bounced = delivered.fated(Fate::Bounced).unwrap();
        assert_eq!((bounced.state(), bounced.fated(Fate::Delivered)), (State::Bounced, None));
        assert_eq!(queued().fated(Fate::Delivered).unwrap().state(), State::Delivered);
    }
}
