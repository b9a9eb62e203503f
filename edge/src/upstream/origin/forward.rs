//! The headers of a message that is handed on: without what concerned one hop, with what the next one must know.
//!
//! Both ways follow RFC 9110, 7.6. An upstream is told of the client by `X-Forwarded-For`, `-Host` and `-Proto`; what a
//! client that is no trusted proxy says about itself in such headers is dropped, and so is whatever would pass for one of
//! our identity headers, in both directions.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

/// Identity headers start with this; they are for services of the shop.
const IDENTITY_PREFIX: &str = "x-vitrina-";

/// Fields that end at each hop, besides those that `Connection` names (RFC 9110, 7.6.1; `Proxy-Authorization` is for us).
const HOP_BY_HOP: [&str; 10] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
];

/// What only a trusted proxy may say.
const FORWARDED: [&str; 6] = [
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-port",
    "x-real-ip",
];

/// How the edge names itself in `Via`.
pub(super) const VIA: &str = "1.1 vitrina";

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub(super) const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
pub(super) const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// What the edge knows of the hop that a request came over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hop<'r> {
    /// Who connected.
    pub(crate) peer: IpAddr,
    /// Whether that is a proxy whose word is taken.
    pub(crate) is_trusted: bool,
    /// `http` or `https`.
    pub(crate) scheme: &'static str,
    /// The authority that the client asked for.
    pub(crate) authority: Option<&'r str>,
    pub(crate) request_id: &'r str,
}

/// The headers for an upstream, without `Host`, the trace and the framing of a body.
pub(crate) fn outgoing(received: &HeaderMap, hop: &Hop<'_>) -> HeaderMap {
    let mut headers = end_to_end(received);
    let forwarded_for = forwarded_for(received, hop);
    if !hop.is_trusted {
        for name in FORWARDED {
            headers.remove(name);
        }
    }
    headers.remove(header::HOST);
    set(&mut headers, X_FORWARDED_FOR, &forwarded_for);
    if !headers.contains_key(X_FORWARDED_HOST)
        && let Some(authority) = hop.authority
    {
        set(&mut headers, X_FORWARDED_HOST, authority);
    }
    if !headers.contains_key(X_FORWARDED_PROTO) {
        set(&mut headers, X_FORWARDED_PROTO, hop.scheme);
    }
    set(&mut headers, HeaderName::from_static("x-request-id"), hop.request_id);
    headers.append(header::VIA, HeaderValue::from_static(VIA));
    headers
}

/// How many further hops a request may take (RFC 9110, 7.6.2); `None` when it does not say. Of the methods for which that
/// counts, TRACE is not handed on at all.
pub(crate) fn hops_left(method: &Method, headers: &HeaderMap) -> Option<u64> {
    if *method != Method::OPTIONS {
        return None;
    }
    headers.get(header::MAX_FORWARDS)?.to_str().ok()?.parse().ok()
}

/// Counts this hop.
pub(crate) fn count_hop(method: &Method, headers: &mut HeaderMap) {
    if let Some(left) = hops_left(method, headers) {
        headers.insert(header::MAX_FORWARDS, left.saturating_sub(1).into());
    }
}

/// The headers of an upstream's answer for the client, without the framing of its body.
pub(crate) fn incoming(received: &HeaderMap) -> HeaderMap {
    let mut headers = end_to_end(received);
    headers.append(header::VIA, HeaderValue::from_static(VIA));
    headers
}

/// What is not for one hop only, and is not one of our identity headers.
fn end_to_end(received: &HeaderMap) -> HeaderMap {
    let nominated: Vec<String> = received
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    let is_dropped = |name: &str| {
        HOP_BY_HOP.contains(&name)
            || name.starts_with(IDENTITY_PREFIX)
            || nominated.iter().any(|nominated| nominated == name)
    };
    let mut headers = HeaderMap::with_capacity(received.len() + 6);
    for (name, value) in received.iter().filter(|(name, _)| !is_dropped(name.as_str())) {
        headers.append(name, value.clone());
    }
    headers
}

/// The chain of addresses up to whom the edge talks to.
fn forwarded_for(received: &HeaderMap, hop: &Hop<'_>) -> String {
    let mut chain: Vec<&str> = Vec::new();
    if hop.is_trusted {
        chain.extend(
            received.get_all(X_FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok()).map(str::trim),
        );
    }
    let peer = hop.peer.to_string();
    chain.push(&peer);
    chain.join(", ")
}

/// Sets a header unless the value cannot be one.
fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOP: Hop<'static> = Hop {
        peer: IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1)),
        is_trusted: false,
        scheme: "http",
        authority: Some("shop.example"),
        request_id: "r1",
    };

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn what_ends_at_a_hop_is_not_handed_on() {
        let received = headers(&[
            ("connection", "close, X-Private"),
            ("x-private", "1"),
            ("te", "trailers"),
            ("upgrade", "websocket"),
            ("proxy-authorization", "Basic x"),
            ("x-vitrina-user", "usr_1"),
            ("authorization", "Basic y"),
            ("via", "1.0 fred"),
        ]);
        let sent = outgoing(&received, &HOP);
        let names: Vec<&str> = sent.keys().map(HeaderName::as_str).collect();
        for gone in ["connection", "x-private", "te", "upgrade", "proxy-authorization", "x-vitrina-user"] {
            assert!(!names.contains(&gone), "{gone}");
        }
        assert_eq!(sent["authorization"], "Basic y");
        assert_eq!(sent["x-request-id"], "r1");
        let via: Vec<_> = sent.get_all("via").iter().collect();
        assert_eq!(via, ["1.0 fred", VIA]);
    }

    #[test]
    fn only_a_trusted_proxy_is_believed_about_the_client() {
        let received = headers(&[
            ("x-forwarded-for", "6.6.6.6"),
            ("x-forwarded-proto", "https"),
            ("forwarded", "for=6.6.6.6"),
        ]);
        let sent = outgoing(&received, &HOP);
        assert_eq!(sent["x-forwarded-for"], "10.0.0.1");
        assert_eq!(sent["x-forwarded-proto"], "http");
        assert_eq!(sent["x-forwarded-host"], "shop.example");
        assert!(!sent.contains_key("forwarded"));
        let sent = outgoing(&received, &Hop { is_trusted: true, ..HOP });
        assert_eq!(sent["x-forwarded-for"], "6.6.6.6, 10.0.0.1");
        assert_eq!(sent["x-forwarded-proto"], "https");
    }
}
