//! The head of a request as the lane reads it: strictly. Whatever is not plain is left to pingora and the guard, which
//! know how to refuse; so the lane can never see a request where they see another.

use crate::guard::host::is_host;

/// Methods that the lane answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Head,
}

/// A request that the lane may answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request<'b> {
    pub(super) method: Method,
    pub(super) path: &'b str,
    /// Without the `?`; empty when there is none.
    pub(super) query: &'b str,
    pub(super) accept_encoding: Option<&'b str>,
    pub(super) if_none_match: Option<&'b str>,
    pub(super) request_id: Option<&'b str>,
    /// Bytes of the head.
    pub(super) length: usize,
}

/// Fields with which a request means more than "give me this": framing, conditions, parts, directives, origins, traces,
/// proxies. Such requests go the long way.
const NOT_PLAIN: [&str; 19] = [
    "cache-control",
    "content-length",
    "expect",
    "forwarded",
    "if-match",
    "if-modified-since",
    "if-range",
    "if-unmodified-since",
    "origin",
    "pragma",
    "proxy-connection",
    "range",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-forwarded-for",
];

/// The head at the start of `bytes`; `None` when it is not whole or not plain.
pub(super) fn parse(bytes: &[u8]) -> Option<Request<'_>> {
    let (line, mut at) = line(bytes, 0)?;
    let line = std::str::from_utf8(line).ok()?;
    let (method, rest) = line.split_once(' ')?;
    let method = match method {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        _ => return None,
    };
    let target = rest.strip_suffix(" HTTP/1.1")?;
    let is_plain = target.starts_with('/')
        && target
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'#' | b'"' | b'<' | b'>' | b'\\'));
    if !is_plain {
        return None;
    }
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut request = Request {
        method,
        path,
        query,
        accept_encoding: None,
        if_none_match: None,
        request_id: None,
        length: 0,
    };
    let mut has_host = false;
    loop {
        let (field, next) = self::line(bytes, at)?;
        at = next;
        if field.is_empty() {
            break;
        }
        let colon = field.iter().position(|byte| *byte == b':')?;
        let (name, value) = (&field[..colon], field[colon + 1..].trim_ascii());
        if !is_token(name) || !value.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~')) {
            return None;
        }
        let (name, value) = (std::str::from_utf8(name).ok()?, std::str::from_utf8(value).ok()?);
        match name.len() {
            4 if name.eq_ignore_ascii_case("host") => {
                let is_first = !std::mem::replace(&mut has_host, true);
                (is_first && is_host(value.as_bytes())).then_some(())?;
            }
            10 if name.eq_ignore_ascii_case("connection") => {
                value.eq_ignore_ascii_case("keep-alive").then_some(())?;
            }
            15 if name.eq_ignore_ascii_case("accept-encoding") => once(&mut request.accept_encoding, value)?,
            13 if name.eq_ignore_ascii_case("if-none-match") => once(&mut request.if_none_match, value)?,
            12 if name.eq_ignore_ascii_case("x-request-id") => {
                // It goes into the log as it is.
                (!value.contains(['"', '\\'])).then_some(())?;
                once(&mut request.request_id, value)?;
            }
            _ if NOT_PLAIN.iter().any(|known| name.eq_ignore_ascii_case(known)) => return None,
            _ => {}
        }
    }
    request.length = at;
    has_host.then_some(request)
}

/// The line from `at` on without its CRLF, and where the next begins; `None` when it is not whole, or CR and LF stand apart.
fn line(bytes: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let rest = &bytes[at..];
    let end = rest.iter().position(|byte| *byte == b'\n')?;
    let line = rest[..end].strip_suffix(b"\r")?;
    (!line.contains(&b'\r')).then_some((line, at + end + 1))
}

fn once<'b>(field: &mut Option<&'b str>, value: &'b str) -> Option<()> {
    field.replace(value).is_none().then_some(())
}

fn is_token(name: &[u8]) -> bool {
    let is_tchar = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !name.is_empty() && name.iter().all(is_tchar)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_request_is_read() {
        let bytes = b"GET /v1/a?b=c HTTP/1.1\r\nHost: x\r\nAccept-Encoding: br\r\nAccept: */*\r\n\r\nGET";
        let request = parse(bytes).unwrap();
        assert_eq!((request.method, request.path, request.query), (Method::Get, "/v1/a", "b=c"));
        assert_eq!((request.accept_encoding, request.length), (Some("br"), bytes.len() - 3));
    }

    #[test]
    fn what_is_not_plain_goes_the_long_way() {
        for head in [
            "GET / HTTP/1.1\r\nHost: x\r\n",
            "GET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.0\r\nHost: x\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET  / HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET / HTTP/1.1\nHost: x\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x/y\r\n\r\n",
            "GET / HTTP/1.1\r\nHost:\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nName : y\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nCACHE-CONTROL: no-cache\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nA: a\rb\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nA: \u{1}\r\n\r\n",
            "GET /\u{e9} HTTP/1.1\r\nHost: x\r\n\r\n",
        ] {
            assert_eq!(parse(head.as_bytes()), None, "{head:?}");
        }
    }
}
