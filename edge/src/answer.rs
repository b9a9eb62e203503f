//! The reply of an rpc as an HTTP answer: status, validators, caching and where what was created is found.

use std::fmt::Write as _;

use http::{HeaderName, StatusCode, header};
use tonic::metadata::MetadataMap;
use vitrina_proto::routes::{self, Method, ROUTES, Route};

use crate::etag;
use crate::guard::Caller;
use crate::reply::Reply;

/// Set on replies of services: the entity's version.
const VERSION: &str = "x-vitrina-version";

/// Set on replies of services: the answer is the stored one of an earlier call.
const REPLAYED: &str = "x-vitrina-replayed";

/// Set on replies of pages: a part is missing.
pub(crate) const DEGRADED: &str = "x-vitrina-degraded";

/// What nobody may keep.
const NO_STORE: &str = "no-store";

/// The answer of an rpc as HTTP.
pub(crate) fn json(route: &Route, caller: &Caller, answer: &vitrina_proto::Reply) -> Reply {
    let status = StatusCode::from_u16(route.success_status).unwrap_or(StatusCode::OK);
    let mut reply = if matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT) {
        Reply::empty(status)
    } else {
        Reply::with_body(status, "application/json", answer.body.clone())
    };
    // A write's answer has a tag only when it is the entity itself, not something that wraps one.
    let version = match route.method {
        Method::Get => answer.version.or_else(|| text(&answer.metadata, VERSION)?.parse().ok()),
        Method::Put | Method::Post | Method::Delete | Method::Patch => answer.version,
    };
    let is_tagged = route.method == Method::Get || version.is_some();
    if is_tagged && !reply.body.is_empty() {
        reply.set(header::ETAG, etag::of(&reply.body, version));
    }
    if text(&answer.metadata, REPLAYED) == Some("true") {
        reply.set(HeaderName::from_static("idempotent-replayed"), "true");
    }
    if status == StatusCode::CREATED
        && let Some(location) = location(route, &answer.body)
    {
        reply.set(header::LOCATION, location);
    }
    let is_degraded = text(&answer.metadata, DEGRADED).is_some();
    let control = cache_control(route, caller, is_degraded);
    if control != NO_STORE {
        reply.set(header::VARY, "accept-encoding");
    }
    reply.set(header::CACHE_CONTROL, control);
    reply.is_partial = is_degraded;
    reply
}

/// A value of the metadata as text.
pub(crate) fn text<'m>(metadata: &'m MetadataMap, name: &str) -> Option<&'m str> {
    metadata.get(name)?.to_str().ok()
}

/// `Cache-Control` by the contract. What depended on the caller is never kept, and a page that lacks a part not longer
/// than it takes to mend.
fn cache_control(route: &Route, caller: &Caller, is_degraded: bool) -> String {
    let Some(cache) = route.cache.filter(|_| caller.user().is_none()) else {
        return NO_STORE.to_owned();
    };
    if is_degraded {
        return "public, max-age=1".to_owned();
    }
    cache_control_until(&cache, u64::MAX)
}

/// `Cache-Control` of an answer that is true for so many seconds: nobody may use it for longer, fresh or stale.
pub(crate) fn cache_control_until(cache: &routes::Cache, left_s: u64) -> String {
    let max_age_s = left_s.min(cache.max_age_s.into());
    let mut value = format!("public, max-age={max_age_s}");
    for (name, seconds) in [("stale-while-revalidate", cache.swr_s), ("stale-if-error", cache.sie_s)] {
        let seconds = (left_s - max_age_s).min(seconds.into());
        if seconds > 0 {
            // Writing to a String cannot fail.
            let _ = write!(value, ", {name}={seconds}");
        }
    }
    value
}

/// Where what was created is found: under its id when the contract has such a path, else at the path itself when that
/// can be read.
fn location(route: &Route, body: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Created {
        id: String,
    }

    if route.path.contains('{') {
        return None;
    }
    let has_items = ROUTES.iter().any(|other| {
        other
            .path
            .strip_prefix(route.path)
            .and_then(|rest| rest.strip_prefix("/{"))
            .is_some_and(|rest| rest.ends_with('}') && !rest.contains('/'))
    });
    if has_items {
        let created: Created = serde_json::from_slice(body).ok()?;
        let is_plain =
            created.id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
        return is_plain.then(|| format!("{}/{}", route.path, created.id));
    }
    let can_be_read = ROUTES.iter().any(|other| other.path == route.path && other.method == Method::Get);
    can_be_read.then(|| route.path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn located(method: Method, path: &str, body: &str) -> Option<String> {
        let route = ROUTES.iter().find(|route| route.method == method && route.path == path).unwrap();
        location(route, body.as_bytes())
    }

    #[test]
    fn nobody_may_use_an_answer_past_its_end_fresh_or_stale() {
        let cache = routes::Cache { max_age_s: 10, swr_s: 20, sie_s: 600, tags: &[] };
        for (left_s, value) in [
            (u64::MAX, "public, max-age=10, stale-while-revalidate=20, stale-if-error=600"),
            (40, "public, max-age=10, stale-while-revalidate=20, stale-if-error=30"),
            (15, "public, max-age=10, stale-while-revalidate=5, stale-if-error=5"),
            (4, "public, max-age=4"),
            (0, "public, max-age=0"),
        ] {
            assert_eq!(cache_control_until(&cache, left_s), value);
        }
    }

    #[test]
    fn what_was_created_has_a_place() {
        let post = |path, body| located(Method::Post, path, body);
        let place = post("/v1/products", r#"{"id":"prd_1"}"#);
        assert_eq!(place.as_deref(), Some("/v1/products/prd_1"));
        let place = post("/v1/me/addresses", r#"{"id":"a-1","version":1}"#);
        assert_eq!(place.as_deref(), Some("/v1/me/addresses/a-1"));
        let place = post("/v1/me/seller", r#"{"id":"usr_1"}"#);
        assert_eq!(place.as_deref(), Some("/v1/me/seller"));
        assert_eq!(post("/v1/auth/register", r#"{"user":{"id":"usr_1"}}"#), None);
        assert_eq!(post("/v1/products", r#"{"id":"\r\nx: y"}"#), None);
    }
}
