//! Which address of an upstream the next request goes to.
//!
//! To the one with least under way, so that one that hangs gets little; among equals in turn. An address is ejected as
//! soon as nobody is there, or when its breaker finds that it fails too often, and asked in the background until it is well.
//! One that fails its regular check gets nothing for as long as it does. When all others are ejected, trying is better
//! than refusing: the breaker of the upstream decides then. Nothing here outlives the process.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::health::Checker;
use crate::upstream::breaker::{Breaker, Outcome, Phase, Ticket};
use crate::upstream::gate::Heard;
use crate::upstream::pool::AddressView;
use crate::upstream::{health, settings};

/// Checks that must fail in a row before an address is held to be down: one can be lost.
const FAILED_CHECKS: u32 = 2;

/// The addresses of one upstream.
#[derive(Debug)]
pub(crate) struct Balance {
    members: Vec<Arc<Member>>,
    checker: Arc<Checker>,
    next: AtomicUsize,
}

/// One address.
#[derive(Debug)]
pub(crate) struct Member {
    /// `host:port` as configured.
    pub(crate) address: String,
    checker: Arc<Checker>,
    breaker: Mutex<Breaker>,
    in_flight: AtomicUsize,
    ejections: AtomicUsize,
    is_down: AtomicBool,
    failed_checks: AtomicU32,
}

/// A request to one address. Dropped without a word, it says nothing of the address.
#[derive(Debug)]
pub(crate) struct Flight {
    member: Arc<Member>,
    ticket: Option<Ticket>,
}

impl Balance {
    pub(crate) fn new(addresses: &[String], checker: Checker, settings: settings::Breaker) -> Self {
        let checker = Arc::new(checker);
        let member = |address: &String| {
            Arc::new(Member {
                address: address.clone(),
                checker: checker.clone(),
                breaker: Mutex::new(Breaker::new(settings, Instant::now())),
                in_flight: AtomicUsize::new(0),
                ejections: AtomicUsize::new(0),
                is_down: AtomicBool::new(false),
                failed_checks: AtomicU32::new(0),
            })
        };
        Self { members: addresses.iter().map(member).collect(), checker, next: AtomicUsize::new(0) }
    }

    pub(crate) fn members(&self) -> &[Arc<Member>] {
        &self.members
    }

    pub(crate) fn checker(&self) -> &Checker {
        &self.checker
    }

    /// Takes the next address; `None` when all of them fail their check.
    pub(crate) fn take(&self) -> Option<Flight> {
        let count = self.members.len();
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let in_turn = || {
            let all = (0..count).map(|step| &self.members[first.wrapping_add(step) % count]);
            all.filter(|member| !member.is_down())
        };
        let load = |member: &&Arc<Member>| member.in_flight.load(Ordering::Relaxed);
        let is_there = |member: &&Arc<Member>| member.breaker().phase() != Phase::Open;
        let member = in_turn().filter(is_there).min_by_key(load).or_else(|| in_turn().min_by_key(load))?;
        // Nobody is there to take the requests of an only address.
        let ticket = if count > 1 { member.breaker().admit(Instant::now()) } else { None };
        member.in_flight.fetch_add(1, Ordering::Relaxed);
        Some(Flight { member: member.clone(), ticket })
    }

    /// Whether another address is there to take what this one does not: then its failures are its own and not the upstream's.
    pub(crate) fn has_another(&self, flight: &Flight) -> bool {
        self.members.iter().any(|member| {
            !Arc::ptr_eq(member, &flight.member)
                && !member.is_down()
                && member.breaker().phase() != Phase::Open
        })
    }

    /// Whether one of the addresses is well now.
    pub(crate) async fn is_well(&self) -> bool {
        for member in &self.members {
            if self.checker.is_well(&member.address).await {
                return true;
            }
        }
        false
    }

    /// Puts other settings of the breakers in force.
    pub(crate) fn adjust(&self, settings: settings::Breaker) {
        for member in &self.members {
            member.breaker().adjust(settings, Instant::now());
        }
    }

    /// Each address.
    pub(crate) fn view(&self) -> Vec<AddressView> {
        let view = |member: &Arc<Member>| AddressView {
            address: member.address.clone(),
            phase: member.breaker().phase(),
            in_flight: member.in_flight.load(Ordering::Relaxed),
            ejections: member.ejections.load(Ordering::Relaxed),
        };
        self.members.iter().map(view).collect()
    }
}

impl Member {
    /// Whether it fails its check.
    pub(crate) fn is_down(&self) -> bool {
        self.is_down.load(Ordering::Relaxed)
    }

    /// A regular check passed.
    pub(crate) fn check_passed(&self) {
        self.failed_checks.store(0, Ordering::Relaxed);
        if self.is_down.swap(false, Ordering::Relaxed) {
            tracing::info!(server.address = self.address, "an upstream is well again");
        }
    }

    /// A regular check failed.
    pub(crate) fn check_failed(&self) {
        let failed = self.failed_checks.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if failed >= FAILED_CHECKS && !self.is_down.swap(true, Ordering::Relaxed) {
            tracing::warn!(server.address = self.address, "an upstream fails its health check");
        }
    }

    fn turned(self: &Arc<Self>, phase: Option<Phase>) {
        match phase {
            Some(Phase::Open) => {
                self.ejections.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(server.address = self.address, "an address is ejected: it does not answer");
                tokio::spawn(probe(self.clone()));
            }
            Some(Phase::Closed) => {
                tracing::info!(server.address = self.address, "an address is back: it answers again");
            }
            Some(Phase::HalfOpen) | None => {}
        }
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Flight {
    pub(crate) fn address(&self) -> &str {
        &self.member.address
    }

    /// What came of it; what comes later does not count.
    pub(crate) fn heard(&mut self, heard: Heard) {
        let outcome = match heard {
            Heard::Answer => Outcome::Success,
            // Another address may have less to do.
            Heard::TooMuch | Heard::Late | Heard::Nothing => Outcome::Failure,
        };
        self.conclude(outcome);
    }

    /// Nobody was there.
    pub(crate) fn found_nobody(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            let phase = self.member.breaker().trip(ticket);
            self.member.turned(phase);
        }
    }

    fn conclude(&mut self, outcome: Outcome) {
        if let Some(ticket) = self.ticket.take() {
            let phase = self.member.breaker().record(ticket, outcome, Instant::now());
            self.member.turned(phase);
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.member.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.conclude(Outcome::Unknown);
    }
}

/// Asks an ejected address how it is until it is well, or not one of ours any more.
async fn probe(member: Arc<Member>) {
    let (checker, address, pause) =
        (member.checker.clone(), member.address.clone(), member.breaker().probe_pause());
    let member = Arc::downgrade(&member);
    loop {
        health::pause(pause).await;
        if member.strong_count() == 0 {
            return;
        }
        if checker.is_well(&address).await {
            if let Some(member) = member.upgrade() {
                // The address is tried by a few requests from now on.
                member.breaker().probed();
            }
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::HttpUpstream;
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
