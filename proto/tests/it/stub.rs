//! A gRPC service in the same process that keeps what it was sent and answers what it was told.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use http_body_util::{BodyExt, Full};
use prost::Message;
use prost::bytes::{BufMut, Bytes, BytesMut};
use tonic::Status;
use tonic::body::Body;
use tonic::metadata::MetadataMap;
use vitrina_proto::routes::{self, Route};
use vitrina_proto::{Clients, Input, Reply};

#[derive(Clone, Default)]
pub(crate) struct Stub {
    reply: Bytes,
    seen: Arc<Mutex<Vec<(String, http::HeaderMap, Bytes)>>>,
}

impl Stub {
    pub(crate) fn answering(reply: &impl Message) -> Self {
        Self { reply: frame(&reply.encode_to_vec()), seen: Arc::default() }
    }

    /// The only request that came: path, headers, message.
    pub(crate) fn request<M: Message + Default>(&self) -> (String, http::HeaderMap, M) {
        let seen = self.seen.lock().expect("no test panics with the lock");
        let [(path, headers, body)] = seen.as_slice() else { panic!("one request, not {}", seen.len()) };
        (path.clone(), headers.clone(), M::decode(&body[5..]).expect("the message of the rpc"))
    }
}

impl tower::Service<http::Request<Body>> for Stub {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.expect("a body in memory").to_bytes();
            this.seen.lock().expect("no test panics with the lock").push((
                head.uri.path().to_owned(),
                head.headers,
                body,
            ));
            let trailers = http::HeaderMap::from_iter([(
                http::HeaderName::from_static("grpc-status"),
                http::HeaderValue::from_static("0"),
            )]);
            let body = Full::new(this.reply.clone()).with_trailers(async move { Some(Ok(trailers)) });
            Ok(http::Response::builder()
                .header("content-type", "application/grpc")
                .header("x-vitrina-version", "7")
                .body(Body::new(body))
                .expect("valid headers"))
        })
    }
}

/// Calls an rpc over the stub.
pub(crate) async fn call(stub: &Stub, rpc: &str, input: Input<'_>) -> Result<Reply, Status> {
    let clients = Clients::new(|_| stub.clone());
    let mut metadata = MetadataMap::new();
    metadata.insert("x-vitrina-user", tonic::metadata::MetadataValue::from_static("usr_1"));
    vitrina_proto::call(route(rpc), &clients, input, metadata).await
}

pub(crate) fn route(rpc: &str) -> &'static Route {
    routes::by_rpc(rpc).unwrap_or_else(|| panic!("no route {rpc}"))
}

fn frame(message: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(message.len() + 5);
    out.put_u8(0);
    out.put_u32(u32::try_from(message.len()).expect("a small message"));
    out.put_slice(message);
    out.freeze()
}
