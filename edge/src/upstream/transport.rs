//! The one transport type that every generated client is built on.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use tonic::Status;
use tonic::body::Body;
use tower::{Service, ServiceExt};

use super::InProcess;
use super::address::Address;
use super::faults::Faults;
use super::pool::Pool;
use super::settings::Resilience;
use super::standing::AddressView;

/// A way to one service; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Transport {
    name: Arc<str>,
    way: Way,
    faults: Option<Arc<Faults>>,
    counts: Arc<Counts>,
}

#[derive(Clone, Debug)]
enum Way {
    /// Without an address, every call is refused as unimplemented.
    Tcp(Arc<Pool>),
    InProcess(InProcess),
}

/// What went through a transport, for the operator.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) calls: AtomicU64,
    pub(crate) failures: AtomicU64,
    /// Failures since the last answer.
    pub(crate) failures_in_a_row: AtomicU64,
}

impl Transport {
    pub(crate) fn tcp(name: &str, pool: Pool, faults: Arc<Faults>) -> Self {
        Self::new(name, Way::Tcp(Arc::new(pool)), Some(faults))
    }

    pub(crate) fn in_process(name: &str, service: InProcess, faults: Arc<Faults>) -> Self {
        Self::new(name, Way::InProcess(service), Some(faults))
    }

    /// The edge's own service, on which no fault is set.
    pub(crate) fn own(name: &str, service: InProcess) -> Self {
        Self::new(name, Way::InProcess(service), None)
    }

    /// A service that is none of the shop's: every call is refused as unimplemented.
    pub(crate) fn absent(name: &str) -> Self {
        Self::new(name, Way::Tcp(Arc::default()), None)
    }

    /// Whether the shop runs with this service.
    pub(crate) fn is_configured(&self) -> bool {
        match &self.way {
            Way::Tcp(pool) => !pool.is_empty(),
            Way::InProcess(_) => true,
        }
    }

    /// Takes other addresses; `false` when the service runs in this process and has none.
    pub(crate) fn replace(&self, addresses: &[Address], resilience: &Resilience) -> bool {
        match &self.way {
            Way::Tcp(pool) => {
                pool.replace(addresses, resilience);
                true
            }
            Way::InProcess(_) => false,
        }
    }

    /// Puts other settings in force for each address.
    pub(crate) fn adjust(&self, resilience: &Resilience) {
        if let Way::Tcp(pool) = &self.way {
            pool.adjust(resilience.breaker);
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The addresses; empty for a service in this process.
    pub(crate) fn addresses(&self) -> Vec<AddressView> {
        match &self.way {
            Way::Tcp(pool) => pool.view(),
            Way::InProcess(_) => Vec::new(),
        }
    }

    /// How it is reached, as operators read it.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.way {
            Way::Tcp(_) => "tcp",
            Way::InProcess(_) => "in-process",
        }
    }

    fn new(name: &str, way: Way, faults: Option<Arc<Faults>>) -> Self {
        Self { name: name.into(), way, faults, counts: Arc::default() }
    }

    async fn send(self, request: http::Request<Body>) -> Result<http::Response<Body>, Status> {
        if let Some(faults) = &self.faults {
            faults.apply(&self.name).await?;
        }
        match self.way {
            Way::Tcp(pool) if pool.is_empty() => Err(not_configured(&self.name)),
            Way::Tcp(pool) => pool.send(request).await,
            Way::InProcess(service) => match service.oneshot(request).await {
                Ok(answer) => Ok(answer),
                Err(never) => match never {},
            },
        }
    }
}

impl Service<http::Request<Body>> for Transport {
    type Response = http::Response<Body>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Status>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let this = self.clone();
        let counts = self.counts.clone();
        Box::pin(async move {
            counts.calls.fetch_add(1, Ordering::Relaxed);
            let answer = this.send(request).await;
            if answer.is_err() {
                counts.failures.fetch_add(1, Ordering::Relaxed);
                counts.failures_in_a_row.fetch_add(1, Ordering::Relaxed);
            } else {
                counts.failures_in_a_row.store(0, Ordering::Relaxed);
            }
            answer
        })
    }
}

/// The reason of [`not_configured`].
const NOT_CONFIGURED: &str = "service_not_configured";

/// Whether a fault is that of [`not_configured`].
pub(crate) fn is_not_configured(fault: &Status) -> bool {
    use tonic_types::StatusExt;

    fault.code() == tonic::Code::Unimplemented
        && fault.get_details_error_info().is_some_and(|info| info.reason == NOT_CONFIGURED)
}

/// The fault of calling a service that this shop runs without.
pub(crate) fn not_configured(service: &str) -> Status {
    use tonic_types::{ErrorDetails, StatusExt};

    Status::with_error_details(
        tonic::Code::Unimplemented,
        format!("This shop runs without the service `{service}`."),
        ErrorDetails::with_error_info(NOT_CONFIGURED, "vitrina", []),
    )
}
