//! Products: what sellers own, what it costs now, and how much of it is left.
//!
//! *Duty*: products with variants, offers, stock, adjustments and reservations, and the import of catalogues. *Flow*: `api`
//! takes a call apart, `app` loads, lets `model` decide and commits; what happened leaves as an event. Of publications it
//! knows which product they sell, from their events.
//!
//! *Invariants*: stock is never negative; the reserved units of a product are the sum of the leases that run; a sku is
//! unique among a seller's; a reservation holds all of its lines or none, and gives them back once; a price comes from here,
//! at the asked time, never from a client; a product with an active publication is not deleted. Another seller's product
//! does not exist.
//!
//! *It is not* the listing: titles, search and questions are the publications' business, pictures the images'.

mod api;
mod app;
mod config;
mod error;
mod events;
mod keys;
mod model;
mod store;
mod wire;

use vitrina_chassis::{Context, Message, Queue, QueueKind, Service, decode};
use vitrina_proto::products::v1::products_server::ProductsServer;

pub use crate::config::Config;
pub use crate::error::Error;

/// Longest request: an import's body at the edge (8 MiB) and some room for its frame.
const REQUEST_BYTES_MAX: usize = 9 * 1024 * 1024;

/// Builds the service: its rpcs, what it listens to, and the task that ends leases.
pub fn start(ctx: Context, config: Config) -> Service {
    let app = app::App::new(ctx.store.clone(), ctx.clock.clone(), config);
    let sweeper = app.clone();
    let queue = Queue {
        name: events::INBOX.to_owned(),
        topics: events::TOPICS.map(str::to_owned).to_vec(),
        kind: QueueKind::Durable,
        prefetch: events::PREFETCH,
    };
    Service::new("products")
        .grpc(ProductsServer::new(api::Api(app)).max_decoding_message_size(REQUEST_BYTES_MAX))
        .inbox(queue, move |message: &Message| {
            events::publication_moved(&ctx.store, &message.topic, decode(message)?)
        })
        .task("leases", |_, stop| async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = sweeper.sweep_leases() => {}
            }
        })
}
