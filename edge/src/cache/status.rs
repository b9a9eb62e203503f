//! `Cache-Status` (RFC 9211): what the cache did with a request, in one line for whoever debugs it.

use std::fmt::Write as _;

use http::{HeaderName, HeaderValue};

/// The field's name.
pub(crate) const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// How this cache names itself.
const NAME: &str = "vitrina";

/// Why a request went on (RFC 9211, 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Forward {
    /// The cache was not asked, by configuration or by memory of an answer that could not be stored.
    Bypass,
    /// The method is none that is answered from a cache.
    Method,
    /// Nothing is stored for the target.
    UriMiss,
    /// What is stored is for requests with other headers.
    VaryMiss,
    /// What is stored was outdated by a write.
    Miss,
    /// The request did not want what is stored.
    Request,
    /// What is stored is stale.
    Stale,
}

/// What is told of one answer.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CacheStatus {
    /// `None`: it came from the store.
    pub(crate) forward: Option<Forward>,
    /// Status that came back from where the request went.
    pub(crate) forward_status: Option<u16>,
    /// Seconds that what is stored stays fresh; negative when stale.
    pub(crate) ttl_s: Option<i64>,
    /// What came back is stored now.
    pub(crate) is_stored: bool,
    /// Another request's answer was waited for.
    pub(crate) is_collapsed: bool,
    /// A word of this cache, a token.
    pub(crate) detail: Option<&'static str>,
}

impl Forward {
    /// As on the wire.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::Method => "method",
            Self::UriMiss => "uri-miss",
            Self::VaryMiss => "vary-miss",
            Self::Miss => "miss",
            Self::Request => "request",
            Self::Stale => "stale",
        }
    }
}

impl CacheStatus {
    /// A hit with this much freshness left.
    pub(crate) fn hit(ttl_s: i64) -> Self {
        Self { ttl_s: Some(ttl_s), ..Self::default() }
    }

    /// A request that went on.
    pub(crate) fn forwarded(forward: Forward) -> Self {
        Self { forward: Some(forward), ..Self::default() }
    }

    /// The value of the field.
    pub(crate) fn value(&self) -> HeaderValue {
        let mut text = String::with_capacity(64);
        text.push_str(NAME);
        // Writing to a String cannot fail.
        let _ = match self.forward {
            None => write!(text, "; hit"),
            Some(forward) => write!(text, "; fwd={}", forward.as_str()),
        };
        if let Some(status) = self.forward_status {
            let _ = write!(text, "; fwd-status={status}");
        }
        if let Some(ttl_s) = self.ttl_s {
            let _ = write!(text, "; ttl={ttl_s}");
        }
        if self.is_stored {
            text.push_str("; stored");
        }
        if self.is_collapsed {
            text.push_str("; collapsed");
        }
        if let Some(detail) = self.detail {
            let _ = write!(text, "; detail={detail}");
        }
        HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(NAME))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_as_the_rfc_shows() {
        assert_eq!(CacheStatus::hit(376).value(), "vitrina; hit; ttl=376");
        let status = CacheStatus {
            forward_status: Some(200),
            is_stored: true,
            is_collapsed: true,
            ..CacheStatus::forwarded(Forward::UriMiss)
        };
        assert_eq!(status.value(), "vitrina; fwd=uri-miss; fwd-status=200; stored; collapsed");
        let status = CacheStatus { detail: Some("stale-if-error"), ..CacheStatus::hit(-3) };
        assert_eq!(status.value(), "vitrina; hit; ttl=-3; detail=stale-if-error");
    }
}
