//! From a route to an answer: the typed glue between HTTP and rpcs.
//!
//! One generated function per route makes its request; [`call`] sends it by the right client and turns the reply into
//! JSON. Nothing is looked up by name and nothing reflected. A large `match` was taken instead of a table of function
//! pointers, because those cannot be generic over the transport without a box for every call.

use std::collections::BTreeMap;
use std::pin::Pin;

use bytes::Bytes;
use serde::Serialize;
use tokio_stream::{Stream, StreamExt};
use tonic::client::GrpcService;
use tonic::codegen::StdError;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status, Streaming};

use crate::fault::Faults;
use crate::input::{Input, query};
use crate::param;
use crate::routes::{Route, Service};

/// What a client can send over: a channel, or a service in the same process.
pub trait Transport:
    GrpcService<
        tonic::body::Body,
        Error: Into<StdError>,
        ResponseBody: http_body::Body<Data = Bytes, Error: Into<StdError> + Send> + Send + 'static,
    > + Clone
{
}

impl<T> Transport for T where
    T: GrpcService<
            tonic::body::Body,
            Error: Into<StdError>,
            ResponseBody: http_body::Body<Data = Bytes, Error: Into<StdError> + Send> + Send + 'static,
        > + Clone
{
}

/// The answer of a service.
#[derive(Debug, Clone)]
pub struct Reply {
    /// JSON; empty when the route answers 204.
    pub body: Bytes,
    /// Response metadata of the service, as it came.
    pub metadata: MetadataMap,
    /// The version of the entity in the reply, for an ETag: of the reply itself, or of the only message in it.
    pub version: Option<u64>,
}

/// Bytes of a service, such as a picture.
#[derive(Debug, Clone)]
pub struct Download {
    /// The bytes.
    pub content: Bytes,
    /// Their media type, such as `image/webp`.
    pub content_type: String,
    /// SHA-256 of the bytes, hex.
    pub sha256: String,
    /// Response metadata of the service, as it came.
    pub metadata: MetadataMap,
}

/// The answers of a streaming route.
pub struct Events {
    /// Response metadata of the service, as it came.
    pub metadata: MetadataMap,
    /// JSON objects, one an event.
    pub stream: Pin<Box<dyn Stream<Item = Result<Bytes, Status>> + Send>>,
}

fn outgoing<M>(message: M, metadata: MetadataMap) -> Request<M> {
    Request::from_parts(metadata, tonic::Extensions::new(), message)
}

fn with_body<M: Serialize>(response: Response<M>, version: fn(&M) -> Option<u64>) -> Result<Reply, Status> {
    let (metadata, message, _) = response.into_parts();
    Ok(Reply { body: json(&message)?, metadata, version: version(&message) })
}

fn without_body<M>(response: Response<M>) -> Result<Reply, Status> {
    let (metadata, _, _) = response.into_parts();
    Ok(Reply { body: Bytes::new(), metadata, version: None })
}

fn bytes<M>(response: Response<M>, parts: fn(M) -> (Vec<u8>, String, String)) -> Result<Download, Status> {
    let (metadata, message, _) = response.into_parts();
    let (content, content_type, sha256) = parts(message);
    Ok(Download { content: content.into(), content_type, sha256, metadata })
}

fn events<M: Serialize + Send + 'static>(response: Response<Streaming<M>>) -> Result<Events, Status> {
    let (metadata, messages, _) = response.into_parts();
    let stream = messages.map(|message| message.and_then(|message| json(&message)));
    Ok(Events { metadata, stream: Box::pin(stream) })
}

fn json<M: Serialize>(message: &M) -> Result<Bytes, Status> {
    let text = serde_json::to_vec(message)
        .map_err(|fault| Status::internal(format!("a reply has no JSON form: {fault}")))?;
    Ok(Bytes::from(text))
}

fn not_carried(route: &Route) -> Status {
    Status::unimplemented(format!("{} is not called this way", route.rpc))
}

include!(concat!(env!("OUT_DIR"), "/calls.rs"));
