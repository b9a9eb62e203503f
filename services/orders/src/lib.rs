//! Orders: carts, checkouts, payments, refunds, returns, coupons and reviews.
//!
//! *Duty*: what is put into carts, bought, paid, sent, given back and judged. *Flow*: `api` takes a call apart, `app` loads,
//! lets `model` decide and commits; what happened leaves as an event. A checkout is a saga: its row says what it has still to
//! do, and so does each order's. Whoever made it goes on with it at once; the driver takes up whatever was left, by a crash or
//! an outage, until nothing is owed.
//!
//! *Invariants*
//! - Of a checkout every order is placed, holding its stock, or none is.
//! - The stock of a cancelled, expired or refunded order goes back once.
//! - An order is paid by its seller's word (manual) or by a payment that was looked up at the provider and has its amount and
//!   currency (automatic); never by what a notification says.
//! - A call whose outcome is unknown is made again under the same key, or looked up; it never counts as failed.
//! - Money that was paid too late or twice goes back by itself.
//! - A price comes from products, a title from publications, never from a client.
//!
//! *It is not* the keeper of stock, which products are, nor of who may call, which the edge is. To others than its parties an
//! order does not exist.

mod api;
mod app;
mod config;
mod error;
mod events;
mod keys;
mod model;
mod peers;
mod provider;
mod store;
mod token;
mod turns;
mod wire;

use std::sync::Arc;

use vitrina_chassis::{CancellationToken, Context, Service};
use vitrina_proto::orders::v1::orders_server::OrdersServer;

pub use crate::config::{Config, MercadoPago};
pub use crate::error::Error;
pub use crate::model::Refusal;
pub use crate::model::checkout::Failure;

/// Builds the service: its rpcs, and the driver of what is owed.
///
/// # Errors
/// [`Error::Client`] when the client of the payment provider cannot be made.
pub fn start(ctx: Context, config: Config) -> Result<Service, Error> {
    let app = Arc::new(app::App::new(&ctx, config)?);
    let driver = Arc::clone(&app);
    let service = Service::new("orders")
        .grpc(OrdersServer::new(api::Api(app)))
        .task("driver", |_, stop: CancellationToken| async move { driver.drive(stop).await });
    Ok(service)
}
