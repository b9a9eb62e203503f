//! Plain HTTP servers behind the edge, each under a prefix of the path: an old catalogue, a CMS.
//!
//! A request that no route of the contract takes and a prefix does is checked like any other (`admission`) and handed on by
//! pingora (`passage`), its body and the answer's streamed both ways. Where answers may be stored, `stored` asks the cache
//! first and `fill` fetches for it. Both go through the gate that services have, too. `balance` chooses the address, `health`
//! looks after addresses, `forward` says which headers go on, `fault` what a client is told when it did not work.
//!
//! Invariants: an upstream never sees an identity header that a client made up, nor a path outside of its prefix; a
//! request that is not idempotent reaches an upstream at most once.

mod admission;
mod balance;
mod client;
mod fault;
mod fill;
mod forward;
mod health;
mod passage;
mod stored;
mod trust;
mod view;

use std::collections::BTreeSet;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use http::Method;
use tokio::sync::Notify;
use tracing::Span;
use tracing::field::Empty;

pub(crate) use balance::Balance;
use client::Client;
pub(crate) use fill::Incomer;
use fill::Unstored;
pub(crate) use health::{Checker, keep_watch};
pub(crate) use passage::Passage;
pub(crate) use stored::Verdict;
pub(crate) use trust::Trust;
pub(crate) use view::View;

use crate::cache::fill::Fills;
use crate::config::{HttpUpstream, Rate, Rates};
use crate::error::Error;
use crate::upstream::Resilience;
use crate::upstream::gate::{Behind, Gate, Heard, Pass};
use crate::upstream::standing::Flight;

/// Prefixes that became labels. They live as long as the numbers that carry them, which is as long as the process;
/// there are as many as a configuration ever named.
static LABELS: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());

/// All upstreams, the longest prefix first.
#[derive(Debug)]
pub(crate) struct Origins {
    list: ArcSwap<Vec<Arc<Origin>>>,
    /// Others have taken their place.
    changed: Notify,
}

/// One upstream at work.
#[derive(Debug)]
pub(crate) struct Origin {
    config: HttpUpstream,
    /// Its prefix, as the route of spans and numbers.
    pub(crate) label: &'static str,
    balance: Arc<Balance>,
    pub(crate) gate: Arc<Gate>,
    requests: AtomicU64,
    /// Requests that it did not answer.
    failures: AtomicU64,
    /// What is being fetched for the cache.
    fills: Arc<Fills<Unstored>>,
    client: Client,
    /// With TLS.
    trust: Option<Trust>,
}

impl Origins {
    /// # Errors
    /// When TLS to one of them cannot be set up.
    pub(crate) fn new(upstreams: &[HttpUpstream], resilience: &Resilience) -> Result<Self, Error> {
        let origins = Self { list: ArcSwap::default(), changed: Notify::new() };
        origins.list.store(Arc::new(origins.prepare(upstreams, resilience)?));
        Ok(origins)
    }

    /// What would take the place of those that there are. One whose section is the same goes on; one whose section is another,
    /// or whose file of issuers may be, begins anew.
    ///
    /// # Errors
    /// When TLS to one of them cannot be set up.
    pub(crate) fn prepare(
        &self,
        upstreams: &[HttpUpstream],
        resilience: &Resilience,
    ) -> Result<Vec<Arc<Origin>>, Error> {
        let known = self.list.load();
        let origin = |config: &HttpUpstream| {
            let is_same = |origin: &&Arc<Origin>| origin.config == *config && config.tls_ca.is_none();
            match known.iter().find(is_same) {
                Some(stays) => Ok(stays.clone()),
                None => Origin::new(config, resilience).map(Arc::new),
            }
        };
        let mut list = upstreams.iter().map(origin).collect::<Result<Vec<_>, _>>()?;
        list.sort_by_key(|origin| std::cmp::Reverse(origin.config.path_prefix.len()));
        Ok(list)
    }

    /// Puts them in force, while requests under way end with those that they began with.
    pub(crate) fn replace(&self, list: Vec<Arc<Origin>>) {
        self.list.store(Arc::new(list));
        self.changed.notify_one();
    }

    /// Whose prefix a path has.
    pub(crate) fn find(&self, path: &str) -> Option<Arc<Origin>> {
        self.list.load().iter().find(|origin| origin.below(path).is_some()).cloned()
    }

    pub(crate) fn list(&self) -> Arc<Vec<Arc<Origin>>> {
        self.list.load_full()
    }

    /// Puts other settings in force at the gate of each.
    pub(crate) fn adjust(&self, resilience: &Resilience) {
        for origin in self.list.load().iter() {
            origin.gate.adjust(resilience);
        }
    }

    /// Until others have taken their place.
    async fn changed(&self) {
        self.changed.notified().await;
    }
}

