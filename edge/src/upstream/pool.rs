//! The addresses of one service, each with connections that are made anew by themselves.
//!
//! A call goes to the better of two addresses: the one with less in flight, weighed by how long it takes to answer, so that
//! a slow replica gets less of the load and one that hangs next to nothing. An address is ejected as soon as nobody is there,
//! or when its breaker finds that it fails too often, and asked in the background until it is well. When all of them are
//! ejected, trying is better than refusing: the breaker of the service decides then.

use std::error::Error as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rand::Rng;
use tonic::body::Body;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status, TimeoutExpired};
use tower::ServiceExt;

use super::breaker::{Breaker, Outcome, Phase, Ticket};
use super::health;
use super::load::Load;
use super::settings::Resilience;
use super::trouble::Trouble;
use crate::error::Error;

/// A connection that takes longer than this is not going to be there in time for a page.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);

/// Silence after which a connection is probed, and how long the probe may take: a machine that vanished without a word
/// is found out in 8 s.
const PROBE_AFTER: Duration = Duration::from_secs(5);
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);

/// A call that was dropped this close to its deadline was not given up by a client.
const DEADLINE_MARGIN: Duration = Duration::from_millis(5);

/// Connections to the replicas of a service.
#[derive(Debug)]
pub(crate) struct Pool {
    members: Vec<Arc<Member>>,
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
    probe: Duration,
}

/// A call to one address. Dropped without an answer it was given up, by a client or at its deadline.
struct Flight {
    member: Arc<Member>,
    ticket: Option<Ticket>,
    started: Instant,
    given: Option<Duration>,
}

impl Pool {
    /// # Errors
    /// When an address is none. A service that is not there is no error: the call will tell.
    pub(crate) fn open(addresses: &[String], resilience: &Resilience) -> Result<Self, Error> {
        let member = |address: &String| Member::open(address, resilience).map(Arc::new);
        Ok(Self { members: addresses.iter().map(member).collect::<Result<_, Error>>()? })
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
        self.members.iter().map(view).collect()
    }

    /// The one with less load of two that are not ejected, with the right to call it if a breaker gives one.
    fn pick(&self) -> Option<(&Arc<Member>, Option<Ticket>)> {
        let count = self.members.len();
        if count <= 1 {
            // Nobody is there to take the calls of an only address.
            return self.members.first().map(|only| (only, None));
        }
        let now = Instant::now();
        let from = rand::thread_rng().gen_range(0..count);
        let in_turn = || (0..count).map(move |step| &self.members[(from + step) % count]);
        let is_there = |member: &&Arc<Member>| member.breaker().phase() != Phase::Open;
        let less = |one: &&Arc<Member>, other: &&Arc<Member>| one.cost(now).total_cmp(&other.cost(now));
        let better = in_turn().filter(is_there).take(2).min_by(less);
        let member = better.or_else(|| in_turn().take(2).min_by(less))?;
        Some((member, member.breaker().admit(now)))
    }
}

impl Member {
    fn open(address: &str, resilience: &Resilience) -> Result<Self, Error> {
        let uri = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
        let endpoint = Endpoint::from_shared(uri)
            .map_err(|source| Error::Address { address: address.to_owned(), source })?
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(PROBE_AFTER)
            .keep_alive_timeout(PROBE_TIMEOUT);
        let now = Instant::now();
        Ok(Self {
            address: address.to_owned(),
            channels: (0..resilience.connections).map(|_| endpoint.connect_lazy()).collect(),
            next: AtomicUsize::new(0),
            breaker: Mutex::new(Breaker::new(resilience.breaker, now)),
            load: Mutex::new(Load::new(now)),
            in_flight: AtomicUsize::new(0),
            ejections: AtomicUsize::new(0),
            probe: resilience.breaker.probe(),
        })
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

/// Asks an ejected address how it is until it is well, or the edge is gone.
async fn probe(member: Arc<Member>) {
    let (channel, pause) = (member.channel(), member.probe);
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
