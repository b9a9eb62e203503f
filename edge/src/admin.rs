//! The operator's listener, on a port of its own: health, numbers, upstreams, faults made on purpose, tokens.
//!
//! On the loopback it trusts who can connect, except for tokens: one is as good as its user's password. On any other
//! address everything but health needs the bearer token of the configuration.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::{Json, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Router, http};
use http::{HeaderMap, StatusCode, header};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use vitrina_proto::users::v1::IssueTokenRequest;
use vitrina_proto::users::v1::users_client::UsersClient;

use crate::config::SERVICES;
use crate::core::{self, Core};
use crate::own;
use crate::reply::{Problem, Reply};
use crate::upstream::Fault;

type Shared = State<Arc<Core>>;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UpstreamView {
    name: String,
    /// Whether it says that it serves.
    ready: bool,
    /// `tcp` or `in-process`.
    transport: &'static str,
    addresses: Vec<AddressView>,
    calls: u64,
    failures: u64,
    failures_in_a_row: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AddressView {
    address: String,
    passed_over: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenRequest {
    /// User id, e-mail address or username.
    login: String,
}

/// Serves until told to stop.
pub(crate) async fn serve(listener: TcpListener, core: Arc<Core>, stop: CancellationToken) {
    let tokens = Router::new()
        .route("/admin/tokens", post(issue_token))
        .layer(middleware::from_fn_with_state(core.clone(), require_token));
    let guarded = Router::new()
        .route("/metrics", get(metrics))
        .route("/admin/upstreams", get(upstreams))
        .route("/admin/faults", get(faults).put(set_faults))
        .layer(middleware::from_fn_with_state(core.clone(), require_token_unless_loopback));
    let app = Router::new()
        .route("/healthz", get(async || into_axum(own::healthz())))
        .route("/readyz", get(readyz))
        .merge(guarded)
        .merge(tokens)
        .with_state(core);
    let served = axum::serve(listener, app).with_graceful_shutdown(stop.cancelled_owned());
    if let Err(error) = served.await {
        tracing::error!(%error, "the admin listener has stopped");
    }
}

async fn readyz(State(core): Shared) -> Response {
    into_axum(own::readyz(&core).await)
}

async fn metrics(State(core): Shared) -> Response {
    let text = core.metrics.render();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}

async fn upstreams(State(core): Shared) -> Json<Vec<UpstreamView>> {
    let views = core.transports.values().map(|transport| async move {
        let counts = transport.counts();
        let addresses: Vec<AddressView> = transport
            .addresses()
            .into_iter()
            .map(|(address, passed_over)| AddressView { address, passed_over })
            .collect();
        UpstreamView {
            name: transport.name().to_owned(),
            ready: own::is_ready(transport.clone()).await,
            transport: if addresses.is_empty() { "in-process" } else { "tcp" },
            addresses,
            calls: counts.calls.load(Ordering::Relaxed),
            failures: counts.failures.load(Ordering::Relaxed),
            failures_in_a_row: counts.failures_in_a_row.load(Ordering::Relaxed),
        }
    });
    Json(futures::future::join_all(views).await)
}

async fn faults(State(core): Shared) -> Json<BTreeMap<String, Fault>> {
    Json(core.faults.view())
}

/// Replaces all faults: `{"users": {"down": true}, "products": {"delayMs": 300, "errorRate": 0.1}}`; `{}` ends them.
async fn set_faults(
    State(core): Shared,
    Json(faults): Json<BTreeMap<String, Fault>>,
) -> Result<Json<BTreeMap<String, Fault>>, Response> {
    for (name, fault) in &faults {
        if !SERVICES.contains(&name.as_str()) {
            return Err(refusal(400, "service_unknown", "There is no such service."));
        }
        if !(0.0..=1.0).contains(&fault.error_rate) {
            return Err(refusal(400, "out_of_range", "errorRate must be 0 to 1."));
        }
    }
    tracing::warn!(?faults, "faults are set on purpose");
    core.faults.set(faults);
    Ok(Json(core.faults.view()))
}

/// Opens a session of an account for an operator's tool.
async fn issue_token(State(core): Shared, Json(request): Json<TokenRequest>) -> Response {
    let Some(users) = core.transports.get("users") else {
        return refusal(501, "service_not_configured", "There is no users service.");
    };
    let message = IssueTokenRequest { login: request.login };
    match UsersClient::new(users.clone()).issue_token(message).await {
        Ok(reply) => (StatusCode::CREATED, Json(reply.into_inner())).into_response(),
        Err(fault) => into_axum(Problem::from_status(&fault).into_reply(&core::trace_id())),
    }
}

async fn require_token(State(core): Shared, request: Request, next: Next) -> Response {
    let is_known = core.config.admin_token.as_deref().is_some_and(|token| holds(request.headers(), token));
    if is_known {
        next.run(request).await
    } else {
        refusal(401, "unauthenticated", "The admin token is needed.")
    }
}

async fn require_token_unless_loopback(state: Shared, request: Request, next: Next) -> Response {
    if state.config.admin_listen.ip().is_loopback() {
        next.run(request).await
    } else {
        require_token(state, request, next).await
    }
}

/// In constant time, so that the token cannot be found byte by byte.
fn holds(headers: &HeaderMap, token: &str) -> bool {
    headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.as_bytes().strip_prefix(b"Bearer "))
        .is_some_and(|sent| sent.ct_eq(token.as_bytes()).into())
}

fn refusal(status: u16, code: &'static str, detail: &'static str) -> Response {
    into_axum(Problem::new(status, code, detail).into_reply(&core::trace_id()))
}

fn into_axum(reply: Reply) -> Response {
    (reply.status, reply.headers, reply.body).into_response()
}
