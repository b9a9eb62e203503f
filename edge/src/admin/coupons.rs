//! `/admin/coupons`: codes that take something off an order.

use axum::body::Bytes;
use axum::extract::{Json, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http::StatusCode;
use vitrina_proto::orders::v1::CreateCouponRequest;
use vitrina_proto::orders::v1::orders_client::OrdersClient;

use super::{Shared, Topic, into_axum, refusal};
use crate::core;
use crate::reply::Problem;

/// These need the admin token from everywhere: a coupon is money.
pub(super) fn routes() -> Topic {
    Topic::new().route("/admin/coupons", post(create_coupon))
}

/// Makes a coupon: the body is the contract's `CreateCouponRequest`. A second time with the same terms changes nothing and tells
/// how many orders use it.
async fn create_coupon(State(core): Shared, body: Bytes) -> Response {
    let Some(orders) = core.transport("orders") else {
        return refusal(501, "service_not_configured", "There is no orders service.");
    };
    let message: CreateCouponRequest = match serde_json::from_slice(&body) {
        Ok(message) => message,
        Err(error) => {
            let problem = Problem::new(400, "invalid_input", format!("The body is no coupon: {error}"));
            return into_axum(problem.into_reply(&core::trace_id()));
        }
    };
    match OrdersClient::new(orders.clone()).create_coupon(message).await {
        Ok(reply) => (StatusCode::CREATED, Json(reply.into_inner())).into_response(),
        Err(fault) => into_axum(Problem::from_status(&fault).into_reply(&core::trace_id())),
    }
}
