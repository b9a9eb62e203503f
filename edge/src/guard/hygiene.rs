//! What a well-formed request looks like on the wire, beyond what pingora refuses by itself.
//!
//! pingora resolves some ambiguities as RFC 9112 allows (a length next to chunked coding is dropped, repeated equal
//! lengths are joined). A server behind another proxy may see the same bytes differently, which is how requests are
//! smuggled, so here every ambiguity is refused and the connection closed.

use http::{HeaderMap, HeaderName, HeaderValue, Version, header};
use pingora_http::RequestHeader;

use super::host::is_host;
use crate::config::Limits;
use crate::reply::{Problem, Reply};

/// Identity headers start with this; only the edge sets them.
const IDENTITY_PREFIX: &str = "x-vitrina-";

/// Headers that describe one hop (RFC 9110, 7.6.1). They say nothing about the request itself.
const HOP_BY_HOP: [HeaderName; 5] =
    [header::CONNECTION, header::TE, header::TRAILER, header::UPGRADE, header::PROXY_AUTHORIZATION];

/// Checks size and framing of a header as it came, and that it names one host.
///
/// # Errors
/// 431 or 414 for its size, 400 for ambiguous framing or the host; all of them close the connection.
pub(crate) fn check(raw: &[u8], request: &RequestHeader, limits: &Limits) -> Result<(), Problem> {
    if request.raw_path().len() > limits.target_bytes_max {
        return Err(Problem::new(414, "target_too_long", "The target of the request is too long.").closing());
    }
    if raw.len() > limits.header_bytes_max {
        return Err(
            Problem::new(431, "header_too_large", "The header of the request is too large.").closing()
        );
    }
    framing(raw).map_err(|what| Problem::new(400, "bad_framing", what).closing())?;
    host(request.version, &request.headers).map_err(|what| Problem::new(400, "bad_host", what).closing())
}

/// Drops what a client may not say: who the caller is, and what concerned the hop only.
pub(crate) fn clean(headers: &mut HeaderMap) {
    let forged: Vec<HeaderName> =
        headers.keys().filter(|name| name.as_str().starts_with(IDENTITY_PREFIX)).cloned().collect();
    for name in forged.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

/// Sets what every answer carries for the sake of browsers.
pub(crate) fn secure(reply: &mut Reply) {
    let fixed = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    for (name, value) in fixed {
        reply.headers.insert(name, HeaderValue::from_static(value));
    }
    reply
        .headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
}

fn framing(raw: &[u8]) -> Result<(), &'static str> {
    let mut lengths = 0_u32;
    let mut codings = 0_u32;
    for (index, line) in raw.split(|byte| *byte == b'\n').enumerate() {
        let Some(line) = line.strip_suffix(b"\r") else {
            // The part after the last line end is empty; anything else ended in a bare LF.
            if line.is_empty() && is_last(raw, line) {
                continue;
            }
            return Err("A line of the header ends without CR.");
        };
        if line.contains(&b'\r') {
            return Err("A line of the header has a CR within.");
        }
        if index == 0 || line.is_empty() {
            continue;
        }
        if matches!(line[0], b' ' | b'\t') {
            return Err("A line of the header is folded.");
        }
        let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
        if name.eq_ignore_ascii_case(b"content-length") {
            lengths += 1;
            if !is_plain_length(&line[name.len() + 1..]) {
                return Err("Content-Length is no plain number.");
            }
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            codings += 1;
            if !line[name.len() + 1..].trim_ascii().eq_ignore_ascii_case(b"chunked") {
                return Err("Only the transfer coding `chunked` is known.");
            }
        }
    }
    match (lengths, codings) {
        (2.., _) => Err("Content-Length is given more than once."),
        (_, 2..) => Err("Transfer-Encoding is given more than once."),
        (1, 1) => Err("Content-Length and Transfer-Encoding exclude each other."),
        _ => Ok(()),
    }
}

/// One host, which HTTP/1.1 must name in this field (RFC 9112, 3.2). HTTP/2 has `:authority` for it, HTTP/1.0 need not.
fn host(version: Version, headers: &HeaderMap) -> Result<(), &'static str> {
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(_), Some(_)) => Err("Host is given more than once."),
        (Some(host), None) if !is_host(host.as_bytes()) => Err("Host is no host."),
        (None, _) if version == Version::HTTP_11 => Err("Host is missing."),
        _ => Ok(()),
    }
}

fn is_last(raw: &[u8], line: &[u8]) -> bool {
    raw.ends_with(b"\n") && line.as_ptr_range().end == raw.as_ptr_range().end
}

fn is_plain_length(value: &[u8]) -> bool {
    let value = value.trim_ascii();
    !value.is_empty() && value.len() <= 19 && value.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(raw: &str) -> bool {
        framing(raw.as_bytes()).is_err()
    }

    #[test]
    fn a_plain_header_passes() {
        assert!(!refused("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert!(!refused("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n"));
        assert!(!refused("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"));
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for header in [
            "Content-Length: 3\r\nTransfer-Encoding: chunked",
            "Content-Length: 3\r\nContent-Length: 3",
            "Content-Length: 3, 3",
            "Content-Length: +3",
            "Transfer-Encoding: gzip, chunked",
            "Transfer-Encoding: xchunked",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            "X: a\r\n b",
            "X: a\nContent-Length: 3",
            "X: a\rb",
        ] {
            let raw = format!("POST / HTTP/1.1\r\nHost: a\r\n{header}\r\n\r\n");
            assert!(refused(&raw), "{header}");
        }
    }

    #[test]
    fn only_http_1_1_must_name_its_host_in_a_field() {
        let headers = |hosts: &[&'static str]| -> HeaderMap {
            hosts.iter().map(|host| (header::HOST, HeaderValue::from_static(host))).collect()
        };
        assert!(host(Version::HTTP_11, &headers(&["a:80"])).is_ok());
        assert!(host(Version::HTTP_11, &headers(&[])).is_err());
        for version in [Version::HTTP_10, Version::HTTP_11, Version::HTTP_2] {
            assert!(host(version, &headers(&["a", "a"])).is_err(), "{version:?}");
            assert!(host(version, &headers(&["a/b"])).is_err(), "{version:?}");
        }
        for version in [Version::HTTP_10, Version::HTTP_2] {
            assert!(host(version, &headers(&[])).is_ok(), "{version:?}");
        }
    }

    #[test]
    fn a_client_cannot_say_who_it_is() {
        let mut headers = HeaderMap::new();
        headers.insert("x-vitrina-user", HeaderValue::from_static("usr_1"));
        headers.insert("x-request-id", HeaderValue::from_static("1"));
        clean(&mut headers);
        assert_eq!(headers.len(), 1);
    }
}
