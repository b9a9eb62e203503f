//! Notifications: what happened, told to whom it concerns.
//!
//! *Duty*: the inbox of every user, mails by SendGrid and pushes by FCM, in the user's language and as his preferences say.
//! *Flow*: an event comes in; in the commit that marks it as handled stand the notification in the inbox and a row for each
//! delivery outside. A worker a channel sends what is due and notes what came of it; the mail provider says by its webhook
//! what became of the mail. How a user is reached is a projection of what users tells; it is looked up when a delivery is
//! sent, so a mail goes to the address of then, and waits for one that is not known yet.
//!
//! *Invariants*
//! - An event that was acknowledged is told: its deliveries were on disk before. It is told once, however often it comes.
//! - A delivery is claimed before it is sent and ends: it is sent, or its ladder of retries or its time is over. A crash between
//!   the provider's answer and the mark sends it twice, never not at all; the ids that go along let providers and devices
//!   collapse the second.
//! - The channels and devices of one notification know nothing of each other: none waits for another.
//! - The token of a mail lies here sealed, until the mail is sent or its time is over, and in no log.
//! - Security mails go whatever the preferences say.
//!
//! *It is not* the keeper of addresses and devices, which users is: what it knows of them it was told.

mod api;
mod app;
mod config;
mod error;
mod events;
mod keys;
mod model;
mod provider;
mod store;
mod text;
mod wire;

use std::sync::Arc;

use vitrina_chassis::{Context, Message, Queue, QueueKind, Service};
use vitrina_proto::notifications::v1::notifications_server::NotificationsServer;

pub use crate::config::{Config, Fcm, SendGrid};
pub use crate::error::Error;
pub use crate::provider::Misconfigured;
pub use crate::store::rows::BadRow;

/// Largest call: the mail provider's events, up to 1 MiB, and some room for their frame.
const REQUEST_BYTES_MAX: usize = 1_100_000;

/// Builds the service: its rpcs, what it listens to, a worker for each channel and the upkeep.
///
/// # Errors
/// [`Error::Config`] when a key of a provider is none; [`Error::Client`] when the HTTP client cannot be made.
pub fn start(ctx: Context, config: Config) -> Result<Service, Error> {
    let app = Arc::new(app::App::new(&ctx, config)?);
    let queue = Queue {
        name: events::INBOX.to_owned(),
        topics: events::TOPICS.map(str::to_owned).to_vec(),
        kind: QueueKind::Durable,
        prefetch: events::PREFETCH,
    };
    let server =
        NotificationsServer::new(api::Api(Arc::clone(&app))).max_decoding_message_size(REQUEST_BYTES_MAX);
    let (listener, mailer, pusher) = (Arc::clone(&app), Arc::clone(&app), Arc::clone(&app));
    let service = Service::new("notifications")
        .grpc(server)
        .inbox(queue, move |message: &Message| events::heard(&listener, message))
        .task("mails", |_, stop| async move { mailer.send_mails(stop).await })
        .task("pushes", |_, stop| async move { pusher.send_pushes(stop).await })
        .task("upkeep", |_, stop| async move { app.keep_up(stop).await });
    Ok(service)
}
