//! Starting and stopping an edge: listeners, background tasks, reload, hand-over, drain.
//!
//! Everything runs on the tokio runtime that [`Edge::start`] is called on.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use vitrina_broker::Broker;

use crate::config::EdgeConfig;
use crate::core::Core;
use crate::error::Error;
use crate::listen::Listen;
use crate::upgrade::{Inherited, Listeners};
use crate::upstream::Upstreams;
use crate::upstream::origin::keep_watch;
use crate::{admin, cached, collected, events, reload, tls};

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
    /// To be handed over; taken when the edge stops listening.
    listeners: Option<Listeners>,
    shutdown: watch::Sender<bool>,
    stop: CancellationToken,
    let_go: CancellationToken,
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
        check(&config)?;
        let listeners = Listeners {
            clients: (config.listen, listen(config.listen)?),
            operators: (config.admin_listen, listen(config.admin_listen)?),
        };
        serve(config, upstreams, broker, listeners)
    }

    /// Starts an edge in the place of another process: on its listeners, where the addresses are the same. That one
    /// drains once this returns.
    ///
    /// # Errors
    /// As [`Edge::start`]; the other process then goes on as if nothing had been.
    pub async fn take_over(
        config: EdgeConfig,
        upstreams: Upstreams,
        broker: Option<Arc<dyn Broker>>,
        mut inherited: Inherited,
    ) -> Result<Running, Error> {
        check(&config)?;
        let Listeners { clients, operators } = &mut inherited.listeners;
        for (address, known) in [(config.listen, clients), (config.admin_listen, operators)] {
            if known.0 != address {
                *known = (address, listen(address)?);
            }
        }
        let listeners = inherited.listeners.try_clone().map_err(Error::Socket)?;
        let running = serve(config, upstreams, broker, listeners)?;
        if let Err(error) = inherited.confirm() {
            tracing::warn!(%error, "the old process is gone already");
        }
        Ok(running)
    }
}

impl Running {
    /// Puts another configuration in force, as far as that can be done while running: limits, rates, CORS, trusted
    /// proxies, tokens, certificates, what stands behind the edge and its resilience. Running requests are not touched. Gives
    /// the keys whose change needs a restart. Must be called on the runtime of the edge.
    ///
    /// # Errors
    /// Every mistake; then nothing has changed.
    pub fn reload(&self, config: EdgeConfig) -> Result<Vec<&'static str>, Error> {
        match reload::apply(&self.core, config) {
            Ok(needs_restart) => {
                tracing::info!(?needs_restart, "the configuration is reloaded");
                Ok(needs_restart)
            }
            Err(error) => {
                self.refuse(&error.to_string());
                Err(error)
            }
        }
    }

    /// Notes that a configuration could not be read, and why.
    pub fn refuse(&self, why: &str) {
        self.core.metrics.reloads.refuse();
        tracing::error!(why, "the configuration is refused, the old one stays in force");
    }

    /// Hands the listeners over to a process that waits at the configured socket. When that one serves, this one is to
    /// be ended by [`Running::retire`].
    ///
    /// # Errors
    /// When no socket is configured, nobody waits there, or the other process does not serve in time: then this one goes on.
    pub async fn hand_over(&self) -> Result<(), Error> {
        let socket = self.core.config().upgrade_socket.clone().ok_or(Error::NoUpgradeSocket)?;
        let listeners = match &self.listeners {
            Some(listeners) => listeners.try_clone().map_err(Error::Socket)?,
            None => return Err(Error::NoUpgradeSocket),
        };
        let failed = |socket: &Path, source| Error::HandOver { socket: socket.to_owned(), source };
        let path = socket.clone();
        // Blocks until the other process serves.
        let done = tokio::task::spawn_blocking(move || listeners.hand_over(&path)).await;
        match done {
            Ok(done) => done.map_err(|source| failed(&socket, source)),
            Err(ended) => Err(failed(&socket, std::io::Error::other(ended))),
        }
    }

    /// Takes no new connections, lets running requests end within the configured time, then stops.
    pub async fn drain(self) {
        let idle = Duration::from_millis(self.core.config().drain_idle_ms);
        self.end(idle).await;
    }

    /// As [`Running::drain`], but leaves idle connections the whole time: the next request on each is answered, and its
    /// client told to connect anew.
    pub async fn retire(self) {
        let idle = Duration::from_millis(self.core.config().drain_ms);
        self.end(idle).await;
    }

    async fn end(mut self, idle: Duration) {
        let drain = Duration::from_millis(self.core.config().drain_ms);
        let now = Instant::now();
        let (idle_until, deadline) = (now + idle.min(drain), now + drain);
        // The last handles to the sockets, so that nobody waits in their backlog for nobody.
        self.listeners = None;
        self.core.draining.cancel();
        // Nobody listens only when every connection is gone already.
        let _ = self.shutdown.send(true);
        self.stop.cancel();
        self.connections_gone(idle_until).await;
        self.let_go.cancel();
        if tokio::time::timeout_at(deadline, &mut self.accepting).await.is_err() {
            self.accepting.abort();
        }
        self.connections_gone(deadline).await;
        self.tasks.shutdown().await;
        tracing::info!("the edge has stopped");
    }

    async fn connections_gone(&self, deadline: Instant) {
        while self.core.metrics.connections.count() > 0 && Instant::now() < deadline {
            tokio::time::sleep(DRAIN_STEP).await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.core.draining.cancel();
        self.stop.cancel();
        self.accepting.abort();
    }
}

