//! HTTP/2: its bounds, against clients that open, reset and keep more than they use.
//!
//! The frames are read by the crate `h2`, which refuses by itself: more streams than announced, headers longer than
//! announced, endless CONTINUATION, resets of streams that were not looked at yet (CVE-2023-44487), and answers of its
//! own to a client that does not read. What a request costs once it runs is bounded here.

use std::time::Duration;

use pingora_core::apps::HttpServerOptions;
use pingora_core::protocols::http::v2::server::{H2Options, default_h2_options};
use serde::Deserialize;

/// Streams that a client reset before the edge looked at them; with one more the connection is closed.
const RESETS_PENDING_MAX: usize = 20;

/// Bytes of an answer that wait in memory for a slow client, for each stream.
const SEND_BUFFER_BYTES: usize = 256 * 1024;

/// Section `[edge.http2]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http2 {
    /// Whether HTTP/2 is spoken without TLS to a client that begins with it ("prior knowledge", RFC 9113, 3.3).
    pub cleartext: bool,
    /// Requests that a connection may run at a time, at least 1.
    pub streams_max: u32,
    /// Seconds without a request after which a connection is closed, at least 1.
    pub idle_s: u64,
    /// Requests that a client may break off; a connection with more, and more than half of all, is closed.
    pub resets_max: u32,
}

impl Default for Http2 {
    fn default() -> Self {
        Self { cleartext: false, streams_max: 100, idle_s: 60, resets_max: 100 }
    }
}

impl Http2 {
    pub(crate) fn mistakes(&self) -> Vec<String> {
        let mut mistakes = Vec::new();
        if self.streams_max == 0 {
            mistakes.push("edge.http2.streams_max must be at least 1".to_owned());
        }
        if self.idle_s == 0 {
            mistakes.push("edge.http2.idle_s must be at least 1".to_owned());
        }
        mistakes
    }

    /// Requests of one connection that may run although their streams were reset: as many as there are streams, again.
    pub(crate) fn running_max(&self) -> u32 {
        self.streams_max.saturating_mul(2)
    }

    /// What is announced to clients and kept by `h2`.
    pub(crate) fn options(&self, header_bytes_max: usize) -> H2Options {
        let mut options = default_h2_options();
        options
            .max_concurrent_streams(self.streams_max)
            .max_header_list_size(u32::try_from(header_bytes_max).unwrap_or(u32::MAX))
            .max_pending_accept_reset_streams(RESETS_PENDING_MAX)
            .max_send_buffer_size(SEND_BUFFER_BYTES);
        options
    }

    pub(crate) fn server_options(&self) -> HttpServerOptions {
        let mut options = HttpServerOptions::default();
        options.h2_idle_timeout = Some(Duration::from_secs(self.idle_s));
        options
    }
}
