//! Users: who they are, that it is them, and what they keep here.
//!
//! *Duty*: accounts, sessions and their tokens, seller profiles, bank accounts, addresses, push devices, wishlists.
//! *Flow*: `api` takes a call apart, `wire` checks it, `app` reads, decides and commits through the chassis's unit of work;
//! what others have to know leaves by `events`, in the same commit.
//!
//! *Invariants*
//! - An e-mail address and a username belong to one account each, without regard to case: their index rows decide it.
//! - Of a session only the newest refresh token is good; an old one that comes back ends the session.
//! - A password is kept as argon2id hash, a single-use token as hash, an account number sealed, a refresh token not at all.
//!   Neither is any of them in the records kept under idempotency keys, nor in a log.
//! - A deleted account keeps its id and times; nothing in its rows tells who it was.
//! - A seller's score and an avatar are others' to decide: they are kept here as heard, so that they come with every answer.
//!
//! *It is not* the guard: whether an access token is good is the edge's to find out, by the keys published here; a caller
//! named in a call is believed. Mails are the notifications service's to send.

mod api;
mod app;
mod config;
mod error;
mod events;
mod keys;
pub mod master_key;
mod model;
mod secret;
mod store;
mod wire;

use std::sync::Arc;

use vitrina_chassis::{Context, Message, Queue, QueueKind, Service};
use vitrina_proto::users::v1::users_server::UsersServer;

pub use crate::config::{Config, PasswordCost};
pub use crate::error::Error;

use crate::api::Api;
use crate::app::{App, departure};

/// Builds the service; it runs once it is handed to the chassis.
///
/// # Errors
/// [`Error::Hash`] for a password cost that argon2 does not take.
pub fn start(context: Context, config: Config) -> Result<Service, Error> {
    let app = Arc::new(App::new(&context, config)?);
    let sweeper = Arc::clone(&app);
    let queue = Queue {
        name: events::INBOX.to_owned(),
        topics: events::TOPICS.map(str::to_owned).to_vec(),
        kind: QueueKind::Durable,
        prefetch: events::PREFETCH,
    };
    let service = Service::new("users")
        .grpc(UsersServer::new(Api::new(app)))
        .inbox(queue, move |message: &Message| events::heard(&context.store, message, context.clock.now_ms()))
        .task("departures", move |_context, _stop| async move {
            if let Err(error) = departure::sweep_all(&sweeper).await {
                tracing::warn!(%error, "leftovers of deleted accounts stay until the next start");
            }
        });
    Ok(service)
}
