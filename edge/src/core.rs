//! What one edge holds, and the way of a request through its rooms: guard → route → answer.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{StatusCode, header};
use tokio_util::sync::CancellationToken;
use vitrina_broker::Broker;
use vitrina_otel::propagate;
use vitrina_proto::Clients;
use vitrina_proto::routes::{Body, Key, Kind, RateClass, Route, Service};
use vitrina_proto::users::v1::users_client::UsersClient;

use crate::cache::fill::Fills;
use crate::cache::{Cache, conditions};
use crate::cached::{self, Hot, Unstored};
use crate::config::{EdgeConfig, Rate};
use crate::error::Error;
use crate::guard::rate::{Allowance, Buckets};
use crate::guard::{Caller, Guard, content, cors, precondition};
use crate::metrics::Metrics;
use crate::page;
use crate::reply::{Problem, Reply};
use crate::request::Head;
use crate::routes::{Found, Own, Table, Target};
use crate::tls::{Certificates, Tls};
use crate::upstream::origin::Origins;
use crate::upstream::{Calls, Faults, Gate, Gates, Limiter, Priority, Timings, Transport, Upstreams};
use crate::{etag, own, upload};

/// Everything that requests share.
pub(crate) struct Core {
    config: ArcSwap<EdgeConfig>,
    /// With `[edge.tls]`.
    pub(crate) certificates: Option<Certificates>,
    /// Where dead letters lie; absent when the edge runs without one.
    pub(crate) broker: Option<Arc<dyn Broker>>,
    pub(crate) started: Instant,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) guard: Guard,
    pub(crate) faults: Arc<Faults>,
    /// The services by name, also those that this shop runs without.
    pub(crate) transports: BTreeMap<String, Transport>,
    /// Cancelled when the edge goes down.
    pub(crate) draining: CancellationToken,
    pub(crate) clients: Clients<Transport>,
    /// The plain HTTP servers by their prefixes.
    pub(crate) origins: Origins,
    pub(crate) buckets: Buckets,
    pub(crate) calls: Calls,
    /// Who waits for a processor.
    pub(crate) turns: Arc<Limiter>,
    pub(crate) cache: Arc<Cache>,
    /// Answers that are being made for the cache.
    pub(crate) fills: Arc<Fills<Arc<Unstored>>>,
    pub(crate) hot: Hot,
    table: Table,
}

/// A request that may go on: its route, its caller and what is left to read.
pub(crate) struct Admitted {
    target: Target,
    pub(crate) params: Vec<(String, String)>,
    caller: Option<Caller>,
    allowance: Option<Allowance>,
    pub(crate) idempotency_key: Option<String>,
    if_match: Option<u64>,
}

/// An admitted request with its body, ready to be answered.
#[derive(Clone, Copy)]
pub(crate) struct Pending<'r> {
    pub(crate) head: &'r Head,
    pub(crate) admitted: &'r Admitted,
    pub(crate) body: &'r Bytes,
    /// Where the calls note how long they took.
    pub(crate) timings: &'r Timings,
}

impl fmt::Debug for Core {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Core").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Core {
    /// # Errors
    /// When an address is none or the contract's routes clash.
    pub(crate) fn new(
        config: EdgeConfig,
        upstreams: Upstreams,
        broker: Option<Arc<dyn Broker>>,
    ) -> Result<Self, Error> {
        let faults = Arc::new(Faults::default());
        let resilience = &config.resilience;
        let transports = upstreams.open(&faults, resilience)?;
        let calls = Calls::new(Gates::new(resilience, &transports));
        let transport = |service: Service| {
            let name = service.name();
            transports.get(name).cloned().unwrap_or_else(|| Transport::absent(name))
        };
        let users = UsersClient::new(transport(Service::Users));
        let certificates = config.tls.as_ref().map(Certificates::open).transpose().map_err(Error::Config)?;
        Ok(Self {
            table: Table::new()?,
            clients: Clients::new(transport),
            cache: Arc::new(Cache::new(&config.cache)),
            fills: Arc::default(),
            hot: Hot::default(),
            origins: Origins::new(&config.http, resilience)?,
            guard: Guard::new(users, calls.clone()),
            metrics: calls.metrics.clone(),
            // Waiting for a processor is a queue already; another one in front of it only makes answers late.
            turns: Arc::new(Limiter::new(resilience.edge, Duration::ZERO)),
            calls,
            config: ArcSwap::from_pointee(config),
            certificates,
            broker,
            started: Instant::now(),
            faults,
            transports,
            draining: CancellationToken::new(),
            buckets: Buckets::new(),
        })
    }

