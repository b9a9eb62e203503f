//! Why a service gave no answer of its own, told by the fault: what a stale answer may stand in for, and what must not be
//! tried again.

use std::collections::HashMap;
use std::time::Duration;

use rand::Rng;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::reply::Problem;

/// Domain of the `ErrorInfo` of faults that have a sentence for the client.
const DOMAIN: &str = "vitrina";

/// Key in the metadata of the `ErrorInfo` that names the trouble.
const KEY: &str = "trouble";

/// The reason that services give, too, when they have too much to do.
const OVERLOADED: &str = "overloaded";

/// Who is turned away for want of room may come back after that many seconds, at random, so that not all come at once.
const OVERLOADED_RETRY_S: std::ops::RangeInclusive<u32> = 1..=3;

/// An open breaker asks several times a second whether the service is back.
const OPEN_RETRY_S: u32 = 1;

/// What kept a service from answering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It could not be reached, or the connection broke.
    Unreachable,
    /// It failed too often just now; the call was not made.
    BreakerOpen,
    /// It, or the edge, has too much to do; the call was not made.
    Overloaded,
}

impl Trouble {
    /// The trouble that a fault tells of; `None` when the service has spoken, or was late.
    pub(crate) fn of(fault: &Status) -> Option<Self> {
        if fault.code() != Code::Unavailable {
            return None;
        }
        let info = fault.get_details_error_info()?;
        match info.metadata.get(KEY).map(String::as_str) {
            Some(name) => [Self::Unreachable, Self::BreakerOpen, Self::Overloaded]
                .into_iter()
                .find(|trouble| trouble.name() == name),
            None => (info.reason == OVERLOADED).then_some(Self::Overloaded),
        }
    }

    /// The trouble as a fault, with a sentence for the client and when to come again.
    pub(crate) fn status(self) -> Status {
        let (reason, sentence) = self.told();
        let metadata = HashMap::from([(KEY.to_owned(), self.name().to_owned())]);
        let mut details = ErrorDetails::with_error_info(reason, DOMAIN, metadata);
        details.set_retry_info(Some(Duration::from_secs(u64::from(self.retry_s()))));
        Status::with_error_details(Code::Unavailable, sentence, details)
    }

    /// The trouble as the answer to a request for which no call was made: without the way through a fault, since this is
    /// what the edge says most when it has the least time.
    pub(crate) fn problem(self) -> Problem {
        let (reason, sentence) = self.told();
        Problem::new(503, reason, sentence).retry_after(self.retry_s())
    }

    /// The reason for programs and the sentence for people.
    fn told(self) -> (&'static str, &'static str) {
        match self {
            Self::Unreachable | Self::BreakerOpen => {
                ("unavailable", "This part of the shop is not available now.")
            }
            Self::Overloaded => {
                (OVERLOADED, "The shop has too much to do now; please try again in a moment.")
            }
        }
    }

    /// When to come again.
    fn retry_s(self) -> u32 {
        match self {
            Self::Unreachable | Self::BreakerOpen => OPEN_RETRY_S,
            Self::Overloaded => rand::thread_rng().gen_range(OVERLOADED_RETRY_S),
        }
    }

    /// As spans and numbers name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::BreakerOpen => "breaker_open",
            Self::Overloaded => OVERLOADED,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_tells_its_trouble() {
        for trouble in [Trouble::Unreachable, Trouble::BreakerOpen, Trouble::Overloaded] {
            assert_eq!(Trouble::of(&trouble.status()), Some(trouble));
        }
        let details = ErrorDetails::with_error_info("overloaded", DOMAIN, []);
        let full = Status::with_error_details(Code::Unavailable, "the service has too much to do", details);
        assert_eq!(Trouble::of(&full), Some(Trouble::Overloaded));
        for own in [Status::unavailable("restarting"), Status::not_found("x"), Status::deadline_exceeded("x")]
        {
            assert_eq!(Trouble::of(&own), None);
        }
    }
}
