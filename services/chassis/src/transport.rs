//! One type for both ways to a service, so that a client is written once.

use std::error::Error;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use http::{Request, Response};
use tonic::body::Body;
use tonic::transport::Channel;
use tonic::{Status, TimeoutExpired};

use crate::fault::Fault;
use crate::rpc::InProcess;

/// The way to a service: in the same process, or over TCP. Cheap to clone.
/// A generated client takes it as any other: `UsersClient::new(Transport::from(running.in_process()))`, or
/// `UsersClient::new(Transport::from(endpoint.connect_lazy()))`.
#[derive(Clone)]
pub enum Transport {
    /// Called directly.
    InProcess(InProcess),
    /// Called over a connection of its own.
    Channel(Channel),
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
