//! Which rpcs there are: each takes the call apart and leaves the rest to `app`.

use std::sync::Arc;

use tonic::{Request, Response, Status, async_trait};
use vitrina_chassis::{Call, IntoFault, respond};
use vitrina_proto::common::v1::Empty;
use vitrina_proto::orders::v1 as pb;
use vitrina_proto::orders::v1::orders_server::Orders;

use crate::app::{App, Moves};

/// The gRPC service.
#[derive(Clone)]
pub(crate) struct Api(pub(crate) Arc<App>);

impl Api {
    fn call<T>(&self, request: Request<T>) -> Call<T> {
        Call::from_request(request, &self.0.clock)
    }
}

#[async_trait]
impl Orders for Api {
    type WatchOrderStream = Moves;

    async fn create_cart(
        &self,
        request: Request<pb::CreateCartRequest>,
    ) -> Result<Response<pb::Cart>, Status> {
        respond(self.0.create_cart(self.call(request)).await)
    }

    async fn get_cart(&self, request: Request<pb::GetCartRequest>) -> Result<Response<pb::Cart>, Status> {
        respond(self.0.get_cart(&self.call(request)).await)
    }

    async fn add_cart_item(
        &self,
        request: Request<pb::AddCartItemRequest>,
    ) -> Result<Response<pb::Cart>, Status> {
        respond(self.0.add_cart_item(self.call(request)).await)
    }

    async fn update_cart_item(
        &self,
        request: Request<pb::UpdateCartItemRequest>,
    ) -> Result<Response<pb::Cart>, Status> {
        respond(self.0.update_cart_item(self.call(request)).await)
    }

    async fn delete_cart_item(
        &self,
        request: Request<pb::DeleteCartItemRequest>,
    ) -> Result<Response<pb::Cart>, Status> {
        respond(self.0.delete_cart_item(self.call(request)).await)
    }

    async fn merge_cart(&self, request: Request<pb::MergeCartRequest>) -> Result<Response<pb::Cart>, Status> {
        respond(self.0.merge_cart(self.call(request)).await)
    }

    async fn checkout(
        &self,
        request: Request<pb::CheckoutRequest>,
    ) -> Result<Response<pb::CheckoutReply>, Status> {
        respond(self.0.checkout(self.call(request)).await)
    }

    async fn buy_now(
        &self,
        request: Request<pb::BuyNowRequest>,
    ) -> Result<Response<pb::CheckoutReply>, Status> {
        respond(self.0.buy_now(self.call(request)).await)
    }

    async fn list_orders(
        &self,
        request: Request<pb::ListOrdersRequest>,
    ) -> Result<Response<pb::OrderList>, Status> {
        respond(self.0.list_orders(&self.call(request)))
    }

    async fn get_order(&self, request: Request<pb::OrderRequest>) -> Result<Response<pb::Order>, Status> {
        respond(self.0.get_order(&self.call(request)).await)
    }

    async fn cancel_order(&self, request: Request<pb::OrderRequest>) -> Result<Response<pb::Order>, Status> {
        respond(self.0.cancel_order(self.call(request)).await)
    }

    async fn confirm_payment(
        &self,
        request: Request<pb::OrderRequest>,
    ) -> Result<Response<pb::Order>, Status> {
        respond(self.0.confirm_payment(self.call(request)).await)
    }

    async fn ship_order(&self, request: Request<pb::OrderRequest>) -> Result<Response<pb::Order>, Status> {
        respond(self.0.ship_order(self.call(request)).await)
    }

    async fn finish_order(&self, request: Request<pb::OrderRequest>) -> Result<Response<pb::Order>, Status> {
        respond(self.0.finish_order(self.call(request)).await)
    }

    async fn retry_payment(&self, request: Request<pb::OrderRequest>) -> Result<Response<pb::Order>, Status> {
        respond(self.0.retry_payment(self.call(request)).await)
    }

    async fn create_refund(
        &self,
        request: Request<pb::CreateRefundRequest>,
    ) -> Result<Response<pb::Refund>, Status> {
        respond(self.0.create_refund(self.call(request)).await)
    }

    async fn list_refunds(
        &self,
        request: Request<pb::OrderRequest>,
    ) -> Result<Response<pb::RefundList>, Status> {
        respond(self.0.list_refunds(&self.call(request)))
    }

    async fn create_return(
        &self,
        request: Request<pb::CreateReturnRequest>,
    ) -> Result<Response<pb::Return>, Status> {
        respond(self.0.create_return(self.call(request)).await)
    }

    async fn update_return(
        &self,
        request: Request<pb::UpdateReturnRequest>,
    ) -> Result<Response<pb::Return>, Status> {
        respond(self.0.update_return(self.call(request)).await)
    }

    async fn create_review(
        &self,
        request: Request<pb::CreateReviewRequest>,
    ) -> Result<Response<pb::Review>, Status> {
        respond(self.0.create_review(self.call(request)).await)
    }

    async fn get_review(&self, request: Request<pb::OrderRequest>) -> Result<Response<pb::Review>, Status> {
        respond(self.0.get_review(&self.call(request)))
    }

    async fn list_reviews(
        &self,
        request: Request<pb::ListReviewsRequest>,
    ) -> Result<Response<pb::ReviewList>, Status> {
        respond(self.0.list_reviews(&self.call(request)))
    }

    async fn create_coupon(
        &self,
        request: Request<pb::CreateCouponRequest>,
    ) -> Result<Response<pb::Coupon>, Status> {
        respond(self.0.create_coupon(self.call(request)).await)
    }

    async fn get_seller_orders(
        &self,
        request: Request<pb::GetSellerOrdersRequest>,
    ) -> Result<Response<pb::SellerOrders>, Status> {
        respond(self.0.seller_orders(&self.call(request)))
    }

    async fn receive_payment(
        &self,
        request: Request<pb::PaymentNotification>,
    ) -> Result<Response<Empty>, Status> {
        respond(self.0.receive_payment(&self.call(request)).await)
    }

    async fn get_operation(
        &self,
        request: Request<pb::OperationRequest>,
    ) -> Result<Response<pb::Operation>, Status> {
        respond(self.0.get_operation(&self.call(request)))
    }

    async fn watch_order(
        &self,
        request: Request<pb::OrderRequest>,
    ) -> Result<Response<Self::WatchOrderStream>, Status> {
        match self.0.watch_order(&self.call(request)) {
            Ok(moves) => Ok(Response::new(moves)),
            Err(error) => Err(error.fault().into()),
        }
    }
}
