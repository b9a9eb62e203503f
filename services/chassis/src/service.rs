//! A service before it runs: its rpcs, what it listens to, and what it does on its own.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use http::{Request, Response};
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::service::Routes;
use vitrina_broker::{Message, Queue};
use vitrina_storage::Commit;

use crate::context::Context;
use crate::fault::IntoFault;
use crate::inbox::{Handler, Inbox, failed};

/// Bounds of a service; the defaults fit one process on a small machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Calls that are worked on at once; what comes on top is refused at once with `unavailable`. 1,024 calls of a few KB
    /// each are some MB, and more than a store of 11,000 commits a second finishes within 100 ms.
    pub in_flight_max: u32,
    /// Longest time for a call, also when the caller allows more or does not say. 30 s is what proxies give up after.
    pub deadline_max: Duration,
}

/// What a service consists of: made by its `start`, run by [`crate::start`].
pub struct Service {
    pub(crate) name: &'static str,
    pub(crate) routes: Routes,
    pub(crate) grpc_names: Vec<&'static str>,
    pub(crate) descriptors: Vec<&'static [u8]>,
    pub(crate) inboxes: Vec<Inbox>,
    pub(crate) tasks: Vec<Task>,
    pub(crate) limits: Limits,
}

/// Work that a service does on its own, until it is told to stop.
pub(crate) struct Task {
    pub(crate) name: &'static str,
    pub(crate) run: Box<dyn FnOnce(Context, CancellationToken) -> BoxFuture<'static, ()> + Send>,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { in_flight_max: 1024, deadline_max: Duration::from_secs(30) }
    }
}

impl Service {
    /// A service without anything, named as in `vitrina-svc NAME`.
    pub fn new(name: &'static str) -> Service {
        Service {
            name,
            routes: Routes::default(),
            grpc_names: Vec::new(),
            descriptors: Vec::new(),
            inboxes: Vec::new(),
            tasks: Vec::new(),
            limits: Limits::default(),
        }
    }

    /// The name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Adds a gRPC service, such as `UsersServer::new(api)`. Its name must not have been added before.
    pub fn grpc<S>(mut self, server: S) -> Service
    where
        S: tower::Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
        S: NamedService + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
    {
        self.routes = self.routes.add_service(server);
        self.grpc_names.push(S::NAME);
        self
    }

    /// Adds an encoded `FileDescriptorSet`, for reflection.
    pub fn descriptors(mut self, encoded: &'static [u8]) -> Service {
        self.descriptors.push(encoded);
        self
    }

    /// Listens to a queue. The handler reads, lets the model judge and returns the commit of the effect; `None` when there is
    /// none. It must have no other effect: it runs again after a conflict, and messages may come again and out of order.
    ///
    /// An error whose fault is [`crate::Code::InvalidInput`] parks the message as a dead letter; any other is tried again
    /// later, and parked after the last step of the broker's ladder.
    pub fn inbox<E: IntoFault + std::error::Error>(
        mut self,
        queue: Queue,
        handler: impl Fn(&Message) -> Result<Option<Commit>, E> + Send + Sync + 'static,
    ) -> Service {
        let handler: Handler = Arc::new(move |message| handler(message).map_err(|error| failed(&error)));
        self.inboxes.push(Inbox { queue, handler });
        self
    }

    /// Adds work of the service's own, which ends soon after its token is cancelled, or when there is nothing left to do.
    pub fn task<F>(
        mut self,
        name: &'static str,
        run: impl FnOnce(Context, CancellationToken) -> F + Send + 'static,
    ) -> Service
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.tasks.push(Task { name, run: Box::new(move |ctx, stop| run(ctx, stop).boxed()) });
        self
    }

    /// Sets other bounds.
    pub fn limits(self, limits: Limits) -> Service {
        Service { limits, ..self }
    }
}
