//! What can be set on the edge: the section `[edge]` of `vitrina.toml`, then the environment, then flags.

mod file;
mod http;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use toml::Table;

pub use self::file::{ConfigFile, TelemetryConfig};
pub use self::http::HttpUpstream;
use crate::cache::CacheConfig;
use crate::http2::Http2;
use crate::slow::Traces;
use crate::tls::Tls;
use crate::upstream::{Address, Resilience};

/// Names of the services that the edge calls, in the order of their default ports.
pub const SERVICES: [&str; 6] = ["users", "products", "publications", "images", "notifications", "orders"];

/// Port of the first service; the others follow in the order of [`SERVICES`].
const FIRST_SERVICE_PORT: u16 = 7001;

/// Configuration of one edge. Unknown names are refused, so that a typing error is never silent.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EdgeConfig {
    /// Where clients are served; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where operators are served; port 0 takes a free one.
    pub admin_listen: SocketAddr,
    /// Bearer token of the admin listener. Required when it listens on more than the loopback.
    pub admin_token: Option<String>,
    /// Worker threads of the binary `vitrina-edge`; 0: one for each core. Of no effect when embedded.
    pub threads: usize,
    /// Addresses of the services by name, such as `users = ["127.0.0.1:7001"]`; without a word all six at their
    /// default ports. A service without an address is not configured: its routes answer 501.
    pub upstreams: BTreeMap<String, Vec<String>>,
    /// Plain HTTP servers behind the edge.
    pub http: Vec<HttpUpstream>,
    /// TLS for clients; absent: none.
    pub tls: Option<Tls>,
    /// Bounds of HTTP/2.
    pub http2: Http2,
    /// What the operator is shown of slow requests.
    pub traces: Traces,
    /// Bounds on what a client may send.
    pub limits: Limits,
    /// Which other origins may call from a browser.
    pub cors: Cors,
    /// How often a caller may call.
    pub rates: Rates,
    /// How the edge stands when there is too much to do or a service does not answer.
    pub resilience: Resilience,
    /// Which answers are kept, and how many.
    pub cache: CacheConfig,
    /// Addresses of reverse proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpAddr>,
    /// Milliseconds that running requests get when the edge is drained.
    pub drain_ms: u64,
    /// Of these, milliseconds that connections without a request get, so that one which is on its way is still answered.
    /// A hand-over gives them all of `drain_ms`.
    pub drain_idle_ms: u64,
    /// Socket at which a new process waits to take the listeners over; absent: none can. The folder must be the user's own.
    pub upgrade_socket: Option<PathBuf>,
}

/// Bounds on connections and requests. The bound of a body is part of the contract.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Bytes of a request's line and headers.
    pub header_bytes_max: usize,
    /// Bytes of a request's target.
    pub target_bytes_max: usize,
    /// Milliseconds for a whole header, from its first byte.
    pub header_ms: u64,
    /// Milliseconds for a whole body.
    pub body_ms: u64,
    /// Milliseconds without progress after which an answer is given up.
    pub write_ms: u64,
    /// Milliseconds without an event after which a stream of events gets a comment, at least 1.
    pub heartbeat_ms: u64,
    /// Seconds that an idle connection is kept.
    pub keepalive_s: u64,
    /// Connections at a time; further ones wait in the backlog of the socket.
    pub connections_max: usize,
}

/// Cross-origin requests; without origins, none is allowed.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cors {
    /// Such as `https://shop.example`; `*` allows all.
    pub origins: Vec<String>,
    /// Seconds for which a browser may keep the answer to a preflight.
    pub max_age_s: u32,
}

/// Limits by rate class of the contract.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rates {
    /// Reads.
    pub read: Rate,
    /// Searches.
    pub search: Rate,
    /// Writes.
    pub write: Rate,
    /// Registration, log-in and what else is about passwords.
    pub auth: Rate,
    /// Checkout and payment.
    pub checkout: Rate,
    /// Calls of outside providers.
    pub webhook: Rate,
}

/// A token bucket for each caller.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Requests a second in the long run; 0: without a limit.
    pub per_s: u32,
    /// Requests at once, at least 1.
    pub burst: u32,
}

impl Default for EdgeConfig {
    fn default() -> Self {
        let upstreams = SERVICES
            .iter()
            .zip(FIRST_SERVICE_PORT..)
            .map(|(name, port)| ((*name).to_owned(), vec![format!("127.0.0.1:{port}")]))
            .collect();
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            admin_listen: SocketAddr::from(([127, 0, 0, 1], 9901)),
            admin_token: None,
            threads: 0,
            upstreams,
            http: Vec::new(),
            tls: None,
            http2: Http2::default(),
            traces: Traces::default(),
            limits: Limits::default(),
            cors: Cors::default(),
            rates: Rates::default(),
            resilience: Resilience::default(),
            cache: CacheConfig::default(),
            trusted_proxies: Vec::new(),
            drain_ms: 10_000,
            drain_idle_ms: 300,
            upgrade_socket: None,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_bytes_max: 16 * 1024,
            target_bytes_max: 8 * 1024,
            header_ms: 10_000,
            body_ms: 30_000,
            write_ms: 30_000,
            heartbeat_ms: 15_000,
            keepalive_s: 60,
            connections_max: 16_384,
        }
    }
}

