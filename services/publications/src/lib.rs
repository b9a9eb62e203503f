//! Publications: what is offered for sale, how it is found, and what is asked about it.
//!
//! *Duty*: publications, questions and answers, search, suggestions, home lists. *Flow*: `api` takes a call apart, `app` loads,
//! lets `model` decide and commits; what happened leaves as an event, and `indexer` brings the index after it. Products,
//! usernames and wishes are known here from events.
//!
//! *Invariants*: only the owner of a product publishes it; a product has at most one active publication; a question is
//! answered once; the index is derived, and whatever it has not taken in stands in a queue of the store.
//!
//! *It is not* the price or the stock: it shows what it last heard, and products decides.

mod api;
mod app;
mod config;
mod error;
mod events;
mod indexer;
mod keys;
mod model;
mod search;
mod store;
mod wire;

use std::sync::Arc;

use vitrina_chassis::{Context, Message, Queue, QueueKind, Service};
use vitrina_proto::publications::v1::publications_server::PublicationsServer;

pub use crate::config::Config;
pub use crate::error::Error;

/// Builds the service: its rpcs, what it listens to, and the indexer.
///
/// # Errors
/// When the store cannot be read, or the directory of the index cannot be made, written, or is in use by another process.
pub fn start(ctx: Context, config: Config) -> Result<Service, Error> {
    let opened = indexer::open(&ctx, &config)?;
    let search = Arc::new(opened.search);
    let app = app::App::new(&ctx, Arc::clone(&search), &config);
    let queue = Queue {
        name: events::INBOX.to_owned(),
        topics: events::TOPICS.map(str::to_owned).to_vec(),
        kind: QueueKind::Durable,
        prefetch: events::PREFETCH,
    };
    let store = ctx.store.clone();
    Ok(Service::new("publications")
        .grpc(PublicationsServer::new(api::Api(app)))
        .inbox(queue, move |message: &Message| events::heard(&store, message, ctx.clock.now_ms()))
        .task("indexer", |ctx, stop| async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = indexer::run(ctx.store, search, opened.new_name) => {}
            }
        }))
}
