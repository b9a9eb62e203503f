//! The gate in front of each service and each plain HTTP upstream: its breaker, its bulkhead and its budget of retries.
//!
//! ```text
//! breaker open? ─▶ a place in the bulkhead ─▶ the call ─▶ outcome to the breaker, time to the bulkhead's limit
//! ```
//!
//! Each has a gate of its own, so that one which fails or is slow takes nothing from the others. While a breaker is open the
//! gate asks who stands behind it a few times a second how it is; no request of a client has to find that out.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tonic::{Code, Status};
use vitrina_proto::routes::Service;

use super::breaker::{Breaker, Outcome, Phase, Ticket};
use super::budget::Budget;
use super::health;
use super::limiter::{Coming, Limiter, LimiterView, Permit};
use super::origin::Balance;
use super::priority::Priority;
use super::settings::Resilience;
use super::standing::AddressView;
use super::transport::Transport;
use super::trouble::Trouble;

/// A call that was given less time than this and was not answered in it says nothing of the service.
const FAIR_TIME: Duration = Duration::from_millis(100);

/// The gates by service.
#[derive(Debug)]
pub(crate) struct Gates(BTreeMap<String, Arc<Gate>>);

/// The gate of one service or upstream.
#[derive(Debug)]
pub(crate) struct Gate {
    name: String,
    breaker: Mutex<Breaker>,
    limiter: Arc<Limiter>,
    budget: Budget,
    behind: Behind,
    opened: AtomicU64,
    refused: AtomicU64,
    retries: AtomicU64,
}

/// Who stands behind a gate, and is asked how it is.
#[derive(Clone, Debug)]
pub(crate) enum Behind {
    Service(Transport),
    Http(Arc<Balance>),
}

/// What is heard of a call in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// An answer, be it a refusal.
    Answer,
    /// That there is too much to do.
    TooMuch,
    /// Nothing in the time that it had.
    Late,
    /// Nothing: nobody was there, or it broke off.
    Nothing,
}

/// The right to one call. Dropped without an answer, the call says nothing of the service.
#[derive(Debug)]
pub(crate) struct Pass {
    gate: Arc<Gate>,
    ticket: Option<Ticket>,
    /// A trial needs no place: calls that hang may have taken them all.
    _permit: Option<Permit>,
}

/// How it stands with a gate, for the operator.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GateView {
    pub(crate) phase: Phase,
    pub(crate) limiter: LimiterView,
    /// How often the breaker opened.
    pub(crate) opened: u64,
    /// Calls refused because it was open.
    pub(crate) refused: u64,
    pub(crate) retries: u64,
}

impl Gates {
    pub(crate) fn new(resilience: &Resilience, transports: &BTreeMap<String, Transport>) -> Self {
        let gate = |(name, transport): (&String, &Transport)| {
            (name.clone(), Arc::new(Gate::new(name, Behind::Service(transport.clone()), resilience)))
        };
        Self(transports.iter().map(gate).collect())
    }

    /// The gate of the service that has this rpc; `None` for what the edge implements itself and for services that it
    /// runs without.
    pub(crate) fn of_rpc(&self, rpc: &str) -> Option<&Arc<Gate>> {
        // `vitrina.users.v1.Users/GetMe`
        self.0.get(rpc.split('.').nth(1)?)
    }

    /// The gates of the services that this shop runs with.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Gate>> {
        self.0.values().filter(|gate| match &gate.behind {
            Behind::Service(transport) => transport.is_configured(),
            Behind::Http(_) => true,
        })
    }

    /// Whether one of these services is too far behind for a further call of that priority; counted as turned away then. One
    /// whose breaker is not closed decides by itself.
    pub(crate) fn turns_away(&self, services: &[Service], priority: Priority) -> bool {
        let is_full =
            |gate: &Arc<Gate>| gate.breaker().phase() == Phase::Closed && gate.limiter.turns_away(priority);
        self.of(services).any(is_full)
    }

    /// Tells these services' gates that a call will come in a moment.
    pub(crate) fn announce(&self, services: &[Service], priority: Priority) -> Vec<Coming> {
        self.of(services).map(|gate| gate.limiter.announce(priority)).collect()
    }

    fn of(&self, services: &[Service]) -> impl Iterator<Item = &Arc<Gate>> {
        services.iter().filter_map(|service| self.0.get(service.name()))
    }

    /// Puts other settings in force at each of them.
    pub(crate) fn adjust(&self, resilience: &Resilience) {
        for gate in self.0.values() {
            gate.adjust(resilience);
        }
    }
}

impl Gate {
    pub(super) fn new(name: &str, behind: Behind, resilience: &Resilience) -> Self {
        Self {
            name: name.to_owned(),
            breaker: Mutex::new(Breaker::new(resilience.breaker, Instant::now())),
            limiter: Arc::new(Limiter::new(resilience.service, resilience.patience())),
            budget: Budget::new(resilience.retry_percent),
            behind,
            opened: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            retries: AtomicU64::new(0),
        }
    }

    /// Puts other settings in force. Calls under way run to their end.
    pub(crate) fn adjust(&self, resilience: &Resilience) {
        self.breaker().adjust(resilience.breaker, Instant::now());
        self.limiter.adjust(resilience.service, resilience.patience());
        self.budget.adjust(resilience.retry_percent);
        match &self.behind {
            Behind::Service(transport) => transport.adjust(resilience),
            Behind::Http(balance) => balance.adjust(resilience.breaker),
        }
    }

