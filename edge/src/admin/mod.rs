//! The operator's listener, on a port of its own: health, numbers, upstreams, faults made on purpose, tokens.
//!
//! On the loopback it trusts who can connect, except for tokens, which are as good as their user's password, and coupons, which
//! are money. On any other address everything but health needs the bearer token of the configuration. Each topic is a file
//! with its own routes.

mod cache;
mod coupons;
mod dead_letters;
mod faults;
mod numbers;
mod status;
mod tokens;
mod traces;
mod upstreams;

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Router, http};
use http::{HeaderMap, header};
use subtle::ConstantTimeEq as _;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::core::{self, Core};
use crate::own;
use crate::reply::{Problem, Reply};

/// What every handler is given.
type Shared = State<Arc<Core>>;

/// The routes of one topic.
type Topic = Router<Arc<Core>>;

/// Serves until told to stop.
pub(crate) async fn serve(listener: TcpListener, core: Arc<Core>, stop: CancellationToken) {
    let guarded = Router::new()
        .merge(numbers::routes())
        .merge(upstreams::routes())
        .merge(faults::routes())
        .merge(cache::routes())
        .merge(dead_letters::routes())
        .merge(traces::routes())
        .merge(status::routes())
        .layer(middleware::from_fn_with_state(core.clone(), require_token_unless_loopback));
    let trusted = Router::new()
        .merge(tokens::routes())
        .merge(coupons::routes())
        .layer(middleware::from_fn_with_state(core.clone(), require_token));
    let app = Router::new()
        .route("/healthz", get(async || into_axum(own::healthz())))
        .route("/readyz", get(readyz))
        .merge(status::page())
        .merge(guarded)
        .merge(trusted)
        .with_state(core);
    let served = axum::serve(listener, app).with_graceful_shutdown(stop.cancelled_owned());
    if let Err(error) = served.await {
        tracing::error!(%error, "the admin listener has stopped");
    }
}

async fn readyz(State(core): Shared) -> Response {
    into_axum(own::readyz(&core).await)
}

async fn require_token(State(core): Shared, request: Request, next: Next) -> Response {
    let is_known = core.config().admin_token.as_deref().is_some_and(|token| holds(request.headers(), token));
    if is_known {
        next.run(request).await
    } else {
        refusal(401, "unauthenticated", "The admin token is needed.")
    }
}

async fn require_token_unless_loopback(state: Shared, request: Request, next: Next) -> Response {
    if state.config().admin_listen.ip().is_loopback() {
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
