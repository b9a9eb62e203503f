//! Which rpcs there are: each takes the call apart and leaves the rest to `app`.

use tonic::{Request, Response, Status, async_trait};
use vitrina_chassis::{Call, respond};
use vitrina_proto::common::v1::Empty;
use vitrina_proto::products::v1 as pb;
use vitrina_proto::products::v1::products_server::Products;

use crate::app::App;

/// The gRPC service.
#[derive(Clone, Debug)]
pub(crate) struct Api(pub(crate) App);

impl Api {
    fn call<T>(&self, request: Request<T>) -> Call<T> {
        Call::from_request(request, &self.0.clock)
    }
}

#[async_trait]
impl Products for Api {
    async fn list_products(
        &self,
        request: Request<pb::ListProductsRequest>,
    ) -> Result<Response<pb::ProductList>, Status> {
        respond(self.0.list_products(&self.call(request)))
    }

    async fn create_product(
        &self,
        request: Request<pb::CreateProductRequest>,
    ) -> Result<Response<pb::Product>, Status> {
        respond(self.0.create_product(self.call(request)).await)
    }

    async fn get_product(
        &self,
        request: Request<pb::GetProductRequest>,
    ) -> Result<Response<pb::Product>, Status> {
        respond(self.0.get_product(&self.call(request)))
    }

    async fn update_product(
        &self,
        request: Request<pb::UpdateProductRequest>,
    ) -> Result<Response<pb::Product>, Status> {
        respond(self.0.update_product(self.call(request)).await)
    }

    async fn delete_product(
        &self,
        request: Request<pb::DeleteProductRequest>,
    ) -> Result<Response<Empty>, Status> {
        respond(self.0.delete_product(self.call(request)).await)
    }

    async fn put_offer(
        &self,
        request: Request<pb::PutOfferRequest>,
    ) -> Result<Response<pb::Product>, Status> {
        respond(self.0.put_offer(self.call(request)).await)
    }

    async fn delete_offer(
        &self,
        request: Request<pb::DeleteOfferRequest>,
    ) -> Result<Response<Empty>, Status> {
        respond(self.0.delete_offer(self.call(request)).await)
    }

    async fn adjust_stock(
        &self,
        request: Request<pb::AdjustStockRequest>,
    ) -> Result<Response<pb::Product>, Status> {
        respond(self.0.adjust_stock(self.call(request)).await)
    }

    async fn import_products(
        &self,
        request: Request<pb::ImportProductsRequest>,
    ) -> Result<Response<pb::ImportReport>, Status> {
        respond(self.0.import_products(self.call(request)).await)
    }

    async fn get_availability(
        &self,
        request: Request<pb::GetAvailabilityRequest>,
    ) -> Result<Response<pb::Availability>, Status> {
        respond(self.0.get_availability(self.call(request)).await)
    }

    async fn batch_get_products(
        &self,
        request: Request<pb::BatchGetProductsRequest>,
    ) -> Result<Response<pb::ProductList>, Status> {
        respond(self.0.batch_get_products(&self.call(request)))
    }

    async fn list_low_stock(
        &self,
        request: Request<pb::ListLowStockRequest>,
    ) -> Result<Response<pb::ProductList>, Status> {
        respond(self.0.list_low_stock(&self.call(request)))
    }

    async fn reserve(
        &self,
        request: Request<pb::ReserveRequest>,
    ) -> Result<Response<pb::Reservation>, Status> {
        respond(self.0.reserve(self.call(request)).await)
    }

    async fn commit_reservation(
        &self,
        request: Request<pb::ReservationRequest>,
    ) -> Result<Response<pb::Reservation>, Status> {
        respond(self.0.commit_reservation(self.call(request)).await)
    }

    async fn release_reservation(
        &self,
        request: Request<pb::ReservationRequest>,
    ) -> Result<Response<pb::Reservation>, Status> {
        respond(self.0.release_reservation(self.call(request)).await)
    }

    async fn restock_reservation(
        &self,
        request: Request<pb::RestockReservationRequest>,
    ) -> Result<Response<pb::Reservation>, Status> {
        respond(self.0.restock_reservation(self.call(request)).await)
    }
}
