//! Which address of an upstream the next request goes to.
//!
//! To the one with least under way, so that one that hangs gets little; among equals in turn. One that is ejected gets
//! nothing, and one that fails its regular check for as long as it does. When all others are ejected, trying is better than
//! refusing: the breaker of the upstream decides then. Nothing here outlives the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use super::health::Checker;
use crate::upstream::settings;
use crate::upstream::standing::{AddressView, Asked, Flight, Standing};

/// Checks that must fail in a row before an address is held to be down: one can be lost.
const FAILED_CHECKS: u32 = 2;

/// The addresses of one upstream.
#[derive(Debug)]
pub(crate) struct Balance {
    members: Vec<Member>,
    next: AtomicUsize,
}

/// One address.
#[derive(Debug)]
pub(crate) struct Member {
    standing: Arc<Standing>,
    is_down: AtomicBool,
    failed_checks: AtomicU32,
}

impl Balance {
    pub(crate) fn new(addresses: &[String], checker: Checker, settings: settings::Breaker) -> Self {
        let asked = Asked::Http(Arc::new(checker));
        let member = |address: &String| Member {
            standing: Standing::new(address, asked.clone(), settings),
            is_down: AtomicBool::new(false),
            failed_checks: AtomicU32::new(0),
        };
        Self { members: addresses.iter().map(member).collect(), next: AtomicUsize::new(0) }
    }

    pub(crate) fn members(&self) -> &[Member] {
        &self.members
    }

    /// Takes the next address; `None` when all of them fail their check.
    pub(crate) fn take(&self) -> Option<Flight> {
        let count = self.members.len();
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let in_turn = || {
            let all = (0..count).map(|step| &self.members[first.wrapping_add(step) % count]);
            all.filter(|member| !member.is_down())
        };
        let load = |member: &&Member| member.standing.in_flight();
        let is_there = |member: &&Member| !member.standing.is_ejected();
        let member = in_turn().filter(is_there).min_by_key(load).or_else(|| in_turn().min_by_key(load))?;
        Some(if count > 1 { member.standing.start() } else { member.standing.start_at_only() })
    }

    /// Whether another address is there to take what this one does not: then its failures are its own and not the upstream's.
    pub(crate) fn has_another(&self, flight: &Flight) -> bool {
        self.members.iter().any(|member| {
            !flight.is_to(&member.standing) && !member.is_down() && !member.standing.is_ejected()
        })
    }

    /// Whether one of the addresses is well now.
    pub(crate) async fn is_well(&self) -> bool {
        for member in &self.members {
            if member.standing.is_well().await {
                return true;
            }
        }
        false
    }

    /// Puts other settings of the breakers in force.
    pub(crate) fn adjust(&self, settings: settings::Breaker) {
        for member in &self.members {
            member.standing.adjust(settings);
        }
    }

    /// Each address.
    pub(crate) fn view(&self) -> Vec<AddressView> {
        self.members.iter().map(|member| member.standing.view()).collect()
    }
}

impl Member {
    /// Makes its regular check.
    pub(crate) async fn check(&self) {
        if self.standing.is_well().await {
            self.check_passed();
        } else {
            self.check_failed();
        }
    }

    /// Whether it fails its check.
    pub(crate) fn is_down(&self) -> bool {
        self.is_down.load(Ordering::Relaxed)
    }

    fn check_passed(&self) {
        self.failed_checks.store(0, Ordering::Relaxed);
        if self.is_down.swap(false, Ordering::Relaxed) {
            tracing::info!(server.address = self.standing.address(), "an upstream is well again");
        }
    }

    fn check_failed(&self) {
        let failed = self.failed_checks.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if failed >= FAILED_CHECKS && !self.is_down.swap(true, Ordering::Relaxed) {
            tracing::warn!(server.address = self.standing.address(), "an upstream fails its health check");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::HttpUpstream;
    use crate::upstream::breaker::Phase;
    use crate::upstream::gate::Heard;
    use crate::upstream::origin::client::client;

    fn balance(addresses: &[&str]) -> Balance {
        let addresses: Vec<String> = addresses.iter().map(|address| (*address).to_owned()).collect();
        let config = HttpUpstream::default();
        let checker = Checker::new(&config, client(&config, None).unwrap());
        Balance::new(&addresses, checker, settings::Breaker::default())
    }

    fn taken(balance: &Balance, count: usize) -> Vec<String> {
        (0..count).filter_map(|_| balance.take()).map(|flight| flight.address().to_owned()).collect()
    }

    #[test]
    fn addresses_are_taken_in_turn_and_the_idle_one_first() {
        let balance = balance(&["a:1", "b:1"]);
        assert_eq!(taken(&balance, 4), ["a:1", "b:1", "a:1", "b:1"]);
        let _hangs = balance.take().unwrap();
        assert_eq!(taken(&balance, 3), ["b:1", "b:1", "b:1"]);
    }

    #[tokio::test]
    async fn where_nobody_is_gets_nothing_unless_nobody_is_anywhere() {
        let balance = balance(&["a:1", "b:1"]);
        balance.take().unwrap().found_nobody();
        assert_eq!(taken(&balance, 3), ["b:1", "b:1", "b:1"]);
        balance.take().unwrap().found_nobody();
        assert_eq!(taken(&balance, 2).len(), 2);
    }

    #[tokio::test]
    async fn an_address_that_keeps_failing_is_ejected_and_an_only_one_never() {
        let balance_of_two = balance(&["a:1", "b:1"]);
        for _ in 0..20 {
            balance_of_two.take().unwrap().heard(Heard::Late);
        }
        assert!(balance_of_two.view().iter().all(|view| (view.phase, view.ejections) == (Phase::Open, 1)));
        let only = balance(&["a:1"]);
        for _ in 0..20 {
            only.take().unwrap().found_nobody();
        }
        assert_eq!(only.view()[0].phase, Phase::Closed);
    }

    #[tokio::test]
    async fn failures_are_an_address_s_own_while_another_is_there() {
        let balance = balance(&["a:1", "b:1"]);
        let mut a = balance.take().unwrap();
        assert!(balance.has_another(&a));
        balance.take().unwrap().found_nobody();
        assert!(!balance.has_another(&a));
        a.found_nobody();
    }

    #[test]
    fn one_lost_check_is_forgiven_and_one_good_one_is_enough() {
        let balance = balance(&["a:1", "b:1"]);
        let [a, b] = balance.members() else { panic!("two addresses") };
        a.check_failed();
        assert!(!a.is_down());
        a.check_failed();
        assert!(a.is_down());
        b.check_failed();
        b.check_failed();
        assert!(balance.take().is_none());
        a.check_passed();
        assert_eq!(taken(&balance, 2), ["a:1", "a:1"]);
    }
}
