//! The addresses of one service, each with connections that are made anew by themselves.
//!
//! A call goes to the better of two addresses: the one with less in flight, weighed by how long it takes to answer, so that
//! a slow replica gets less of the load and one that hangs next to nothing. An address is ejected as soon as nobody is there,
//! or when its breaker finds that it fails too often, and asked in the background until it is well. When all of them are
//! ejected, trying is better than refusing: the breaker of the service decides then.
//!
//! The addresses may be others at any time. One that stays keeps what is known of it, one that comes is asked how it is before
//! a call goes to it, and calls under way at one that goes are answered there.

use std::error::Error as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use rand::Rng;
use tonic::body::Body;
use tonic::transport::Channel;
use tonic::{Code, Status, TimeoutExpired};
use tower::ServiceExt;

use super::address::Address;
use super::breaker::{Breaker, Outcome, Phase, Ticket};
use super::health;
use super::load::Load;
use super::settings::{self, Resilience};
use super::trouble::Trouble;

/// A call that was dropped this close to its deadline was not given up by a client.
const DEADLINE_MARGIN: Duration = Duration::from_millis(5);

/// Connections to the replicas of a service.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    members: ArcSwap<Vec<Arc<Member>>>,
}

/// How it stands with an address, for the operator.
#[derive(Clone, Debug)]
pub(crate) struct AddressView {
    pub(crate) address: String,
    pub(crate) phase: Phase,
    pub(crate) in_flight: usize,
    /// How often it was ejected.
    pub(crate) ejections: usize,
}

#[derive(Debug)]
struct Member {
    address: String,
    channels: Vec<Channel>,
    next: AtomicUsize,
    breaker: Mutex<Breaker>,
    load: Mutex<Load>,
    in_flight: AtomicUsize,
    ejections: AtomicUsize,
}

/// A call to one address. Dropped without an answer it was given up, by a client or at its deadline.
struct Flight {
    member: Arc<Member>,
    ticket: Option<Ticket>,
    started: Instant,
    given: Option<Duration>,
}

impl Pool {
    pub(crate) fn open(addresses: &[Address], resilience: &Resilience) -> Self {
        let breaker = || Breaker::new(resilience.breaker, Instant::now());
        let member = |address| Arc::new(Member::open(address, resilience, breaker()));
        Self { members: ArcSwap::from_pointee(addresses.iter().map(member).collect()) }
    }

    /// Takes these addresses in the place of those that there are.
    pub(crate) fn replace(&self, addresses: &[Address], resilience: &Resilience) {
        let known = self.members.load();
        // Nobody else could serve while an only address is asked how it is.
        let is_only = addresses.len() <= 1;
        let member = |address: &Address| {
            if let Some(stays) = known.iter().find(|member| member.address == address.text()) {
                return stays.clone();
            }
            if is_only {
                let breaker = Breaker::new(resilience.breaker, Instant::now());
                return Arc::new(Member::open(address, resilience, breaker));
            }
            let comes = Member::open(address, resilience, Breaker::unproven(resilience.breaker));
            let comes = Arc::new(comes);
            tokio::spawn(probe(comes.clone()));
            comes
        };
        self.members.store(Arc::new(addresses.iter().map(member).collect()));
    }

    /// Puts other settings of the breakers in force.
    pub(crate) fn adjust(&self, settings: settings::Breaker) {
        for member in self.members.load().iter() {
            member.breaker().adjust(settings, Instant::now());
        }
    }

    /// Whether there is no address at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.members.load().is_empty()
    }

    /// Sends a request to the better one of two addresses.
    pub(crate) async fn send(&self, request: http::Request<Body>) -> Result<http::Response<Body>, Status> {
        let Some((member, ticket)) = self.pick() else {
            return Err(Trouble::Unreachable.status());
        };
        let flight = Flight::start(member.clone(), ticket, &request);
        match member.channel().oneshot(request).await {
            Ok(answer) => {
                flight.answered(&answer);
                Ok(answer)
            }
            Err(error) => {
                let fault = fault(&error);
                flight.failed(fault.code());
                tracing::debug!(
                    server.address = member.address,
                    error = &error as &dyn std::error::Error,
                    "an upstream did not answer"
                );
                Err(fault)
            }
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
        self.members.load().iter().map(view).collect()
    }

    /// The one with less load of two that are not ejected, with the right to call it if a breaker gives one.
    fn pick(&self) -> Option<(Arc<Member>, Option<Ticket>)> {
        let members = self.members.load();
        let count = members.len();
        if count <= 1 {
            // Nobody is there to take the calls of an only address.
            return members.first().map(|only| (only.clone(), None));
        }
        let now = Instant::now();
        let from = rand::thread_rng().gen_range(0..count);
        let in_turn = || (0..count).map(|step| &members[(from + step) % count]);
        let is_there = |member: &&Arc<Member>| member.breaker().phase() != Phase::Open;
        let less = |one: &&Arc<Member>, other: &&Arc<Member>| one.cost(now).total_cmp(&other.cost(now));
        let better = in_turn().filter(is_there).take(2).min_by(less);
        let member = better.or_else(|| in_turn().take(2).min_by(less))?;
        let ticket = member.breaker().admit(now);
        Some((member.clone(), ticket))
    }
}

