//! A running service with its store, its broker, a bucket and a clock that the test moves, and the calls that tests make.

use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::primitives::ByteStream;
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tonic::{Request, Response, Status};
pub(crate) use vitrina_chassis::testing::{by, keyed, listen, reason, said, until};
use vitrina_chassis::{Context, InProcess, Running, UserId, testing};
use vitrina_images::{Config, S3Config};
use vitrina_proto::events::v1::{ImagesChanged, ProductChanged};
use vitrina_proto::images::v1 as pb;
use vitrina_proto::images::v1::images_client::ImagesClient;
use vitrina_proto::products::v1::Product;
use vitrina_sandbox::{Sandbox, SandboxConfig};

vitrina_chassis::id_type!(
    /// A product.
    ProductId, "prd_"
);

pub(crate) type Client = ImagesClient<InProcess>;

pub(crate) struct Shop {
    pub(crate) ctx: Context,
    pub(crate) running: Running,
    pub(crate) sandbox: vitrina_sandbox::Running,
    _dirs: [TempDir; 2],
}

impl Shop {
    pub(crate) async fn open() -> Shop {
        let (ctx, dir) = testing::context();
        Shop::of(ctx, dir).await
    }

    pub(crate) async fn of(ctx: Context, dir: TempDir) -> Shop {
        let sandbox_dir = TempDir::new().expect("there is room");
        let sandbox =
            Sandbox::start(SandboxConfig::new(sandbox_dir.path())).await.expect("the sandbox starts");
        let s3 = S3Config { endpoint: Some(sandbox.s3_url()), ..S3Config::default() };
        // A product that nobody made is asked for by tests that do not want to wait; those that do tell it late enough.
        let config = Config { s3, removal_interval_ms: 20, product_wait_ms: 300, ..Config::default() };
        let service = vitrina_images::start(ctx.clone(), config);
        let running = vitrina_chassis::start(ctx.clone(), service).expect("the service starts");
        Shop { ctx, running, sandbox, _dirs: [dir, sandbox_dir] }
    }

    pub(crate) fn client(&self) -> Client {
        ImagesClient::new(self.running.in_process()).max_decoding_message_size(usize::MAX)
    }

    /// A product that the service knows of.
    pub(crate) async fn product(&self, seller: UserId) -> String {
        let id = ProductId::generate().to_string();
        self.hear("product.changed", &id, seller, 1).await;
        until("the product is known", || async { self.list(&id).await.is_ok() }).await;
        id
    }

    /// Tells the service what the products have done, once it listens.
    pub(crate) async fn hear(&self, topic: &str, id: &str, seller: UserId, version: u32) {
        let product =
            Product { id: id.to_owned(), version, seller_id: seller.to_string(), ..Product::default() };
        self.publish(topic, id, &ProductChanged { product: Some(product), ..Default::default() }).await;
    }

    pub(crate) async fn publish(&self, topic: &str, key: &str, payload: &impl prost::Message) {
        self.running.listening().await;
        testing::publish(&*self.ctx.broker, &format!("{topic}-{key}"), topic, key, payload).await;
    }

    pub(crate) async fn upload(
        &self,
        seller: UserId,
        product: &str,
        content: Vec<u8>,
    ) -> Result<pb::Image, Status> {
        let request = pb::UploadProductImageRequest { product_id: product.to_owned(), content };
        self.client().upload_product_image(by(seller, request)).await.map(made)
    }

    pub(crate) async fn put_avatar(&self, user: UserId, content: Vec<u8>) -> Result<pb::Image, Status> {
        self.client().put_avatar(by(user, pb::PutAvatarRequest { content })).await.map(made)
    }

    pub(crate) async fn list(&self, product: &str) -> Result<Vec<pb::Image>, Status> {
        let request = pb::ListProductImagesRequest { product_id: product.to_owned() };
        let listed = self.client().list_product_images(Request::new(request)).await;
        listed.map(|list| list.into_inner().items)
    }

    pub(crate) async fn ids(&self, product: &str) -> Vec<String> {
        let images = self.list(product).await.expect("the product is known");
        images.into_iter().map(|image| image.id).collect()
    }

    pub(crate) async fn batch(&self, owners: &[&str]) -> Vec<pb::OwnerImages> {
        let owner_ids = owners.iter().map(|id| (*id).to_owned()).collect();
        let request = Request::new(pb::BatchListImagesRequest { owner_ids });
        self.client().batch_list_images(request).await.expect("a batch is read").into_inner().items
    }

    pub(crate) async fn order(
        &self,
        seller: UserId,
        product: &str,
        ids: &[String],
    ) -> Result<Response<pb::ImageList>, Status> {
        let request = pb::OrderProductImagesRequest { product_id: product.to_owned(), ids: ids.to_vec() };
        self.client().order_product_images(by(seller, request)).await
    }

    pub(crate) async fn delete(&self, user: UserId, id: &str) -> Result<(), Status> {
        let request = pb::DeleteImageRequest { id: id.to_owned() };
        self.client().delete_image(by(user, request)).await.map(drop)
    }

    pub(crate) async fn variant(&self, id: &str, variant: &str) -> Result<pb::VariantBytes, Status> {
        let request = pb::GetVariantRequest { id: id.to_owned(), variant: variant.to_owned() };
        self.client().get_variant(Request::new(request)).await.map(Response::into_inner)
    }

    /// A variant, its pixels too.
    pub(crate) async fn pixels(&self, id: &str, variant: &str) -> image::RgbaImage {
        let bytes = self.variant(id, variant).await.expect("the variant is there");
        image::load_from_memory(&bytes.content).expect("the variant decodes").into_rgba8()
    }

    pub(crate) async fn knobs(&self, knobs: &str) {
        let url = format!("{}/sandbox/knobs", self.sandbox.url());
        let request = vitrina_outgoing::client()
            .build()
            .expect("a client is made")
            .post(url)
            .header("content-type", "application/json");
        let answer = request.body(knobs.to_owned()).send().await.expect("the sandbox answers");
        assert!(answer.status().is_success(), "{}", answer.status());
    }

    /// The keys of the objects that are in the bucket.
    pub(crate) async fn objects(&self) -> Vec<String> {
        let listed =
            self.bucket().list_objects_v2().bucket("vitrina").send().await.expect("the bucket is read");
        let keys = listed.contents().iter().filter_map(|object| object.key());
        keys.map(str::to_owned).collect()
    }

    /// Puts an object past the service.
    pub(crate) async fn put_object(&self, key: &str, content: &[u8]) {
        let put = self.bucket().put_object().bucket("vitrina").key(key);
        put.body(ByteStream::from(content.to_vec())).send().await.expect("the bucket takes it");
    }

    fn bucket(&self) -> aws_sdk_s3::Client {
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("vitrina", "vitrina-secret", None, None, "test"))
            .endpoint_url(self.sandbox.s3_url())
            .force_path_style(true)
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build();
        aws_sdk_s3::Client::from_conf(config)
    }
}

fn made(response: Response<pb::ImageReply>) -> pb::Image {
    response.into_inner().image.expect("the picture is in the answer")
}

pub(crate) fn sha256_hex(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The next event, as its topic and payload.
pub(crate) async fn next_event(consumer: &mut vitrina_broker::Consumer) -> (String, ImagesChanged) {
    testing::next_event(consumer).await
}
