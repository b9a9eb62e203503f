//! Which address of an upstream the next request goes to.
//!
//! In turn, passing over an address that failed to connect a moment ago, and one that fails its health check for as long
//! as it does. An address without a check is never held to be down for longer than a moment: then trying is better than
//! refusing. Nothing here outlives the process.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How long an address that failed is passed over while another one is there. A server that was restarted is back
/// within seconds, and trying a dead one costs one refused connection.
const PASSED_OVER: Duration = Duration::from_secs(1);

/// Checks that must fail in a row before an address is held to be down: one can be lost.
const FAILED_CHECKS: u32 = 2;

/// The addresses of one upstream.
#[derive(Debug)]
pub(crate) struct Balance {
    members: Vec<Member>,
    next: AtomicUsize,
    started: Instant,
}

/// One address.
#[derive(Debug)]
pub(crate) struct Member {
    /// `host:port` as configured.
    pub(crate) address: String,
    passed_over_until_ms: AtomicU64,
    is_down: AtomicBool,
    failed_checks: AtomicU32,
}

/// What an operator sees of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It gets requests.
    Up,
    /// It failed a moment ago.
    PassedOver,
    /// It fails its health check.
    Down,
}

impl Balance {
    pub(crate) fn new(addresses: &[String]) -> Self {
        let members = addresses
            .iter()
            .map(|address| Member {
                address: address.clone(),
                passed_over_until_ms: AtomicU64::new(0),
                is_down: AtomicBool::new(false),
                failed_checks: AtomicU32::new(0),
            })
            .collect();
        Self { members, next: AtomicUsize::new(0), started: Instant::now() }
    }

    pub(crate) fn members(&self) -> &[Member] {
        &self.members
    }

    /// The next address; `None` when all of them fail their health check.
    pub(crate) fn pick(&self) -> Option<&Member> {
        let count = self.members.len();
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let in_turn = || (0..count).map(|step| &self.members[first.wrapping_add(step) % count]);
        in_turn()
            .find(|member| self.standing(member) == Standing::Up)
            .or_else(|| in_turn().find(|member| self.standing(member) == Standing::PassedOver))
    }

    pub(crate) fn standing(&self, member: &Member) -> Standing {
        if member.is_down.load(Ordering::Relaxed) {
            Standing::Down
        } else if self.now_ms() < member.passed_over_until_ms.load(Ordering::Relaxed) {
            Standing::PassedOver
        } else {
            Standing::Up
        }
    }

    /// An address could not be connected to, or broke off before it answered.
    pub(crate) fn failed(&self, address: &str) {
        let until = self.now_ms() + u64::try_from(PASSED_OVER.as_millis()).unwrap_or_default();
        for member in self.members.iter().filter(|member| member.address == address) {
            member.passed_over_until_ms.store(until, Ordering::Relaxed);
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Member {
    /// A health check passed.
    pub(crate) fn check_passed(&self) {
        self.failed_checks.store(0, Ordering::Relaxed);
        if self.is_down.swap(false, Ordering::Relaxed) {
            tracing::info!(server.address = self.address, "an upstream is well again");
        }
    }

    /// A health check failed.
    pub(crate) fn check_failed(&self) {
        let failed = self.failed_checks.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if failed >= FAILED_CHECKS && !self.is_down.swap(true, Ordering::Relaxed) {
            tracing::warn!(server.address = self.address, "an upstream fails its health check");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn balance() -> Balance {
        Balance::new(&["a:1".to_owned(), "b:1".to_owned()])
    }

    fn picked(balance: &Balance, count: usize) -> Vec<&str> {
        (0..count).filter_map(|_| balance.pick()).map(|member| member.address.as_str()).collect()
    }

    #[test]
    fn addresses_are_taken_in_turn() {
        assert_eq!(picked(&balance(), 4), ["a:1", "b:1", "a:1", "b:1"]);
    }

    #[test]
    fn a_failed_address_is_passed_over_unless_all_failed() {
        let balance = balance();
        balance.failed("a:1");
        assert_eq!(picked(&balance, 3), ["b:1", "b:1", "b:1"]);
        balance.failed("b:1");
        assert_eq!(picked(&balance, 2).len(), 2);
    }

    #[test]
    fn one_lost_check_is_forgiven_and_one_good_one_is_enough() {
        let balance = balance();
        let [a, b] = balance.members() else { panic!("two addresses") };
        a.check_failed();
        assert_eq!(balance.standing(a), Standing::Up);
        a.check_failed();
        assert_eq!(balance.standing(a), Standing::Down);
        b.check_failed();
        b.check_failed();
        assert!(balance.pick().is_none());
        a.check_passed();
        assert_eq!(picked(&balance, 2), ["a:1", "a:1"]);
    }
}