impl Member {
    fn open(address: &Address, resilience: &Resilience, breaker: Breaker) -> Self {
        Self {
            address: address.text().to_owned(),
            channels: address.connections(resilience.connections),
            next: AtomicUsize::new(0),
            breaker: Mutex::new(breaker),
            load: Mutex::new(Load::new(Instant::now())),
            in_flight: AtomicUsize::new(0),
            ejections: AtomicUsize::new(0),
        }
    }

    fn channel(&self) -> Channel {
        self.channels[self.next.fetch_add(1, Ordering::Relaxed) % self.channels.len()].clone()
    }

    fn cost(&self, now: Instant) -> f64 {
        self.load().cost(self.in_flight.load(Ordering::Relaxed), now)
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

    fn load(&self) -> MutexGuard<'_, Load> {
        self.load.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Flight {
    fn start(member: Arc<Member>, ticket: Option<Ticket>, request: &http::Request<Body>) -> Self {
        member.in_flight.fetch_add(1, Ordering::Relaxed);
        let given = request.headers().get("grpc-timeout").and_then(|value| millis(value.to_str().ok()?));
        Self { member, ticket, started: Instant::now(), given }
    }

    fn answered(mut self, answer: &http::Response<Body>) {
        // A fault comes without a message, with its status in the header.
        let status = answer.headers().get("grpc-status").map(|status| Code::from_bytes(status.as_bytes()));
        let is_failure = matches!(status, Some(Code::Unavailable | Code::DeadlineExceeded));
        // An address that fails fast must not look like a fast one.
        if !is_failure {
            self.member.load().note(self.started.elapsed(), Instant::now());
        }
        self.conclude(if is_failure { Outcome::Failure } else { Outcome::Success });
    }

    fn failed(mut self, code: Code) {
        if code == Code::DeadlineExceeded {
            self.member.load().note(self.started.elapsed(), Instant::now());
            self.conclude(Outcome::Failure);
        } else if let Some(ticket) = self.ticket.take() {
            let phase = self.member.breaker().trip(ticket);
            self.member.turned(phase);
        }
    }

    fn conclude(&mut self, outcome: Outcome) {
        if let Some(ticket) = self.ticket.take() {
            let phase = self.member.breaker().record(ticket, outcome, Instant::now());
            self.member.turned(phase);
        }
        self.given = None;
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.member.in_flight.fetch_sub(1, Ordering::Relaxed);
        let took = self.started.elapsed();
        let is_late = self.given.is_some_and(|given| took + DEADLINE_MARGIN >= given);
        if is_late {
            self.member.load().note(took, Instant::now());
        }
        self.conclude(if is_late { Outcome::Failure } else { Outcome::Unknown });
    }
}

/// The milliseconds of a `grpc-timeout`, which the edge writes in this unit only.
fn millis(timeout: &str) -> Option<Duration> {
    Some(Duration::from_millis(timeout.strip_suffix('m')?.parse().ok()?))
}

/// What a call came to that got no answer. The connection keeps the deadline too, and may be first to see it pass.
fn fault(error: &tonic::transport::Error) -> Status {
    let mut cause = error.source();
    while let Some(error) = cause {
        if error.is::<TimeoutExpired>() {
            return Status::deadline_exceeded("the service did not answer in time");
        }
        cause = error.source();
    }
    Trouble::Unreachable.status()
}

/// Asks an ejected or new address how it is until it is well, or not one of ours any more.
async fn probe(member: Arc<Member>) {
    let (channel, pause) = (member.channel(), member.breaker().probe_pause());
    let member = Arc::downgrade(&member);
    loop {
        health::pause(pause).await;
        if member.strong_count() == 0 {
            return;
        }
        if health::is_ready(channel.clone()).await {
            if let Some(member) = member.upgrade() {
                // The address is tried by a few calls from now on.
                member.breaker().probed();
            }
            return;
        }
    }
}
