//! The addresses of one service, each with connections that are made anew by themselves.
//!
//! A call goes to the better of two addresses: the one with less in flight, weighed by how long it takes to answer, so that
//! a slow replica gets less of the load and one that hangs next to nothing. When all of them are ejected, trying is better
//! than refusing: the breaker of the service decides then.
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
use super::gate::Heard;
use super::load::Load;
use super::settings::{self, Resilience};
use super::standing::{AddressView, Asked, Flight, Standing};
use super::trouble::Trouble;

/// A call that was dropped this close to its deadline was not given up by a client.
const DEADLINE_MARGIN: Duration = Duration::from_millis(5);

/// Connections to the replicas of a service.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    members: ArcSwap<Vec<Arc<Member>>>,
}

#[derive(Debug)]
struct Member {
    standing: Arc<Standing>,
    channels: Vec<Channel>,
    next: AtomicUsize,
    load: Mutex<Load>,
}

/// A call to one address. Dropped without an answer it was given up, by a client or at its deadline.
struct Call {
    member: Arc<Member>,
    flight: Flight,
    started: Instant,
    /// The time that the service has; nothing once it has answered.
    given: Option<Duration>,
}

impl Pool {
    pub(crate) fn open(addresses: &[Address], resilience: &Resilience) -> Self {
        let member = |address| Member::open(address, resilience, Standing::new);
        Self { members: ArcSwap::from_pointee(addresses.iter().map(member).collect()) }
    }

    /// Takes these addresses in the place of those that there are.
    pub(crate) fn replace(&self, addresses: &[Address], resilience: &Resilience) {
        let known = self.members.load();
        // Nobody else could serve while an only address is asked how it is.
        let standing = if addresses.len() <= 1 { Standing::new } else { Standing::unproven };
        let member = |address: &Address| {
            let stays = known.iter().find(|member| member.standing.address() == address.text());
            stays.cloned().unwrap_or_else(|| Member::open(address, resilience, standing))
        };
        self.members.store(Arc::new(addresses.iter().map(member).collect()));
    }

    /// Puts other settings of the breakers in force.
    pub(crate) fn adjust(&self, settings: settings::Breaker) {
        for member in self.members.load().iter() {
            member.standing.adjust(settings);
        }
    }

    /// Whether there is no address at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.members.load().is_empty()
    }

    /// Sends a request to the better one of two addresses.
    pub(crate) async fn send(&self, request: http::Request<Body>) -> Result<http::Response<Body>, Status> {
        let Some((member, flight)) = self.pick() else {
            return Err(Trouble::Unreachable.status());
        };
        let call = Call::start(member.clone(), flight, &request);
        match member.channel().oneshot(request).await {
            Ok(answer) => {
                call.answered(&answer);
                Ok(answer)
            }
            Err(error) => {
                let fault = fault(&error);
                call.failed(fault.code());
                tracing::debug!(
                    server.address = member.standing.address(),
                    error = &error as &dyn std::error::Error,
                    "an upstream did not answer"
                );
                Err(fault)
            }
        }
    }

    /// Each address.
    pub(crate) fn view(&self) -> Vec<AddressView> {
        self.members.load().iter().map(|member| member.standing.view()).collect()
    }

    /// The one with less load of two that are not ejected, with a call to it begun.
    fn pick(&self) -> Option<(Arc<Member>, Flight)> {
        let members = self.members.load();
        let count = members.len();
        if count <= 1 {
            return members.first().map(|only| (only.clone(), only.standing.start_at_only()));
        }
        let now = Instant::now();
        let from = rand::thread_rng().gen_range(0..count);
        let in_turn = || (0..count).map(|step| &members[(from + step) % count]);
        let is_there = |member: &&Arc<Member>| !member.standing.is_ejected();
        let less = |one: &&Arc<Member>, other: &&Arc<Member>| one.cost(now).total_cmp(&other.cost(now));
        let better = in_turn().filter(is_there).take(2).min_by(less);
        let member = better.or_else(|| in_turn().take(2).min_by(less))?;
        Some((member.clone(), member.standing.start()))
    }
}

impl Member {
    fn open(
        address: &Address,
        resilience: &Resilience,
        standing: fn(&str, Asked, settings::Breaker) -> Arc<Standing>,
    ) -> Arc<Self> {
        let channels = address.connections(resilience.connections);
        let asked = Asked::Service(channels[0].clone());
        Arc::new(Self {
            standing: standing(address.text(), asked, resilience.breaker),
            channels,
            next: AtomicUsize::new(0),
            load: Mutex::new(Load::new(Instant::now())),
        })
    }

    fn channel(&self) -> Channel {
        self.channels[self.next.fetch_add(1, Ordering::Relaxed) % self.channels.len()].clone()
    }

    fn cost(&self, now: Instant) -> f64 {
        self.load().cost(self.standing.in_flight(), now)
    }

    fn load(&self) -> MutexGuard<'_, Load> {
        self.load.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Call {
    fn start(member: Arc<Member>, flight: Flight, request: &http::Request<Body>) -> Self {
        let given = request.headers().get("grpc-timeout").and_then(|value| millis(value.to_str().ok()?));
        Self { member, flight, started: Instant::now(), given }
    }

    fn answered(mut self, answer: &http::Response<Body>) {
        self.given = None;
        // A fault comes without a message, with its status in the header.
        let status = answer.headers().get("grpc-status").map(|status| Code::from_bytes(status.as_bytes()));
        if matches!(status, Some(Code::Unavailable | Code::DeadlineExceeded)) {
            self.flight.heard(Heard::Nothing);
        } else {
            // An address that fails fast must not look like a fast one.
            self.member.load().note(self.started.elapsed(), Instant::now());
            self.flight.heard(Heard::Answer);
        }
    }

    fn failed(mut self, code: Code) {
        self.given = None;
        if code == Code::DeadlineExceeded {
            self.late();
        } else {
            self.flight.found_nobody();
        }
    }

    fn late(&mut self) {
        self.member.load().note(self.started.elapsed(), Instant::now());
        self.flight.heard(Heard::Late);
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if self.given.is_some_and(|given| self.started.elapsed() + DEADLINE_MARGIN >= given) {
            self.late();
        }
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