impl Origin {
    fn new(config: &HttpUpstream, resilience: &Resilience) -> Result<Self, Error> {
        let wrong = |what| Error::Config(vec![format!("edge.http `{}`: {what}", config.name)]);
        let trust = Trust::open(config).map_err(wrong)?;
        let client = client::client(config, trust.as_ref()).map_err(wrong)?;
        let checker = Checker::new(config, client.clone());
        let balance = Arc::new(Balance::new(&config.addresses, checker, resilience.breaker));
        let gate = Gate::new(&config.name, Behind::Http(balance.clone()), resilience);
        Ok(Self {
            label: label(&config.path_prefix),
            balance,
            gate: Arc::new(gate),
            config: config.clone(),
            requests: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            fills: Arc::default(),
            client,
            trust,
        })
    }

    /// Tells address and gate what was heard of a request.
    fn heard(&self, flight: &mut Flight, pass: &mut Pass, heard: Heard) {
        flight.heard(heard);
        let is_failure = matches!(heard, Heard::Late | Heard::Nothing);
        // Else one bad address of two would close the gate on both.
        if !(is_failure && self.balance.has_another(flight)) {
            pass.heard(heard);
        }
    }

    /// A URL at an address.
    fn url(&self, address: &str, target: &str) -> String {
        url(&self.config, address, target)
    }

    /// What a path has after the prefix, with its slash; `None` for the path of another.
    fn below<'p>(&self, path: &'p str) -> Option<&'p str> {
        if self.config.path_prefix == "/" {
            return Some(path);
        }
        path.strip_prefix(&self.config.path_prefix).filter(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// The target that the upstream sees.
    pub(crate) fn target(&self, path: &str, query: &str) -> String {
        let path = match self.below(path) {
            Some("") if self.config.strip_prefix => "/",
            Some(rest) if self.config.strip_prefix => rest,
            _ => path,
        };
        if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
    }

    /// The tag of what is stored for a target.
    fn tag(&self, path_and_query: &str) -> String {
        format!("http:{}:{path_and_query}", self.config.name)
    }

    /// Rate class of a request.
    fn rate(&self, method: &Method, rates: &Rates) -> (&'static str, Rate) {
        let by_method = if method.is_safe() { "read" } else { "write" };
        let class = self.config.rate_class.as_deref().unwrap_or(by_method);
        // The configuration was checked, so the class is one of them.
        rates.named().into_iter().find(|(name, _)| *name == class).unwrap_or(("read", rates.read))
    }
}

fn url(config: &HttpUpstream, address: &str, target: &str) -> String {
    let scheme = if config.tls { "https" } else { "http" };
    format!("{scheme}://{address}{target}")
}

/// The span of one try at an address.
fn call_span(method: &str, label: &str, address: &str) -> Span {
    tracing::info_span!(
        "upstream",
        otel.name = format!("{method} {label}"),
        otel.kind = "client",
        http.request.method = method,
        http.response.status_code = Empty,
        server.address = address,
    )
}

fn label(prefix: &str) -> &'static str {
    let mut labels = LABELS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(label) = labels.get(prefix) {
        return label;
    }
    let label: &'static str = prefix.to_owned().leak();
    labels.insert(label);
    label
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins(prefixes: &[&str]) -> Origins {
        let upstreams: Vec<_> = prefixes
            .iter()
            .map(|prefix| HttpUpstream { path_prefix: (*prefix).to_owned(), ..HttpUpstream::default() })
            .collect();
        Origins::new(&upstreams, &Resilience::default()).unwrap()
    }

    #[test]
    fn the_longest_prefix_that_ends_at_a_slash_wins() {
        let origins = origins(&["/old", "/old/cms", "/"]);
        let found = |path| origins.find(path).map(|origin| origin.label);
        assert_eq!(found("/old/cms/a"), Some("/old/cms"));
        assert_eq!(found("/old/cmsx"), Some("/old"));
        assert_eq!(found("/older"), Some("/"));
        assert_eq!(found("/old"), Some("/old"));
    }

    #[test]
    fn who_stays_the_same_goes_on_when_others_change() {
        let origins = origins(&["/old", "/cms"]);
        let (old, cms) = (origins.find("/old").unwrap(), origins.find("/cms").unwrap());
        let same = old.config.clone();
        let other = HttpUpstream { cache: true, ..cms.config.clone() };
        let replace = |upstreams: &[HttpUpstream]| {
            origins.replace(origins.prepare(upstreams, &Resilience::default()).unwrap());
        };
        replace(&[same, other]);
        assert!(Arc::ptr_eq(&old, &origins.find("/old").unwrap()));
        assert!(!Arc::ptr_eq(&cms, &origins.find("/cms").unwrap()));
        replace(&[]);
        assert!(origins.find("/old").is_none());
    }

    #[test]
    fn a_prefix_is_stripped_when_told() {
        let origin = |config| Origin::new(&config, &Resilience::default()).unwrap();
        let kept = origin(HttpUpstream { path_prefix: "/old".into(), ..HttpUpstream::default() });
        assert_eq!(kept.target("/old/a", "b=1"), "/old/a?b=1");
        let config =
            HttpUpstream { path_prefix: "/old".into(), strip_prefix: true, ..HttpUpstream::default() };
        let stripped = origin(config);
        assert_eq!(stripped.target("/old/a", "b=1"), "/a?b=1");
        assert_eq!(stripped.target("/old", ""), "/");
    }
}
