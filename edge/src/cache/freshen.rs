//! Headers of stored answers: which are kept, how a 304 or an answer to HEAD renews them, what an unsafe method makes
//! invalid.

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};

use super::control::{Directives, members};

/// Fields of one connection, never kept (RFC 9110, 7.6.1; RFC 9111, 3.1).
const HOP_BY_HOP: [&str; 10] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What tells of the body that is stored, not of the one that was not sent; a 304 does not change it.
const OF_BODY: [HeaderName; 4] =
    [header::CONTENT_ENCODING, header::CONTENT_LENGTH, header::CONTENT_RANGE, header::CONTENT_TYPE];

/// The headers of an answer that are stored: without those of the connection, without what `private` and `no-cache`
/// name (RFC 9111, 5.2.2.4 and 5.2.2.7), and without `Age`, which is computed anew each time.
pub(crate) fn kept(headers: &HeaderMap) -> HeaderMap {
    let (control, _) = Directives::of_response(headers);
    let mut kept = headers.clone();
    let named_by_connection: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(members)
        .filter_map(|name| HeaderName::from_bytes(name.trim().as_bytes()).ok())
        .collect();
    let unkept = named_by_connection.iter().chain(control.private.named()).chain(control.no_cache.named());
    for name in unkept {
        kept.remove(name);
    }
    for name in HOP_BY_HOP {
        kept.remove(name);
    }
    kept.remove(header::AGE);
    kept
}

/// The conditions that ask whether a stored answer still holds (RFC 9111, 4.3.1); empty without a validator.
pub(crate) fn conditions(stored: &HeaderMap) -> Vec<(HeaderName, HeaderValue)> {
    [(header::ETAG, header::IF_NONE_MATCH), (header::LAST_MODIFIED, header::IF_MODIFIED_SINCE)]
        .into_iter()
        .filter_map(|(validator, condition)| Some((condition, stored.get(validator)?.clone())))
        .collect()
}

/// The stored headers as a 304 renews them (RFC 9111, 3.2 and 4.3.4); `None` when the 304 speaks of another answer.
pub(crate) fn freshen(stored: &HeaderMap, not_modified: &HeaderMap) -> Option<HeaderMap> {
    is_same(stored, not_modified).then(|| merged(stored, not_modified))
}

/// The stored headers as a 200 to HEAD renews them (RFC 9111, 4.3.5); `None` when it shows that what is stored does not
/// hold any more.
pub(crate) fn freshen_by_head(stored: &HeaderMap, head: &HeaderMap) -> Option<HeaderMap> {
    let agrees = |name: HeaderName| match (stored.get(&name), head.get(&name)) {
        (Some(stored), Some(told)) => stored == told,
        (None, Some(_)) => name == header::CONTENT_LENGTH,
        (_, None) => true,
    };
    let is_same = [header::ETAG, header::LAST_MODIFIED, header::CONTENT_LENGTH].into_iter().all(agrees);
    is_same.then(|| merged(stored, head))
}

/// The paths that an answer to an unsafe method makes invalid (RFC 9111, 4.4): its own, and those that it points to on
/// the same host. Empty for safe methods and errors. `host` is that of the request.
pub(crate) fn invalidated(
    method: &Method,
    target: &Uri,
    host: &str,
    status: StatusCode,
    headers: &HeaderMap,
) -> Vec<String> {
    let is_safe = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE);
    if is_safe || !(status.is_success() || status.is_redirection()) {
        return Vec::new();
    }
    let own = target.path_and_query().map_or_else(|| target.path().to_owned(), ToString::to_string);
    let mut paths = vec![own];
    for name in [header::LOCATION, header::CONTENT_LOCATION] {
        let pointed = headers
            .get(name)
            .and_then(|value| value.to_str().ok()?.parse::<Uri>().ok())
            .filter(|uri| {
                uri.authority().is_none_or(|authority| authority.as_str().eq_ignore_ascii_case(host))
            })
            .and_then(|uri| uri.path_and_query().map(ToString::to_string))
            .filter(|path| path.starts_with('/'));
        paths.extend(pointed);
    }
    paths.sort_unstable();
    paths.dedup();
    paths
}

/// A 304 with a validator speaks of the stored answer when that has the same one; strong ones decide, then weak ones,
/// then the date. One without any can only mean the answer that was asked for.
fn is_same(stored: &HeaderMap, not_modified: &HeaderMap) -> bool {
    let opaque = |headers: &HeaderMap| {
        headers.get(header::ETAG).map(|tag| {
            let tag = tag.as_bytes();
            tag.strip_prefix(b"W/").unwrap_or(tag).to_vec()
        })
    };
    if let Some(told) = not_modified.get(header::ETAG) {
        return if told.as_bytes().starts_with(b"W/") {
            opaque(stored) == opaque(not_modified)
        } else {
            stored.get(header::ETAG) == Some(told)
        };
    }
    match (not_modified.get(header::LAST_MODIFIED), stored.get(header::LAST_MODIFIED)) {
        (Some(told), Some(stored)) => told == stored,
        (Some(_), None) => false,
        (None, _) => true,
    }
}

fn merged(stored: &HeaderMap, newer: &HeaderMap) -> HeaderMap {
    let newer = kept(newer);
    let mut merged = stored.clone();
    for name in newer.keys().filter(|name| !OF_BODY.contains(name)) {
        merged.remove(name);
        for value in newer.get_all(name) {
            merged.append(name, value.clone());
        }
    }
    merged
}
