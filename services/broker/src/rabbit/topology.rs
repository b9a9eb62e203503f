//! Exchanges and queues.
//!
//! | name | kind | holds |
//! |---|---|---|
//! | `vitrina.events` | topic exchange | – |
//! | `products.inbox` … | quorum queue | what is to be handled |
//! | `vitrina.retry.<ms>` | fanout exchange and quorum queue with that TTL | what is put off; it goes back by its routing key, the queue's name |
//! | `dead.<service>` | quorum queue | what was given up |
//!
//! A limit of RabbitMQ 3.10: the name of a new quorum queue reaches the disk half a second after its declaration. A
//! server that is killed within that time may bring the queue back without a leader; consumers and publishers are then
//! told that it does not answer, until an operator lets it elect one or deletes it.

use std::time::Duration;

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Channel, ExchangeKind, Result};

use crate::{Ladder, Queue, QueueKind};

/// The exchange of all events.
pub(super) const EXCHANGE: &str = "vitrina.events";
/// Deliveries without a settlement (the consumer died each time) before RabbitMQ itself gives a message up.
const DELIVERY_LIMIT: i32 = 20;

/// The queue of what a service gave up: `products.inbox` and `recovery.products` share `dead.products`.
pub(super) fn dead_queue(queue: &str) -> String {
    let service = queue.strip_prefix("recovery.").unwrap_or(queue);
    format!("dead.{}", service.split('.').next().unwrap_or(service))
}

/// The exchange of a step of the ladder.
pub(super) fn retry_exchange(delay: Duration) -> String {
    format!("vitrina.retry.{}", delay.as_millis())
}

pub(super) async fn declare_shared(channel: &Channel, ladder: &Ladder) -> Result<()> {
    let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    channel.exchange_declare(EXCHANGE.into(), ExchangeKind::Topic, durable, FieldTable::default()).await?;
    for delay in &ladder.0 {
        let name = retry_exchange(*delay);
        let ttl_ms = i64::try_from(delay.as_millis()).unwrap_or(i64::MAX);
        let mut arguments = quorum();
        arguments.insert("x-message-ttl".into(), AMQPValue::LongLongInt(ttl_ms));
        // No routing key of its own: the message keeps the one it came with, the name of its queue.
        dead_letter_to(&mut arguments, None);
        channel
            .exchange_declare(name.as_str().into(), ExchangeKind::Fanout, durable, FieldTable::default())
            .await?;
        channel.queue_declare(name.as_str().into(), QueueDeclareOptions::durable(), arguments).await?;
        bind(channel, &name, &name, "").await?;
    }
    Ok(())
}

/// Declares a queue with its bindings; gives its name, which the server chooses for a transient one.
pub(super) async fn declare_queue(channel: &Channel, queue: &Queue) -> Result<ShortString> {
    let name = match queue.kind {
        QueueKind::Durable => {
            let dead = dead_queue(&queue.name);
            channel.queue_declare(dead.as_str().into(), QueueDeclareOptions::durable(), quorum()).await?;
            let mut arguments = quorum();
            arguments.insert("x-delivery-limit".into(), AMQPValue::LongInt(DELIVERY_LIMIT));
            arguments.insert("x-single-active-consumer".into(), AMQPValue::Boolean(true));
            dead_letter_to(&mut arguments, Some(&dead));
            channel
                .queue_declare(queue.name.as_str().into(), QueueDeclareOptions::durable(), arguments)
                .await?;
            ShortString::from(queue.name.as_str())
        }
        QueueKind::Transient => {
            let options =
                QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
            let name = format!("{}.{}", queue.name, uuid::Uuid::now_v7());
            channel.queue_declare(name.as_str().into(), options, FieldTable::default()).await?;
            ShortString::from(name)
        }
    };
    for topic in &queue.topics {
        bind(channel, name.as_str(), EXCHANGE, topic).await?;
    }
    Ok(name)
}

async fn bind(channel: &Channel, queue: &str, exchange: &str, key: &str) -> Result<()> {
    channel
        .queue_bind(
            queue.into(),
            exchange.into(),
            key.into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        )
        .await
}

fn quorum() -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    arguments
}

/// Dead-lettering that loses nothing: at least once, which needs `reject-publish`.
fn dead_letter_to(arguments: &mut FieldTable, queue: Option<&str>) {
    arguments.insert("x-overflow".into(), AMQPValue::LongString("reject-publish".into()));
    arguments.insert("x-dead-letter-strategy".into(), AMQPValue::LongString("at-least-once".into()));
    arguments.insert("x-dead-letter-exchange".into(), AMQPValue::LongString("".into()));
    if let Some(queue) = queue {
        arguments.insert("x-dead-letter-routing-key".into(), AMQPValue::LongString(queue.into()));
    }
}
