//! A request as the rest of the edge sees it: its head, owned, so that the connection is free for the body.

use std::net::{IpAddr, Ipv4Addr};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, Version, header};
use pingora_proxy::Session;
use uuid::Uuid;

use crate::config::EdgeConfig;
use crate::connection;
use crate::reply::Problem;

/// Longest `X-Request-Id` of a client that is taken over; a longer one is replaced.
const REQUEST_ID_BYTES_MAX: usize = 128;

/// Line and headers of a request.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) method: Method,
    /// As sent, still percent-encoded.
    pub(crate) path: String,
    /// Without the `?`; empty when there is none.
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    /// `http` or `https`, as the client came to this edge.
    pub(crate) scheme: &'static str,
    /// Of HTTP, as OpenTelemetry spells it.
    pub(crate) protocol_version: &'static str,
    /// Who connected, or whom a trusted proxy named.
    pub(crate) client: IpAddr,
    /// The client's own id when it is a sane one, else a new one.
    pub(crate) request_id: String,
}

impl Head {
    /// Takes the head of the request that the session has read.
    pub(crate) fn of(session: &Session, config: &EdgeConfig) -> Self {
        let request = session.req_header();
        let (path, query) = target(&request.uri);
        let headers = request.headers.clone();
        let peer = session
            .client_addr()
            .and_then(|address| address.as_inet())
            .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |address| address.ip().to_canonical());
        let client = client(peer, &headers, &config.trusted_proxies);
        let request_id = request_id(&headers);
        let is_tls = connection::activity(session).is_some_and(|activity| activity.is_tls());
        Self {
            method: request.method.clone(),
            path,
            query,
            headers,
            scheme: if is_tls { "https" } else { "http" },
            protocol_version: protocol_version(request.version),
            client,
            request_id,
        }
    }

    /// The value of a header when it is there once and is visible text.
    pub(crate) fn text(&self, name: impl header::AsHeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Reads the body to its end.
///
/// # Errors
/// 413 past `bytes_max` (told before reading when the length is declared), 408 when it does not come in time, 400 when
/// it breaks off.
pub(crate) async fn body(
    session: &mut Session,
    bytes_max: usize,
    timeout: std::time::Duration,
) -> Result<Bytes, Problem> {
    let declared = session
        .get_header(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.trim().parse::<u64>().ok());
    if declared.is_some_and(|length| length > bytes_max as u64) {
        return Err(too_large(bytes_max));
    }
    let is_continue_awaited = session
        .get_header(header::EXPECT)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    if is_continue_awaited && session.write_continue_response().await.is_err() {
        return Err(broken_off());
    }
    let read = async {
        let mut whole = BytesMut::new();
        loop {
            match session.read_request_body().await {
                Ok(Some(chunk)) if whole.len() + chunk.len() > bytes_max => {
                    return Err(too_large(bytes_max));
                }
                Ok(Some(chunk)) => whole.extend_from_slice(&chunk),
                Ok(None) => return Ok(whole.freeze()),
                Err(_) => return Err(broken_off()),
            }
        }
    };
    tokio::time::timeout(timeout, read).await.unwrap_or_else(|_| {
        Err(Problem::new(408, "body_timeout", "The body did not come in time.").closing())
    })
}

fn too_large(bytes_max: usize) -> Problem {
    Problem::new(413, "body_too_large", format!("The body may have at most {bytes_max} bytes here."))
        .closing()
}

fn broken_off() -> Problem {
    Problem::new(400, "body_broken_off", "The body broke off or is wrongly framed.").closing()
}

fn protocol_version(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2",
        _ => "1.1",
    }
}

/// Path and query of a target in origin or absolute form.
fn target(uri: &http::Uri) -> (String, String) {
    (uri.path().to_owned(), uri.query().unwrap_or_default().to_owned())
}

/// The rightmost address that no trusted proxy added; the peer itself when it is not trusted.
fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[IpAddr]) -> IpAddr {
    if !trusted.contains(&peer) {
        return peer;
    }
    let mut named: Vec<IpAddr> = Vec::new();
    for value in headers.get_all("x-forwarded-for") {
        let Ok(value) = value.to_str() else {
            return peer;
        };
        named.extend(value.split(',').filter_map(|part| part.trim().parse::<IpAddr>().ok()));
    }
    named.into_iter().rev().find(|address| !trusted.contains(address)).unwrap_or(peer)
}

/// Whether a client's id is a sane one.
pub(crate) fn is_request_id(id: &str) -> bool {
    (1..=REQUEST_ID_BYTES_MAX).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}

fn request_id(headers: &HeaderMap) -> String {
    headers
        .get("x-request-id")
        .and_then(|value| value.to_str().ok())
        .filter(|id| is_request_id(id))
        .map_or_else(|| Uuid::now_v7().simple().to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forwarded(value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(
            http::HeaderName::from_static("x-forwarded-for"),
            http::HeaderValue::from_static(value),
        )])
    }

    #[test]
    fn only_a_trusted_proxy_may_name_the_client() {
        let peer: IpAddr = "10.0.0.1".parse().unwrap();
        let headers = forwarded("6.6.6.6, 1.2.3.4, 10.0.0.2");
        assert_eq!(client(peer, &headers, &[]), peer);
        let trusted = [peer, "10.0.0.2".parse().unwrap()];
        assert_eq!(client(peer, &headers, &trusted), "1.2.3.4".parse::<IpAddr>().unwrap());
    }

    #[test]
    fn a_strange_request_id_is_replaced() {
        let mut headers = HeaderMap::new();
        headers.insert("x-request-id", http::HeaderValue::from_static("abc-1"));
        assert_eq!(request_id(&headers), "abc-1");
        headers.insert("x-request-id", http::HeaderValue::from_static("a b"));
        assert_ne!(request_id(&headers), "a b");
    }
}
