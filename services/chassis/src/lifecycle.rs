//! A service that runs: its loops, its sockets, and its orderly end.
//!
//! Draining goes from the outside in, so that each step still has what it needs: health says no ─▶ no new calls, connections,
//! messages ─▶ what was taken is finished ─▶ what it left in the outbox is relayed ─▶ the store is closed. Whatever the time
//! limit cuts off is on disk or unacknowledged: events wait in the outbox, messages at the broker, callers retry with their key.

use std::io;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::call::chain;
use crate::context::Context;
use crate::rpc::InProcess;
use crate::service::Service;
use crate::{inbox, relay};

/// How often the store is swept of old marks and records; each sweep is bounded by the store.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// How often health looks whether the store can be written: soon enough for a load balancer that asks every few seconds.
const HEALTH_EVERY: Duration = Duration::from_secs(1);
/// HTTP/2 pings on quiet connections, so that a peer that vanished without a word does not hold its connection for ever.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(20);

/// Why a service does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The descriptors of the service are not a `FileDescriptorSet`.
    #[error("the descriptors of {service} do not decode")]
    Descriptors {
        /// The service.
        service: &'static str,
        /// What is wrong with them.
        #[source]
        source: tonic_reflection::server::Error,
    },
}

/// A service that runs until it is drained. Dropping it instead stops its loops where they are; nothing on disk is lost.
pub struct Running {
    ctx: Context,
    name: &'static str,
    rpc: InProcess,
    grpc_names: Vec<&'static str>,
    health: HealthReporter,
    listening: Vec<CancellationToken>,
    intake: Loops,
    relay: Loops,
    upkeep: Loops,
}

/// What draining came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Calls that were still in flight when the time was over.
    pub calls_left: usize,
    /// Events that are still in the outbox; they are relayed at the next start.
    pub events_left: u64,
}

/// Tasks that end when their token is cancelled.
struct Loops {
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

/// Starts a service: its inboxes, its tasks, its relay and its upkeep run from here on; calls come in through
/// [`Running::in_process`] and [`Running::serve`]. To be called inside the tokio runtime that the service shall live on.
///
/// # Errors
/// [`StartError`] when the service's descriptors are broken.
pub fn start(ctx: Context, service: Service) -> Result<Running, StartError> {
    let Service { name, routes, grpc_names, descriptors, inboxes, tasks, limits } = service;
    let reflection = descriptors
        .into_iter()
        .fold(tonic_reflection::server::Builder::configure(), |builder, set| {
            builder.register_encoded_file_descriptor_set(set)
        })
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()
        .map_err(|source| StartError::Descriptors { service: name, source })?;
    let (health, health_server) = tonic_health::server::health_reporter();
    let rpc = InProcess::new(name, routes.add_service(health_server).add_service(reflection), limits);

    let (mut intake, mut relay, mut upkeep) = (Loops::new(), Loops::new(), Loops::new());
    let mut listening = Vec::with_capacity(inboxes.len());
    for inbox in inboxes {
        let is_listening = CancellationToken::new();
        listening.push(is_listening.clone());
        intake.spawn(|stop| inbox::run(ctx.clone(), inbox, is_listening, stop));
    }
    for task in tasks {
        let run = (task.run)(ctx.clone(), intake.stop.clone());
        intake.spawn(|_| watched(name, task.name, run));
    }
    relay.spawn(|stop| relay::run(ctx.clone(), name, stop));
    upkeep.spawn(|stop| sweep(ctx.clone(), name, stop));
    let listens = listening.clone();
    upkeep.spawn(|stop| report(ctx.clone(), health.clone(), grpc_names.clone(), listens, stop));
    Ok(Running { ctx, name, rpc, grpc_names, health, listening, intake, relay, upkeep })
}

impl Running {
    /// The name of the service.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The parts that the service stands on.
    pub fn context(&self) -> &Context {
        &self.ctx
    }

    /// The service as a tower service, to be called without a socket.
    pub fn in_process(&self) -> InProcess {
        self.rpc.clone()
    }

    /// Waits until the queues of the service's inboxes exist. An event that is published before the very first time is not kept
    /// for it, so whoever starts a new shop waits for all services before the first write.
    pub async fn listening(&self) {
        for listening in &self.listening {
            listening.cancelled().await;
        }
    }

    /// Calls that are being worked on.
    pub fn calls_in_flight(&self) -> usize {
        self.rpc.in_flight()
    }