    /// The configuration as it is now; a reload replaces it as a whole.
    pub(crate) fn config(&self) -> arc_swap::Guard<Arc<EdgeConfig>> {
        self.config.load()
    }

    /// Puts another configuration in force.
    pub(crate) fn set_config(&self, config: EdgeConfig) {
        self.config.store(Arc::new(config));
    }

    /// The way to a service that this shop runs with.
    pub(crate) fn transport(&self, name: &str) -> Option<&Transport> {
        self.transports.get(name).filter(|transport| transport.is_configured())
    }

    /// The gates of all services and upstreams that there are.
    pub(crate) fn gates(&self) -> Vec<Arc<Gate>> {
        let origins = self.origins.list();
        self.calls.gates.iter().chain(origins.iter().map(|origin| &origin.gate)).cloned().collect()
    }

    /// Finds the route of a request.
    pub(crate) fn find<'t, 'p>(&'t self, head: &'p Head) -> Found<'t, 'p> {
        self.table.find(&head.method, &head.path)
    }

    /// The route of a plain GET whose answers are kept, with the parameters of the path.
    pub(crate) fn kept_route<'p>(
        &self,
        path: &'p str,
    ) -> Option<(&'static Route, Vec<(&'static str, &'p str)>)> {
        match self.table.find(&http::Method::GET, path) {
            Found::Route { target: Target::Rpc(route), params, .. } if cached::is_kept(route) => {
                // The names are those of the route, which is static.
                let names = route.path_params.iter().copied();
                Some((route, names.zip(params.into_iter().map(|(_, value)| value)).collect()))
            }
            _ => None,
        }
    }

    /// Counts a request of a caller on a route; `None` when it has no limit.
    pub(crate) fn allowance(&self, route: &Route, bucket: &str) -> Option<Allowance> {
        let (class, rate) = self.rate(route.rate_class);
        self.buckets.take(class, rate, bucket)
    }

    /// Decides whether a request may go on. Without its body: what may not pass is not read either.
    ///
    /// # Errors
    /// The problem to answer with. `Ok(Err(reply))` is an answer already, that of a preflight.
    pub(crate) async fn admit(
        &self,
        head: &Head,
        found: Found<'_, '_>,
    ) -> Result<Result<Admitted, Reply>, Problem> {
        let (target, params) = match found {
            Found::Route { target, params, .. } => (target, owned(&params)),
            Found::Method { allow, .. } if head.method == http::Method::OPTIONS => {
                return Ok(Err(options(allow)));
            }
            Found::Method { allow, .. } => {
                let detail = "This path knows other methods only; see Allow.";
                return Err(Problem::new(405, "method_not_allowed", detail).with(header::ALLOW, allow));
            }
            Found::Nothing => return Err(Problem::new(404, "not_found", "There is no such path.")),
        };
        let Target::Rpc(route) = target else {
            return Ok(Ok(Admitted::own(target)));
        };
        self.configured(route)?;
        let caller = self.guard.caller(head, route.auth).await?;
        let allowance = self.allowance(route, &caller.bucket(head));
        if let Some(allowance) = &allowance {
            allowance.check()?;
        }
        content::check(head, route)?;
        let idempotency_key = match route.key {
            Key::Ignored => None,
            Key::Accepted => precondition::idempotency_key(&head.headers)?,
            Key::Required => {
                Some(precondition::idempotency_key(&head.headers)?.ok_or_else(precondition::key_missing)?)
            }
        };
        let if_match = match route.kind {
            // Bytes have no version; their own conditions are looked at once they are here.
            Kind::Download => None,
            _ => precondition::if_match(&head.headers)?,
        };
        Ok(Ok(Admitted { target, params, caller: Some(caller), allowance, idempotency_key, if_match }))
    }

    /// Answers an admitted request.
    ///
    /// # Errors
    /// The problem to answer with.
    pub(crate) async fn answer(self: &Arc<Self>, pending: &Pending<'_>) -> Result<Reply, Problem> {
        let Pending { head, admitted, .. } = *pending;
        let mut reply = match (admitted.target, &admitted.caller) {
            (Target::Rpc(route), Some(_)) if self.is_kept(route, head) => self.cached(pending, route).await?,
            (Target::Rpc(route), Some(caller)) => self.call(pending, route, caller).await?,
            (Target::Own(own), _) => self.own(own).await,
            (Target::Rpc(_), None) => {
                return Err(Problem::new(500, "internal", "Something went wrong on our side."));
            }
        };
        if let Some(allowance) = &admitted.allowance {
            allowance.mark(&mut reply);
        }
        if let Some(tag) = reply.headers.get(header::ETAG)
            && head.method.is_safe()
            && reply.status == StatusCode::OK
            && tag.to_str().is_ok_and(|tag| etag::is_known(&head.headers, tag))
        {
            reply.not_modified();
        }
        Ok(reply)
    }

    /// Adds to an answer what depends on the origin of the request and on how it came.
    pub(crate) fn mark_origin(&self, reply: &mut Reply, head: &Head) {
        let config = self.config();
        cors::mark(reply, head, &config.cors);
        if let Some(hsts) = config.tls.as_ref().and_then(Tls::hsts) {
            reply.set(header::STRICT_TRANSPORT_SECURITY, hsts);
        }
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.is_cancelled()
    }

    fn is_kept(&self, route: &Route, head: &Head) -> bool {
        self.config().cache.enabled && cached::is_kept(route) && !conditions::are_for_upstream(&head.headers)
    }

    async fn own(&self, own: Own) -> Reply {
        match own {
            Own::Healthz => own::healthz(),
            Own::Readyz => own::readyz(self).await,
            Own::OpenApi => own::openapi(),
            Own::Docs => own::docs(),
        }
    }

    /// Whether a request whose answer is kept under that key, and would have to be made, is turned away now, before anything
    /// is done for it: the edge, or a service without which it is nothing, has too much to do. Counted as such then. Who asks
    /// for what is being made already may wait for it.
    pub(crate) fn turns_away(&self, route: &'static Route, key: &[u8]) -> bool {
        if self.fills.is_running(key) || self.configured(route).is_err() {
            return false;
        }
        let priority = Priority::of(route.rate_class);
        self.turns.turns_away(priority) || self.calls.gates.turns_away(needs(route), priority)
    }

    /// A route whose service this shop runs without answers 501 to everybody, whoever asks.
    fn configured(&self, route: &'static Route) -> Result<(), Problem> {
        let is_there = |service: &&Service| self.transport(service.name()).is_some();
        match needs(route).iter().find(|service| !is_there(service)) {
            Some(service) => Err(Problem::from_status(&crate::upstream::not_configured(service.name()))),
            None => Ok(()),
        }
    }

    fn rate(&self, class: RateClass) -> (&'static str, Rate) {
        let config = self.config();
        let rates = &config.rates;
        match class {
            RateClass::Read => ("read", rates.read),
            RateClass::Search => ("search", rates.search),
            RateClass::Write => ("write", rates.write),
            RateClass::Auth => ("auth", rates.auth),
            RateClass::Checkout => ("checkout", rates.checkout),
            RateClass::Webhook => ("webhook", rates.webhook),
        }
    }
}

