//! Where a replica of a service is: checked once, when the configuration is read.

use std::time::Duration;

use tonic::transport::{Channel, Endpoint};

use crate::error::Error;

/// A connection that takes longer than this is not going to be there in time for a page.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);

/// Silence after which a connection is probed, and how long the probe may take: a machine that vanished without a word
/// is found out in 8 s.
const PROBE_AFTER: Duration = Duration::from_secs(5);
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);

/// An address of a service.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    text: String,
    endpoint: Endpoint,
}

impl Address {
    /// Reads `host:port`, with or without a scheme in front.
    ///
    /// # Errors
    /// When it is no address. Whether anybody is there, the first call will tell.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let uri = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let endpoint = Endpoint::from_shared(uri)
            .map_err(|source| Error::Address { address: text.to_owned(), source })?
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(PROBE_AFTER)
            .keep_alive_timeout(PROBE_TIMEOUT);
        Ok(Self { text: text.to_owned(), endpoint })
    }

    /// As it stands in the configuration.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Connections that are made at their first call.
    pub(super) fn connections(&self, count: usize) -> Vec<Channel> {
        (0..count).map(|_| self.endpoint.connect_lazy()).collect()
    }
}