    /// What operators call who stands behind it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Each address behind it; none for a service in this process.
    pub(crate) fn addresses(&self) -> Vec<AddressView> {
        match &self.behind {
            Behind::Service(transport) => transport.addresses(),
            Behind::Http(balance) => balance.view(),
        }
    }

    /// Lets one call pass, at once or after a short wait for a place.
    ///
    /// # Errors
    /// Why the call must not be made.
    pub(crate) async fn enter(
        self: &Arc<Self>,
        priority: Priority,
        deadline: Instant,
    ) -> Result<Pass, Trouble> {
        let Some(ticket) = self.breaker().admit(Instant::now()) else {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return Err(Trouble::BreakerOpen);
        };
        // Given back by the drop of the pass, also when this wait is cancelled.
        let mut pass = Pass { gate: self.clone(), ticket: Some(ticket), _permit: None };
        if !ticket.is_trial {
            let permit = self.limiter.acquire(priority, deadline).await;
            pass._permit = Some(permit.map_err(|_| Trouble::Overloaded)?);
        }
        self.budget.earn();
        Ok(pass)
    }

    /// Whether a call that failed so may be made again; it is then paid for.
    pub(crate) fn may_retry(&self, fault: &Status) -> bool {
        let is_over_soon = fault.code() == Code::Unavailable
            && !matches!(Trouble::of(fault), Some(Trouble::BreakerOpen | Trouble::Overloaded));
        is_over_soon && self.may_ask_again()
    }

    /// Whether a call that failed and may be repeated may be made again; it is then paid for.
    pub(crate) fn may_ask_again(&self) -> bool {
        let may = self.breaker().phase() == Phase::Closed && self.budget.spend();
        if may {
            self.retries.fetch_add(1, Ordering::Relaxed);
        }
        may
    }

    pub(crate) fn view(&self) -> GateView {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        GateView {
            phase: self.breaker().phase(),
            limiter: self.limiter.view(),
            opened: count(&self.opened),
            refused: count(&self.refused),
            retries: count(&self.retries),
        }
    }

    fn record(self: &Arc<Self>, ticket: Ticket, outcome: Outcome) {
        let phase = self.breaker().record(ticket, outcome, Instant::now());
        match phase {
            Some(Phase::Open) => {
                self.opened.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(upstream = self.name, "a breaker has opened: there is no answer");
                tokio::spawn(probe(self.clone()));
            }
            Some(Phase::Closed) => {
                tracing::info!(upstream = self.name, "a breaker has closed: there are answers again");
            }
            Some(Phase::HalfOpen) | None => {}
        }
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pass {
    /// The call was answered, or given up: after that time, of what it was given.
    pub(crate) fn done(mut self, rpc: &'static str, fault: Option<&Status>, took: Duration, given: Duration) {
        let heard = match fault.map(Status::code) {
            Some(Code::Unavailable) if fault.and_then(Trouble::of) == Some(Trouble::Overloaded) => {
                Heard::TooMuch
            }
            Some(Code::Unavailable) => Heard::Nothing,
            Some(Code::DeadlineExceeded) if given < FAIR_TIME => return,
            Some(Code::DeadlineExceeded) => Heard::Late,
            _ => {
                self.gate.limiter.answered(rpc, took);
                Heard::Answer
            }
        };
        self.settle(heard);
    }

    /// The same for a request to a plain HTTP upstream: as its paths are not known, neither is how long they take usually. Its
    /// place is kept until this is dropped, since a body may be on its way.
    pub(crate) fn heard(&mut self, heard: Heard) {
        if heard == Heard::Answer {
            self.gate.limiter.answered_somehow();
        }
        self.settle(heard);
    }

    fn settle(&mut self, heard: Heard) {
        let outcome = match heard {
            Heard::Answer => Outcome::Success,
            // It is there, and its limit is what must fall.
            Heard::TooMuch => Outcome::Unknown,
            // How fast a service fails says nothing of how much it can do.
            Heard::Late | Heard::Nothing => Outcome::Failure,
        };
        if matches!(heard, Heard::TooMuch | Heard::Late) {
            self.gate.limiter.overloaded();
        }
        if let Some(ticket) = self.ticket.take() {
            self.gate.record(ticket, outcome);
        }
    }
}

impl Behind {
    async fn is_well(&self) -> bool {
        match self {
            Self::Service(transport) => health::is_ready(transport.clone()).await,
            Self::Http(balance) => balance.is_well().await,
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.gate.record(ticket, Outcome::Unknown);
        }
    }
}

/// Asks who stands behind a gate how it is until it is well, or the gate is gone.
async fn probe(gate: Arc<Gate>) {
    let behind = gate.behind.clone();
    let (pause, kept) = (gate.breaker().probe_pause(), Arc::downgrade(&gate));
    drop(gate);
    while health::next(pause, &kept).await {
        if !behind.is_well().await {
            continue;
        }
        if let Some(gate) = kept.upgrade()
            && gate.breaker().probed().is_some()
        {
            tracing::info!(
                upstream = gate.name,
                "a breaker is half-open: who stands behind it says that it is well"
            );
        }
        return;
    }
}