impl Admitted {
    /// A guest's call of a route, as the cache makes it.
    pub(crate) fn guest(route: &'static Route, params: Vec<(String, String)>) -> Self {
        Self { params, caller: Some(Caller::guest()), ..Self::own(Target::Rpc(route)) }
    }

    fn own(target: Target) -> Self {
        Self {
            target,
            params: Vec::new(),
            caller: None,
            allowance: None,
            idempotency_key: None,
            if_match: None,
        }
    }

    /// Bytes that the body may have; `None` when there is none to read.
    pub(crate) fn body_bytes_max(&self, head: &Head) -> Option<usize> {
        match self.target {
            Target::Rpc(route) if !matches!(route.body, Body::None) => {
                Some(upload::body_bytes_max(head, route))
            }
            Target::Rpc(_) | Target::Own(_) => None,
        }
    }

    /// The caller's user id, for the access log.
    pub(crate) fn user(&self) -> Option<&str> {
        self.caller.as_ref()?.user()
    }

    pub(crate) fn metadata(&self, head: &Head, caller: &Caller) -> tonic::metadata::MetadataMap {
        use crate::guard::caller::set;

        let mut metadata = caller.metadata(head);
        if let Some(key) = &self.idempotency_key {
            set(&mut metadata, "x-vitrina-idempotency-key", key);
        }
        if let Some(version) = self.if_match {
            set(&mut metadata, "x-vitrina-if-match", &version.to_string());
        }
        metadata
    }
}

/// The services without which a route's answer is nothing.
pub(crate) fn needs(route: &'static Route) -> &'static [Service] {
    match route.service {
        Service::Storefront => page::needs(route.rpc),
        _ => std::slice::from_ref(&route.service),
    }
}

/// The id of the current trace; without tracing a new one, so that a client always has something to name.
pub(crate) fn trace_id() -> String {
    propagate::current_trace_id().unwrap_or_else(|| uuid::Uuid::new_v4().simple().to_string())
}

fn options(allow: &str) -> Reply {
    let mut reply = Reply::empty(StatusCode::NO_CONTENT);
    reply.set(header::ALLOW, allow);
    reply
}

fn owned(params: &[(&str, &str)]) -> Vec<(String, String)> {
    params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}