fn check(config: &EdgeConfig) -> Result<(), Error> {
    let mistakes = config.mistakes();
    if mistakes.is_empty() { Ok(()) } else { Err(Error::Config(mistakes)) }
}

fn listen(address: SocketAddr) -> Result<std::net::TcpListener, Error> {
    let failed = |source| Error::Listen { address, source };
    let listener = std::net::TcpListener::bind(address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    Ok(listener)
}

fn serve(
    config: EdgeConfig,
    upstreams: Upstreams,
    broker: Option<Arc<dyn Broker>>,
    listeners: Listeners,
) -> Result<Running, Error> {
    let core = Arc::new(Core::new(config, upstreams, broker.clone())?);
    collected::tell(&core);
    let kept = listeners.try_clone().map_err(Error::Socket)?;
    let listener = TcpListener::from_std(listeners.clients.1).map_err(Error::Socket)?;
    let admin_listener = TcpListener::from_std(listeners.operators.1).map_err(Error::Socket)?;
    let addr = listener.local_addr().map_err(Error::Socket)?;
    let admin_addr = admin_listener.local_addr().map_err(Error::Socket)?;
    let (stop, let_go) = (CancellationToken::new(), CancellationToken::new());
    let (shutdown, shutdown_seen) = watch::channel(false);

    let mut tasks = JoinSet::new();
    tasks.spawn(admin::serve(admin_listener, core.clone(), stop.clone()));
    let keys = core.clone();
    tasks.spawn(async move { keys.guard.keep_keys().await });
    let watched = core.clone();
    tasks.spawn(async move { keep_watch(&watched.origins).await });
    tasks.spawn(cached::keep_hot(core.clone()));
    if core.certificates.is_some() {
        tasks.spawn(keep_certificates(core.clone()));
    }
    if let Some(broker) = broker {
        tasks.spawn(events::listen(broker, core.clone()));
    }
    let listen = Listen {
        core: core.clone(),
        listener,
        shutdown: shutdown_seen,
        stop: stop.clone(),
        let_go: let_go.clone(),
    };
    let accepting = tokio::spawn(listen.run());
    tracing::info!(%addr, %admin_addr, "the edge serves");
    Ok(Running { addr, admin_addr, core, listeners: Some(kept), shutdown, stop, let_go, accepting, tasks })
}

/// Looks for new files of the certificate now and then.
async fn keep_certificates(core: Arc<Core>) {
    loop {
        tokio::time::sleep(tls::LOOK).await;
        let config = core.config();
        let (Some(certificates), Some(tls)) = (&core.certificates, &config.tls) else {
            return;
        };
        match certificates.reload(tls) {
            Ok(true) => tracing::info!("a new certificate is in force"),
            Ok(false) => {}
            Err(mistakes) => tracing::warn!(?mistakes, "the certificate stays as it is"),
        }
    }
}
