//! What a request must be like to go to an upstream, and what the edge knows of where it came from.

use std::net::{IpAddr, Ipv4Addr};

use http::{Method, header};
use pingora_http::RequestHeader;
use pingora_proxy::Session;

use super::fault;
use super::forward::Hop;
use crate::config::EdgeConfig;
use crate::reply::Problem;
use crate::request::Head;

/// Refuses what an upstream could understand in another way than the edge does.
pub(super) fn check_form(session: &Session, head: &Head) -> Result<(), Problem> {
    if matches!(head.method, Method::CONNECT | Method::TRACE) {
        return Err(Problem::new(501, "method_not_implemented", "This method is not handed on."));
    }
    let is_ambiguous = head.path.split(['/', '\\']).any(is_dots) || !session.req_header().raw_path_is_utf8();
    if is_ambiguous {
        return Err(Problem::new(400, "path_ambiguous", "The path must not have segments of dots only."));
    }
    Ok(())
}

/// `.` and `..`, also percent-encoded.
fn is_dots(segment: &str) -> bool {
    let plain = segment.to_ascii_lowercase().replace("%2e", ".");
    plain == "." || plain == ".."
}

/// Refuses a body that says of itself that it is too long.
pub(super) fn check_length(head: &Head, bytes_max: usize) -> Result<(), Problem> {
    let declared = head.text(header::CONTENT_LENGTH).and_then(|length| length.trim().parse::<u64>().ok());
    if declared.is_some_and(|length| length > bytes_max as u64) {
        return Err(fault::too_large(bytes_max));
    }
    Ok(())
}

/// Whether a body comes with a request.
pub(super) fn has_body(head: &Head) -> bool {
    head.headers.contains_key(header::TRANSFER_ENCODING)
        || head.text(header::CONTENT_LENGTH).is_some_and(|length| length.trim() != "0")
}

/// The authority that a request names: that of its target, else `Host` (RFC 9112, 3.2.2).
pub(super) fn authority(request: &RequestHeader) -> Option<String> {
    let of_target = request.uri.authority().map(|authority| authority.as_str().to_owned());
    let host = || request.headers.get(header::HOST)?.to_str().ok().map(str::to_owned);
    of_target.or_else(host).filter(|authority| !authority.is_empty())
}

/// The hop that a request came over.
pub(super) fn hop<'r>(
    session: &Session,
    head: &'r Head,
    config: &EdgeConfig,
    authority: Option<&'r str>,
) -> Hop<'r> {
    let peer = session
        .client_addr()
        .and_then(|address| address.as_inet())
        .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |address| address.ip().to_canonical());
    let is_encrypted = session.digest().is_some_and(|digest| digest.ssl_digest.is_some());
    Hop {
        peer,
        is_trusted: config.trusted_proxies.contains(&peer),
        scheme: if is_encrypted { "https" } else { "http" },
        authority,
        request_id: &head.request_id,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_are_seen_through_their_encoding() {
        for dots in [".", "..", "%2e", "%2E.", ".%2e"] {
            assert!(is_dots(dots), "{dots}");
        }
        for plain in ["", "...", "a.b", "%2f", ".well-known"] {
            assert!(!is_dots(plain), "{plain}");
        }
    }
}
