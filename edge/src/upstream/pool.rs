//! The addresses of one service, each with a channel that connects by itself.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tonic::body::Body;
use tonic::transport::{Channel, Endpoint};
use tower::ServiceExt;

use crate::error::Error;

/// A connection that takes longer than this is not going to be there in time for a page.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);

/// How long an address that failed is passed over while another one is there. Short, since a service that was
/// restarted serves again within a second.
const PASSED_OVER: Duration = Duration::from_millis(200);

/// Silence after which a connection is probed, and how long the probe may take: a machine that vanished without a word
/// is found out in 8 s.
const PROBE_AFTER: Duration = Duration::from_secs(5);
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);

/// Channels to the replicas of a service, taken in turn.
#[derive(Debug)]
pub(crate) struct Pool {
    members: Vec<Member>,
    next: AtomicUsize,
    started: Instant,
}

#[derive(Debug)]
struct Member {
    address: String,
    channel: Channel,
    /// Milliseconds since the pool's start until which the address is passed over.
    passed_over_until_ms: AtomicU64,
}

impl Pool {
    /// # Errors
    /// When an address is none. A service that is not there is no error: the call will tell.
    pub(crate) fn open(addresses: &[String]) -> Result<Self, Error> {
        let members = addresses
            .iter()
            .map(|address| {
                let uri = if address.contains("://") { address.clone() } else { format!("http://{address}") };
                let endpoint = Endpoint::from_shared(uri)
                    .map_err(|source| Error::Address { address: address.clone(), source })?;
                let channel = endpoint
                    .connect_timeout(CONNECT_TIMEOUT)
                    .tcp_nodelay(true)
                    .http2_keep_alive_interval(PROBE_AFTER)
                    .keep_alive_timeout(PROBE_TIMEOUT)
                    .connect_lazy();
                Ok(Member { address: address.clone(), channel, passed_over_until_ms: AtomicU64::new(0) })
            })
            .collect::<Result<Vec<_>, Error>>()?;
        Ok(Self { members, next: AtomicUsize::new(0), started: Instant::now() })
    }

    /// Sends a request to the next address that did not just fail.
    pub(crate) async fn send(
        &self,
        request: http::Request<Body>,
    ) -> Result<http::Response<Body>, tonic::Status> {
        let Some(member) = self.pick() else {
            return Err(tonic::Status::unavailable("the service has no address"));
        };
        let answer = member.channel.clone().oneshot(request).await;
        answer.map_err(|error| {
            let until = self.now_ms() + u64::try_from(PASSED_OVER.as_millis()).unwrap_or_default();
            member.passed_over_until_ms.store(until, Ordering::Relaxed);
            tracing::debug!(
                server.address = member.address,
                error = &error as &dyn std::error::Error,
                "an upstream did not answer"
            );
            tonic::Status::unavailable("the service did not answer")
        })
    }

    /// Each address and whether it is passed over now.
    pub(crate) fn view(&self) -> Vec<(String, bool)> {
        let now_ms = self.now_ms();
        self.members.iter().map(|member| (member.address.clone(), member.is_passed_over(now_ms))).collect()
    }

    fn pick(&self) -> Option<&Member> {
        let count = self.members.len();
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let now_ms = self.now_ms();
        (0..count)
            .map(|step| &self.members[(first.wrapping_add(step)) % count])
            .find(|member| !member.is_passed_over(now_ms))
            // All of them failed just now: trying is better than refusing.
            .or_else(|| self.members.get(first % count.max(1)))
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Member {
    fn is_passed_over(&self, now_ms: u64) -> bool {
        now_ms < self.passed_over_until_ms.load(Ordering::Relaxed)
    }
}
