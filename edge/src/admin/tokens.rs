//! `/admin/tokens`: a session of an account for an operator's tool.

use axum::extract::{Json, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http::StatusCode;
use serde::Deserialize;
use vitrina_proto::users::v1::IssueTokenRequest;
use vitrina_proto::users::v1::users_client::UsersClient;

use super::{Shared, Topic, into_axum, refusal};
use crate::core;
use crate::reply::Problem;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenRequest {
    /// User id, e-mail address or username.
    login: String,
}

/// These need the admin token from everywhere.
pub(super) fn routes() -> Topic {
    Topic::new().route("/admin/tokens", post(issue_token))
}

async fn issue_token(State(core): Shared, Json(request): Json<TokenRequest>) -> Response {
    let Some(users) = core.transport("users") else {
        return refusal(501, "service_not_configured", "There is no users service.");
    };
    let message = IssueTokenRequest { login: request.login };
    match UsersClient::new(users.clone()).issue_token(message).await {
        Ok(reply) => (StatusCode::CREATED, Json(reply.into_inner())).into_response(),
        Err(fault) => into_axum(Problem::from_status(&fault).into_reply(&core::trace_id())),
    }
}
