//! Images: pictures of products and avatars of users.
//!
//! *Duty*: takes a picture, through the edge or by a presigned PUT to S3, checks it by its content, makes it anew in three
//! sizes and two encodings, keeps these in S3 and gives them out. *Flow*: `gate` lets few uploads in at once, `picture` reads
//! the header, decodes and encodes, `provider` keeps the objects, and a commit makes them a picture of its owner. Of products
//! it knows whose they are, from their events.
//!
//! *Invariants*
//! - Nothing of what was uploaded is ever given out: every byte that is served was encoded here, from pixels only. So metadata
//!   (where a photo was taken), scripts behind a picture and other second meanings of a file are gone.
//! - A picture whose header promises more than the bounds is refused before a byte of it is decoded.
//! - The store is the truth: an object that no picture names is in the queue of removals from before it is written, so that
//!   a crash at any point leaves no object behind for good.
//! - The bytes behind an id never change; a product has at most 12 pictures, a user one avatar.
//!
//! *It is not* a store of originals: they are not kept once the variants are made, as they hold what their maker did not mean
//! to publish.

mod api;
mod app;
mod config;
mod error;
mod events;
mod gate;
mod keys;
mod model;
mod picture;
mod provider;
mod store;
mod wire;

use std::sync::Arc;

use vitrina_chassis::{Context, Limits, Message, Queue, QueueKind, Service};
use vitrina_proto::images::v1::images_server::ImagesServer;

pub use crate::config::{Config, S3Config};
pub use crate::error::Error;

/// Longest request: a picture (10 MiB) and some room for its frame.
const REQUEST_BYTES_MAX: usize = 12 * 1024 * 1024;
/// Calls at once. Most give out a variant of up to some 200 KB: more of them would be memory, not speed.
const IN_FLIGHT_MAX: u32 = 256;

/// Builds the service: its rpcs, what it listens to, and the task that removes objects. S3 may be away; uploads then answer
/// that they are unavailable.
pub fn start(ctx: Context, config: Config) -> Service {
    let gate = gate::Places::new(&config);
    let app = Arc::new(app::App::new(&ctx, config));
    let remover = Arc::clone(&app);
    let queue = Queue {
        name: events::INBOX.to_owned(),
        topics: events::TOPICS.map(str::to_owned).to_vec(),
        kind: QueueKind::Durable,
        prefetch: events::PREFETCH,
    };
    let server = ImagesServer::new(api::Api(app)).max_decoding_message_size(REQUEST_BYTES_MAX);
    Service::new("images")
        .limits(Limits { in_flight_max: IN_FLIGHT_MAX, ..Limits::default() })
        .grpc(gate::Gate::new(server, gate))
        .inbox(queue, move |message: &Message| events::heard(&ctx.store, message, ctx.clock.now_ms()))
        .task("removals", |_, stop| async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = remover.remove_objects() => {}
            }
        })
}
