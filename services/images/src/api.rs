//! Which rpcs there are: each takes the call apart and leaves the rest to `app`.

use std::sync::Arc;

use tonic::{Request, Response, Status, async_trait};
use vitrina_chassis::{Call, respond};
use vitrina_proto::common::v1::Empty;
use vitrina_proto::images::v1 as pb;
use vitrina_proto::images::v1::images_server::Images;

use crate::app::App;

/// The gRPC service.
#[derive(Clone, Debug)]
pub(crate) struct Api(pub(crate) Arc<App>);

impl Api {
    fn call<T>(&self, request: Request<T>) -> Call<T> {
        Call::from_request(request, &self.0.clock)
    }
}

#[async_trait]
impl Images for Api {
    async fn upload_product_image(
        &self,
        request: Request<pb::UploadProductImageRequest>,
    ) -> Result<Response<pb::ImageReply>, Status> {
        respond(self.0.upload_product_image(self.call(request)).await)
    }

    async fn put_avatar(
        &self,
        request: Request<pb::PutAvatarRequest>,
    ) -> Result<Response<pb::ImageReply>, Status> {
        respond(self.0.put_avatar(self.call(request)).await)
    }

    async fn list_product_images(
        &self,
        request: Request<pb::ListProductImagesRequest>,
    ) -> Result<Response<pb::ImageList>, Status> {
        respond(self.0.list_product_images(&self.call(request)).await)
    }

    async fn order_product_images(
        &self,
        request: Request<pb::OrderProductImagesRequest>,
    ) -> Result<Response<pb::ImageList>, Status> {
        respond(self.0.order_product_images(self.call(request)).await)
    }

    async fn delete_image(
        &self,
        request: Request<pb::DeleteImageRequest>,
    ) -> Result<Response<Empty>, Status> {
        respond(self.0.delete_image(self.call(request)).await)
    }

    async fn create_upload(
        &self,
        request: Request<pb::CreateUploadRequest>,
    ) -> Result<Response<pb::Upload>, Status> {
        respond(self.0.create_upload(self.call(request)).await)
    }

    async fn complete_upload(
        &self,
        request: Request<pb::CompleteUploadRequest>,
    ) -> Result<Response<pb::ImageReply>, Status> {
        respond(self.0.complete_upload(self.call(request)).await)
    }

    async fn get_variant(
        &self,
        request: Request<pb::GetVariantRequest>,
    ) -> Result<Response<pb::VariantBytes>, Status> {
        respond(self.0.get_variant(&self.call(request)).await)
    }

    async fn batch_list_images(
        &self,
        request: Request<pb::BatchListImagesRequest>,
    ) -> Result<Response<pb::ImagesByOwner>, Status> {
        respond(self.0.batch_list_images(&self.call(request)))
    }
}
