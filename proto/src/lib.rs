//! The contract: every shape that crosses a wire of Vitrina.
//!
//! The .proto files under `proto/` are the single source of truth. From them the build makes the messages with their
//! JSON form, gRPC clients and servers, the [route table](routes::ROUTES), the glue between HTTP and rpcs, and the
//! OpenAPI document. A new rpc with its annotation is all it takes for a route to exist.
//!
//! Flow of a request at the edge: a [`Route`](routes::Route) is found by method and path; its [`Input`] becomes a
//! request message; the rpc is called; its reply becomes JSON.
//!
//! JSON follows the ProtoJSON mapping (camelCase, RFC 3339 times) with these differences: enum values are written
//! without their enum's name in front, `Money.minor` is a number, lists and plain values are shown even when they are
//! empty or zero, unknown and repeated members of a request are refused. Names of enum values: [`JsonNames`].
//!
//! PATCH is a merge-patch (RFC 7396): absent members change nothing. A member that is `null` has its field's name (as in
//! the .proto file, snake_case) put into the request's `clear`, which no client can fill by itself.
//!
//! What it is not: no validation of values beyond their types, no HTTP, no policy. Services validate, the edge decides.

include!(concat!(env!("OUT_DIR"), "/messages.rs"));

pub mod routes;

mod body;
mod call;
mod fault;
mod input;
mod json;
mod param;
mod timestamp;

pub use crate::call::{Clients, Download, Events, Reply, Transport, call, download, receive, watch};
pub use crate::input::{Input, query};
pub use crate::json::JsonNames;
pub use crate::timestamp::{NotATime, Timestamp};

/// The OpenAPI 3.1 document of the HTTP API, as JSON.
#[must_use]
pub fn openapi() -> &'static str {
    include_str!(concat!(env!("OUT_DIR"), "/openapi.json"))
}
