//! The services behind the edge: where they are, how they are called, and what is done when one does not answer.
//!
//! A service is reached over gRPC at one or several addresses, or called directly as a tower service when it runs in
//! the same process. Both ways look the same from here on.
//!
//! ```text
//! scope (deadline, retries, span) ─▶ gate (breaker, bulkhead) ─▶ transport (faults) ─▶ pool (balance, ejection) ─▶ connection
//! ```

mod address;
mod breaker;
mod budget;
mod faults;
mod gate;
pub(crate) mod health;
mod limit;
mod limiter;
mod load;
pub(crate) mod origin;
mod pool;
mod priority;
mod scope;
mod settings;
mod standing;
mod transport;
mod trouble;
pub(crate) mod view;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use tonic::body::Body;
use tower::Service;
use tower::util::BoxCloneSyncService;

pub(crate) use address::Address;
pub(crate) use faults::{Fault, Faults};
pub(crate) use gate::{Gate, GateView, Gates};
pub(crate) use limiter::{Limiter, LimiterView};
pub(crate) use priority::Priority;
pub(crate) use scope::{Calls, Scope, Timings};
pub use settings::{Breaker, Concurrency, Resilience};
pub(crate) use transport::{Transport, is_not_configured, not_configured};
pub(crate) use trouble::Trouble;

use pool::Pool;

use crate::config::{EdgeConfig, SERVICES};
use crate::error::Error;

/// A service in the same process: what `tonic::service::Routes` is, boxed.
pub type InProcess = BoxCloneSyncService<http::Request<Body>, http::Response<Body>, Infallible>;

/// Where the edge finds each service. One that is not named is not configured: its routes answer 501.
#[derive(Clone, Debug, Default)]
pub struct Upstreams {
    sources: BTreeMap<String, Source>,
}

#[derive(Clone, Debug)]
enum Source {
    Tcp(Vec<String>),
    InProcess(InProcess),
}

impl Upstreams {
    /// No service at all.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The services at the addresses that the configuration names.
    #[must_use]
    pub fn from_config(config: &EdgeConfig) -> Self {
        config
            .upstreams
            .iter()
            .filter(|(_, addresses)| !addresses.is_empty())
            .fold(Self::new(), |upstreams, (name, addresses)| upstreams.tcp(name, addresses.clone()))
    }

    /// A service at one or several addresses, such as `127.0.0.1:7001` or `http://users:7001`.
    #[must_use]
    pub fn tcp(mut self, name: &str, addresses: Vec<String>) -> Self {
        self.sources.insert(name.to_owned(), Source::Tcp(addresses));
        self
    }

    /// A service in this process, called without a socket.
    #[must_use]
    pub fn in_process<S>(mut self, name: &str, service: S) -> Self
    where
        S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
    {
        let service = InProcess::new(service);
        self.sources.insert(name.to_owned(), Source::InProcess(service));
        self
    }

    /// Opens a transport for each service of the shop, also for those that it runs without; connections are made at the
    /// first call.
    pub(crate) fn open(
        self,
        faults: &Arc<Faults>,
        resilience: &Resilience,
    ) -> Result<BTreeMap<String, Transport>, Error> {
        let absent = SERVICES.map(|name| (name.to_owned(), Source::Tcp(Vec::new())));
        let mut sources = BTreeMap::from(absent);
        sources.extend(self.sources);
        let open = |(name, source): (String, Source)| {
            let transport = match source {
                Source::Tcp(addresses) => {
                    let pool = Pool::open(&parsed(&addresses)?, resilience);
                    Transport::tcp(&name, pool, faults.clone())
                }
                Source::InProcess(service) => Transport::in_process(&name, service, faults.clone()),
            };
            Ok((name, transport))
        };
        sources.into_iter().map(open).collect()
    }
}

/// # Errors
/// The first that is no address.
pub(crate) fn parsed(addresses: &[String]) -> Result<Vec<Address>, Error> {
    addresses.iter().map(|address| Address::parse(address)).collect()
}
