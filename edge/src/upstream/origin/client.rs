//! The edge's own requests to plain HTTP servers: health checks and what is fetched for the cache.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper_util::client::legacy::Client as Legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

/// An idle connection is closed before servers close theirs, commonly after 5 s, so that a request rarely meets a
/// connection that is being closed.
pub(crate) const IDLE: Duration = Duration::from_secs(4);

/// A pool of connections to one upstream.
pub(crate) type Client = Legacy<HttpConnector, Empty<Bytes>>;

/// A client whose connections are made within the time given.
pub(crate) fn client(connect_timeout: Duration) -> Client {
    let mut connector = HttpConnector::new();
    connector.set_connect_timeout(Some(connect_timeout));
    connector.set_nodelay(true);
    Legacy::builder(TokioExecutor::new())
        .pool_idle_timeout(IDLE)
        .pool_timer(TokioTimer::new())
        .set_host(false)
        .build(connector)
}
