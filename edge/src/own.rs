//! What the edge says by itself: health, and the contract for machines and people.

use futures::future::join_all;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::core::Core;
use crate::etag;
use crate::reply::Reply;
use crate::upstream::health;

/// The page at `/docs`: one file without anything from elsewhere.
const DOCS: &str = include_str!("docs.html");

/// The page shows what it fetches from `/openapi.json`, and may do nothing else.
const DOCS_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src \
     'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

#[derive(Serialize)]
struct Readiness<'a> {
    status: &'static str,
    services: Vec<ServiceReadiness<'a>>,
}

#[derive(Serialize)]
struct ServiceReadiness<'a> {
    name: &'a str,
    ready: bool,
}

/// The process lives.
pub(crate) fn healthz() -> Reply {
    let mut reply = Reply::with_body(StatusCode::OK, "application/json", &b"{\"status\":\"ok\"}"[..]);
    reply.set(header::CACHE_CONTROL, "no-store");
    reply
}

/// 200 when every configured service answers, else 503; names each either way.
pub(crate) async fn readyz(core: &Core) -> Reply {
    let configured = core.transports.values().filter(|transport| transport.is_configured());
    let checks = configured.map(|transport| async move {
        ServiceReadiness { name: transport.name(), ready: health::is_ready(transport.clone()).await }
    });
    let services = join_all(checks).await;
    let is_ready = !core.is_draining() && services.iter().all(|service| service.ready);
    let (status, word) =
        if is_ready { (StatusCode::OK, "ready") } else { (StatusCode::SERVICE_UNAVAILABLE, "not_ready") };
    let readiness = Readiness { status: word, services };
    let body = serde_json::to_vec(&readiness).unwrap_or_default();
    let mut reply = Reply::with_body(status, "application/json", body);
    reply.set(header::CACHE_CONTROL, "no-store");
    reply
}

/// The contract as OpenAPI 3.1.
pub(crate) fn openapi() -> Reply {
    let mut reply = Reply::with_body(StatusCode::OK, "application/json", vitrina_proto::openapi().as_bytes());
    cacheable(&mut reply);
    reply
}

/// The contract for people.
pub(crate) fn docs() -> Reply {
    let mut reply = Reply::with_body(StatusCode::OK, "text/html; charset=utf-8", DOCS.as_bytes());
    reply.headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(DOCS_POLICY));
    cacheable(&mut reply);
    reply
}

fn cacheable(reply: &mut Reply) {
    reply.set(header::CACHE_CONTROL, "public, max-age=60");
    reply.set(header::ETAG, etag::of(&reply.body, None));
}