    /// Serves gRPC, with health and reflection, on a socket that is already bound; may be called for several. Gives the
    /// address, which tells the port when it was bound to port 0.
    ///
    /// # Errors
    /// When the socket has no address.
    pub fn serve(&mut self, listener: TcpListener) -> io::Result<SocketAddr> {
        let address = listener.local_addr()?;
        let (name, rpc) = (self.name, self.rpc.clone());
        let server = tonic::transport::Server::builder()
            .tcp_nodelay(true)
            .http2_keepalive_interval(Some(KEEPALIVE_EVERY));
        self.intake.spawn(|stop| async move {
            let incoming = tokio_stream::StreamExt::map(TcpListenerStream::new(listener), |socket| {
                // The builder's `tcp_nodelay` counts only for sockets that it binds itself.
                socket.inspect(|socket| {
                    if let Err(error) = socket.set_nodelay(true) {
                        tracing::debug!(%error, "a connection keeps its delay");
                    }
                })
            });
            if let Err(error) =
                server.serve_with_incoming_shutdown(rpc, incoming, stop.cancelled_owned()).await
            {
                tracing::error!(service = name, error = chain(&error), "the server ended");
            }
        });
        Ok(address)
    }

    /// Ends the service within about `limit`: nothing new is taken, what was taken is finished, what is pending is relayed, the
    /// store is closed. Nothing is lost when the time is over before: see [`Drained`].
    pub async fn drain(mut self, limit: Duration) -> Drained {
        let until = Instant::now() + limit;
        self.upkeep.stop.cancel();
        for name in self.grpc_names.iter().copied().chain([""]) {
            self.health.set_service_status(name, ServingStatus::NotServing).await;
        }
        self.rpc.close();
        self.intake.stop.cancel();
        let finished = async {
            self.rpc.idle().await;
            self.intake.ended().await;
            self.upkeep.ended().await;
        };
        // Half of the time at most, so that some is left for the relay.
        if tokio::time::timeout(limit / 2, finished).await.is_err() {
            tracing::warn!(
                service = self.name,
                in_flight = self.rpc.in_flight(),
                "work is cut off by the end of the time"
            );
        }
        let calls_left = self.rpc.in_flight();
        self.relay.stop.cancel();
        let relayed = async {
            self.relay.ended().await;
            relay::flush(&self.ctx, self.name).await;
        };
        if tokio::time::timeout_at(until, relayed).await.is_err() {
            tracing::warn!(service = self.name, "events stay in the outbox until the next start");
        }
        let drained = Drained { calls_left, events_left: self.ctx.store.outbox().pending_count() };
        // Loops that did not end are aborted by being dropped; the store finishes the commits it was handed.
        drop((self.intake, self.relay, self.upkeep));
        self.ctx.store.close().await;
        tracing::info!(service = self.name, drained.calls_left, drained.events_left, "drained");
        drained
    }
}

impl Loops {
    fn new() -> Loops {
        Loops { stop: CancellationToken::new(), tasks: JoinSet::new() }
    }

    fn spawn<F: Future<Output = ()> + Send + 'static>(&mut self, make: impl FnOnce(CancellationToken) -> F) {
        self.tasks.spawn(make(self.stop.clone()));
    }

    async fn ended(&mut self) {
        while let Some(ended) = self.tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a loop of the service panicked");
            }
        }
    }
}

/// A task may end by itself when its work is done; one that panics is told of at once, since nobody else would notice.
async fn watched(service: &'static str, task: &'static str, run: impl Future<Output = ()>) {
    match AssertUnwindSafe(run).catch_unwind().await {
        Ok(()) => tracing::debug!(service, task, "a task of the service has ended"),
        Err(_) => tracing::error!(
            service,
            task,
            "a task of the service panicked; its work is left until the next start"
        ),
    }
}

async fn sweep(ctx: Context, service: &'static str, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(SWEEP_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        if let Err(error) = ctx.store.sweep(ctx.clock.now_ms()).await {
            tracing::warn!(service, error = chain(&error), "the store could not be swept");
        }
    }
}

/// Says whether the service can be used: not before it listens to its events, since those of a new shop would be lost to it, and
/// not while its store is read-only.
async fn report(
    ctx: Context,
    health: HealthReporter,
    names: Vec<&'static str>,
    listens: Vec<CancellationToken>,
    stop: CancellationToken,
) {
    for name in names.iter().copied().chain([""]) {
        health.set_service_status(name, ServingStatus::NotServing).await;
    }
    for is_listening in listens {
        tokio::select! {
            () = stop.cancelled() => return,
            () = is_listening.cancelled() => {}
        }
    }
    let mut ticks = tokio::time::interval(HEALTH_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut known = None;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let reason = ctx.store.is_read_only();
        if known.as_ref() == Some(&reason) {
            continue;
        }
        let status = if reason.is_some() { ServingStatus::NotServing } else { ServingStatus::Serving };
        for name in names.iter().copied().chain([""]) {
            health.set_service_status(name, status).await;
        }
        match &reason {
            Some(reason) => tracing::error!(reason, "the store is read-only"),
            None if known.is_some() => tracing::info!("the store can be written again"),
            None => {}
        }
        known = Some(reason);
    }
}
