//! The edge's own requests to plain HTTP servers: health checks and what is fetched for the cache.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::trust::{self, Trust};
use crate::config::HttpUpstream;

/// An idle connection is closed before servers close theirs, commonly after 5 s, so that a request rarely meets a
/// connection that is being closed.
pub(crate) const IDLE: Duration = Duration::from_secs(4);

/// A pool of connections to one upstream.
pub(crate) type Client = Legacy<HttpsConnector<HttpConnector>, Empty<Bytes>>;

/// A client of an upstream.
///
/// # Errors
/// When TLS cannot be set up.
pub(crate) fn client(config: &HttpUpstream, trust: Option<&Trust>) -> Result<Client, String> {
    let mut connector = HttpConnector::new();
    connector.set_connect_timeout(Some(config.connect_timeout()));
    connector.set_nodelay(true);
    connector.enforce_http(false);
    let tls = match trust {
        Some(trust) => (*trust.client).clone(),
        None => trust::nobody()?,
    };
    let builder = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
    let builder = match trust.and_then(Trust::name) {
        Some(name) => builder.with_server_name_resolver(FixedServerNameResolver::new(name.clone())),
        None => builder,
    };
    Ok(Legacy::builder(TokioExecutor::new())
        .pool_idle_timeout(IDLE)
        .pool_timer(TokioTimer::new())
        .set_host(false)
        .build(builder.enable_http1().wrap_connector(connector)))
}