impl Default for Cors {
    fn default() -> Self {
        Self { origins: Vec::new(), max_age_s: 600 }
    }
}

impl Default for Rates {
    /// Generous: they stop a runaway client, not a busy one, and many people may share an address.
    fn default() -> Self {
        let rate = |per_s, burst| Rate { per_s, burst };
        Self {
            read: rate(20_000, 40_000),
            search: rate(10_000, 20_000),
            write: rate(5_000, 20_000),
            auth: rate(100, 1_000),
            checkout: rate(200, 1_000),
            webhook: rate(5_000, 20_000),
        }
    }
}

impl EdgeConfig {
    /// The section `[edge]` from its keys.
    ///
    /// # Errors
    /// Every wrong key: each is looked at alone, so that the first mistake does not hide the others. What is wrong with the
    /// values of the others is told with them.
    pub fn from_table(keys: Table) -> Result<Self, Vec<String>> {
        let (config, mut mistakes) = by_key::<Self>("edge", keys);
        if mistakes.is_empty() {
            return Ok(config);
        }
        mistakes.extend(config.wrong_values());
        Err(mistakes)
    }

    /// Every mistake at once; empty when the edge can start with this configuration.
    #[must_use]
    pub fn mistakes(&self) -> Vec<String> {
        let mut mistakes = self.wrong_values();
        if !self.admin_listen.ip().is_loopback() && self.admin_token.is_none() {
            mistakes
                .push("edge.admin_listen: an address other than the loopback needs admin_token".to_owned());
        }
        mistakes
    }

    /// What is wrong whatever flags and the environment may add.
    fn wrong_values(&self) -> Vec<String> {
        let mut mistakes = Vec::new();
        for name in self.upstreams.keys() {
            if !SERVICES.contains(&name.as_str()) {
                mistakes.push(format!("edge.upstreams: there is no service `{name}`"));
            }
        }
        for (name, addresses) in &self.upstreams {
            let wrong = addresses.iter().filter(|address| Address::parse(address).is_err());
            mistakes.extend(wrong.map(|address| format!("edge.upstreams.{name}: `{address}` is no address")));
        }
        for (name, rate) in self.rates.named() {
            if rate.per_s > 0 && rate.burst == 0 {
                mistakes.push(format!("edge.rates.{name}: burst must be at least 1"));
            }
        }
        mistakes.extend(self.cache.mistakes());
        if self.limits.connections_max == 0 {
            mistakes.push("edge.limits.connections_max must be at least 1".to_owned());
        }
        if self.limits.heartbeat_ms == 0 {
            mistakes.push("edge.limits.heartbeat_ms must be at least 1".to_owned());
        }
        mistakes.extend(self.resilience.mistakes());
        for origin in &self.cors.origins {
            if origin != "*" && (!origin.contains("://") || origin.ends_with('/')) {
                mistakes
                    .push(format!("edge.cors.origins: `{origin}` is no origin such as https://shop.example"));
            }
        }
        mistakes.extend(http::mistakes(self));
        mistakes.extend(self.http2.mistakes());
        mistakes.extend(self.traces.mistakes());
        mistakes.extend(self.tls.iter().flat_map(Tls::mistakes));
        mistakes
    }
}

impl Rates {
    /// Each class by its name.
    pub(crate) fn named(&self) -> [(&'static str, Rate); 6] {
        [
            ("read", self.read),
            ("search", self.search),
            ("write", self.write),
            ("auth", self.auth),
            ("checkout", self.checkout),
            ("webhook", self.webhook),
        ]
    }
}

impl Limits {
    pub(crate) fn header_timeout(&self) -> Duration {
        Duration::from_millis(self.header_ms)
    }

    pub(crate) fn body_timeout(&self) -> Duration {
        Duration::from_millis(self.body_ms)
    }

    pub(crate) fn heartbeat(&self) -> Duration {
        Duration::from_millis(self.heartbeat_ms)
    }

    pub(crate) fn write_timeout(&self) -> Duration {
        Duration::from_millis(self.write_ms)
    }
}

/// A section as far as it is right, and its wrong keys: each is tried alone.
fn by_key<T: DeserializeOwned + Default>(section: &str, mut keys: Table) -> (T, Vec<String>) {
    let mut mistakes = Vec::new();
    keys.retain(|key, value| {
        let alone = Table::from_iter([(key.to_owned(), value.clone())]);
        let wrong = T::deserialize(alone).err();
        mistakes.extend(wrong.iter().map(|error| format!("{section}.{key}: {}", error.message().trim())));
        wrong.is_none()
    });
    let whole = T::deserialize(keys);
    mistakes.extend(whole.as_ref().err().map(|error| format!("{section}: {}", error.message().trim())));
    (whole.unwrap_or_default(), mistakes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_without_mistakes() {
        assert!(EdgeConfig::default().mistakes().is_empty());
    }

    #[test]
    fn every_mistake_is_named_at_once() {
        let mut config =
            EdgeConfig { admin_listen: SocketAddr::from(([0, 0, 0, 0], 0)), ..EdgeConfig::default() };
        config.upstreams.insert("billing".into(), vec![]);
        config.cors.origins = vec!["shop.example".into()];
        assert_eq!(config.mistakes().len(), 3);
    }
}
