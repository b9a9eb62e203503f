//! The listener for clients: each accepted connection gets a slot, is opened and handed to pingora.
//!
//! pingora's own `Server` wants to be the process: it parses flags, handles signals and exits. An edge must also run
//! inside `vitrina up`, on a port that it learns only by binding it, so the accept loop is here.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use pingora_core::apps::{HttpServerApp as _, ServerApp as _};
use pingora_core::server::ShutdownWatch;
use pingora_core::server::configuration::ServerConf;
use pingora_proxy::HttpProxy;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::connection::Connection;
use crate::connections::Agreed;
use crate::core::Core;
use crate::gateway::Gateway;
use crate::lane;
use crate::slots::{Slot, Slots};

/// After an accept that failed, mostly for want of file descriptors, others get time to be freed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What the accept loop works with.
pub(crate) struct Listen {
    pub(crate) core: Arc<Core>,
    pub(crate) listener: TcpListener,
    /// Tells pingora that connections are not to be kept.
    pub(crate) shutdown: ShutdownWatch,
    /// Ends the accepting.
    pub(crate) stop: CancellationToken,
    /// Ends connections on which no request runs; comes after `stop`.
    pub(crate) let_go: CancellationToken,
}

impl Listen {
    /// Accepts until told to stop, then waits until idle connections are to go and ends them.
    pub(crate) async fn run(self) {
        let proxy = Arc::new(proxy(&self.core));
        let slots = Slots::new(self.core.config().limits.connections_max);
        loop {
            let accepted = tokio::select! {
                () = self.stop.cancelled() => break,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok(client) => {
                    let slot = slots.take().await;
                    let (core, proxy, shutdown) = (self.core.clone(), proxy.clone(), self.shutdown.clone());
                    tokio::spawn(serve(core, proxy, shutdown, client, slot));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(self.listener);
        self.let_go.cancelled().await;
        proxy.http_cleanup().await;
    }
}

fn proxy(core: &Arc<Core>) -> HttpProxy<Gateway> {
    let config = core.config();
    let mut proxy = HttpProxy::new(Gateway { core: core.clone() }, Arc::new(ServerConf::default()));
    proxy.handle_init_modules();
    proxy.h2_options = Some(config.http2.options(config.limits.header_bytes_max));
    proxy.server_options = Some(config.http2.server_options());
    proxy
}

/// One connection, to its end.
async fn serve(
    core: Arc<Core>,
    proxy: Arc<HttpProxy<Gateway>>,
    shutdown: ShutdownWatch,
    client: (TcpStream, SocketAddr),
    slot: Slot,
) {
    let activity = slot.begin();
    let mut open = core.metrics.connections.open(activity.clone());
    let (stream, peer) = client;
    // One that fails here is the client's doing: it went away, came without TLS or was too slow.
    match Connection::open(stream, peer, &core, activity).await {
        Ok(connection) => {
            if open.agreed() == Agreed::PlainHttp1 {
                lane::serve(connection, &proxy, &core, &shutdown).await;
            } else {
                proxy.process_new(Box::new(connection), &shutdown).await;
            }
        }
        Err(error) => tracing::debug!(%error, client.address = %peer.ip(), "a connection did not come about"),
    }
    drop((open, slot));
}
