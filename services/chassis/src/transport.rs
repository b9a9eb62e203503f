//! One type for both ways to a service, so that a client is written once.

use std::error::Error;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use http::{Request, Response};
use tonic::body::Body;
use tonic::transport::{Channel, Endpoint};
use tonic::{Status, TimeoutExpired};

use crate::fault::Fault;
use crate::rpc::InProcess;

/// A connection that takes longer than this is not going to be there in time for a checkout.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Silence after which a connection is probed, and how long the probe may take: a machine that vanished without a word is
/// found out in 8 s, as at the edge.
const PROBE_AFTER: Duration = Duration::from_secs(5);
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);

/// The way to a service: in the same process, or over TCP. Cheap to clone.
/// A generated client takes it as any other: `UsersClient::new(Transport::from(running.in_process()))`, or
/// `UsersClient::new(Transport::lazy("127.0.0.1:7001")?)`.
#[derive(Clone)]
pub enum Transport {
    /// Called directly.
    InProcess(InProcess),
    /// Called over a connection of its own.
    Channel(Channel),
}

impl Transport {
    /// The way to a service at `address` (`host:port`, or a URL), connected when it is first called and again whenever the
    /// connection is lost: the service need not be there yet.
    ///
    /// # Errors
    /// When the address is none.
    pub fn lazy(address: &str) -> Result<Transport, tonic::transport::Error> {
        let url = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
        let endpoint = Endpoint::from_shared(url)?
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(PROBE_AFTER)
            .keep_alive_timeout(PROBE_TIMEOUT);
        Ok(Transport::Channel(endpoint.connect_lazy()))
    }
}

impl From<InProcess> for Transport {
    fn from(service: InProcess) -> Self {
        Transport::InProcess(service)
    }
}

impl From<Channel> for Transport {
    fn from(channel: Channel) -> Self {
        Transport::Channel(channel)
    }
}

impl tower::Service<Request<Body>> for Transport {
    type Response = Response<Body>;
    type Error = tonic::transport::Error;
    type Future = BoxFuture<'static, Result<Response<Body>, tonic::transport::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        match self {
            Transport::InProcess(_) => Poll::Ready(Ok(())),
            Transport::Channel(channel) => tower::Service::poll_ready(channel, cx),
        }
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        match self {
            Transport::InProcess(service) => {
                let answer = tower::Service::call(service, request);
                Box::pin(async move { Ok(answer.await.unwrap_or_else(|never| match never {})) })
            }
            Transport::Channel(channel) => {
                let answer = tower::Service::call(channel, request);
                Box::pin(async move {
                    match answer.await {
                        // tonic would make `cancelled` of it; in process, and by the conventions, it is the deadline.
                        Err(error) if is_timeout(&error) => {
                            Ok(Status::from(Fault::deadline_exceeded()).into_http())
                        }
                        answer => answer,
                    }
                })
            }
        }
    }
}

fn is_timeout(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<TimeoutExpired>() {
            return true;
        }
        cause = error.source();
    }
    false
}
