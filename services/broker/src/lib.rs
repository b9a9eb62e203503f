//! The message broker: what happened in one service reaches the others.
//!
//! Flow: a publisher hands a [`Message`] over and goes on once it is durable; each [`Queue`] whose topics match gets
//! its copy; a consumer settles each [`Delivery`] after its effect is committed. There are two implementations with
//! the same semantics, held to one suite of tests: [`embedded()`] for one process and [`rabbitmq`].
//!
//! Invariants: publishing succeeds only after the message is durable; delivery is at least once; the order of a key
//! holds as long as no message of it is put off (consumers compare the version of the entity). A queue exists from
//! its first [`Broker::consume`] on, and keeps what is published while its consumer is away. An event that nobody is
//! bound to is dropped, as nobody has asked for it; a command (topic `recovery.…`) without a queue is an error.
//!
//! Not here: exactly-once effects (the inbox of a service), and sending again what was not confirmed (its outbox).

mod api;
mod embedded;
mod error;
mod many;
mod rabbit;
pub mod testing;
mod topic;

use std::path::Path;
use std::sync::Arc;

use vitrina_storage::Store;

pub use crate::api::{
    Broker, Consumer, DeadLetter, Delivery, Health, Ladder, Message, Published, Queue, QueueKind,
    RECOVERY_TOPIC_PREFIX,
};
pub use crate::embedded::{embedded, embedded_with};
pub use crate::error::Error;
pub use crate::rabbit::{RabbitOptions, rabbitmq};

/// Opens the broker that a setting names: RabbitMQ for `amqp://…`; for `embedded`, and when nothing is named, the embedded one
/// with its store in `folder`.
///
/// # Errors
/// When the store of the embedded broker can't be opened. RabbitMQ is connected to in the background.
pub async fn open(url: Option<&str>, folder: &Path) -> Result<Arc<dyn Broker>, vitrina_storage::Error> {
    match url {
        None | Some("embedded") => Ok(embedded(Store::open(folder, vitrina_storage::Options::default())?)),
        Some(url) => Ok(rabbitmq(url, RabbitOptions::default()).await),
    }
}
