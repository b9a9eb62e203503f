//! Starting and stopping an edge: listeners, background tasks, drain.
//!
//! pingora's own `Server` wants to be the process: it parses flags, handles signals and exits. An edge must also run
//! inside `vitrina up`, on a port that it learns only by binding it, so the accept loop is here and pingora gets each
//! connection from it. Everything runs on the tokio runtime that [`Edge::start`] is called on.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pingora_core::apps::HttpServerApp as _;
use pingora_core::server::configuration::ServerConf;
use pingora_proxy::HttpProxy;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use vitrina_broker::Broker;

use crate::admin;
use crate::cached;
use crate::config::EdgeConfig;
use crate::connection::Connection;
use crate::core::Core;
use crate::error::Error;
use crate::events;
use crate::gateway::Gateway;
use crate::lane;
use crate::upstream::Upstreams;
use crate::upstream::origin::keep_watch;

/// After an accept that failed, mostly for want of file descriptors, others get time to be freed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How often a drain looks whether the last connection is gone.
const DRAIN_STEP: Duration = Duration::from_millis(10);

/// The gateway; see [`Edge::start`].
#[derive(Debug)]
pub struct Edge;

/// A running edge. Dropping it stops it at once; [`Running::drain`] lets running requests end.
#[derive(Debug)]
pub struct Running {
    /// Where clients are served.
    pub addr: SocketAddr,
    /// Where operators are served.
    pub admin_addr: SocketAddr,
    core: Arc<Core>,
    shutdown: watch::Sender<bool>,
    stop: CancellationToken,
    accepting: JoinHandle<()>,
    tasks: JoinSet<()>,
}

impl Edge {
    /// Starts an edge on the current tokio runtime; it serves when this returns.
    ///
    /// Services need not be there yet: their routes answer 503 until they are. With a broker, sessions that end at
    /// other edges end here too.
    ///
    /// # Errors
    /// When the configuration is wrong or an address cannot be listened on.
    pub async fn start(
        config: EdgeConfig,
        upstreams: Upstreams,
        broker: Option<Arc<dyn Broker>>,
    ) -> Result<Running, Error> {
        let mistakes = config.mistakes();
        if !mistakes.is_empty() {
            return Err(Error::Config(mistakes));
        }
        let (listener, addr) = listen(config.listen).await?;
        let (admin_listener, admin_addr) = listen(config.admin_listen).await?;
        let core = Arc::new(Core::new(config, upstreams)?);
        let stop = CancellationToken::new();
        let (shutdown, shutdown_seen) = watch::channel(false);

        let mut tasks = JoinSet::new();
        tasks.spawn(admin::serve(admin_listener, core.clone(), stop.clone()));
        let keys = core.clone();
        tasks.spawn(async move { keys.guard.keep_keys().await });
        let watched = core.clone();
        tasks.spawn(async move { keep_watch(&watched.origins).await });
        tasks.spawn(cached::keep_hot(core.clone()));
        if let Some(broker) = broker {
            tasks.spawn(events::listen(broker, core.clone()));
        }
        let accepting = tokio::spawn(accept(listener, core.clone(), shutdown_seen, stop.clone()));
        tracing::info!(%addr, %admin_addr, "the edge serves");
        Ok(Running { addr, admin_addr, core, shutdown, stop, accepting, tasks })
    }
}

impl Running {
    /// Takes no new connections, lets running requests end within the configured time, then stops.
    pub async fn drain(mut self) {
        self.core.draining.cancel();
        // Nobody listens only when every connection is gone already.
        let _ = self.shutdown.send(true);
        self.stop.cancel();
        let deadline = Instant::now() + Duration::from_millis(self.core.config.drain_ms);
        if tokio::time::timeout_at(deadline, &mut self.accepting).await.is_err() {
            self.accepting.abort();
        }
        while self.core.metrics.connections.load(Ordering::Relaxed) > 0 && Instant::now() < deadline {
            tokio::time::sleep(DRAIN_STEP).await;
        }
        self.tasks.shutdown().await;
        tracing::info!("the edge has stopped");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.core.draining.cancel();
        self.stop.cancel();
        self.accepting.abort();
    }
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), Error> {
    let failed = |source| Error::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

/// Hands each connection to pingora until told to stop, then lets idle ones go.
async fn accept(
    listener: TcpListener,
    core: Arc<Core>,
    shutdown: watch::Receiver<bool>,
    stop: CancellationToken,
) {
    let conf = Arc::new(ServerConf::default());
    let mut proxy = HttpProxy::new(Gateway { core: core.clone() }, conf);
    proxy.handle_init_modules();
    let proxy = Arc::new(proxy);
    let slots = Arc::new(Semaphore::new(core.config.limits.connections_max));
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = next(&listener, &slots) => accepted,
        };
        let Some((stream, peer, slot)) = accepted else {
            continue;
        };
        let timeout = core.config.limits.header_timeout();
        let connection = match Connection::new(stream, peer, timeout) {
            Ok(connection) => connection,
            // The client is gone again.
            Err(_) => continue,
        };
        let open = Open::new(core.clone());
        let core = core.clone();
        let proxy = proxy.clone();
        let shutdown = shutdown.clone();
        tokio::spawn(async move {
            lane::serve(connection, &proxy, &core, &shutdown).await;
            drop((open, slot));
        });
    }
    drop(listener);
    proxy.http_cleanup().await;
}

async fn next(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> Option<(tokio::net::TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    // The semaphore is never closed.
    let slot = slots.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => Some((stream, peer, slot)),
        Err(error) => {
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

/// Counts a connection as long as it lives, also when its task panics.
struct Open(Arc<Core>);

impl Open {
    fn new(core: Arc<Core>) -> Self {
        core.metrics.connections.fetch_add(1, Ordering::Relaxed);
        Self(core)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.metrics.connections.fetch_sub(1, Ordering::Relaxed);
    }
}
