//! What the edge hears from the broker: sessions that ended at other edges.
//!
//! The queue is the edge's own and vanishes with it; what was missed meanwhile is covered by the life of an access
//! token (10 min) and, after a restart, by asking the users service about older tokens.

use std::sync::Arc;

use prost::Message as _;
use uuid::Uuid;
use vitrina_broker::{Broker, Delivery, Message, Queue, QueueKind};
use vitrina_proto::events::v1::SessionEnded;

use crate::core::Core;

/// Events under way at a time.
const PREFETCH: u16 = 64;

/// Between two attempts to consume.
const PAUSE: std::time::Duration = std::time::Duration::from_secs(1);

/// Consumes until the broker is closed.
pub(crate) async fn listen(broker: Arc<dyn Broker>, core: Arc<Core>) {
    loop {
        let queue = Queue {
            name: format!("edge.{}", Uuid::new_v4().simple()),
            topics: vec!["session.ended".to_owned()],
            kind: QueueKind::Transient,
            prefetch: PREFETCH,
        };
        match broker.consume(queue).await {
            Ok(mut consumer) => {
                while let Some(delivery) = consumer.next().await {
                    handle(&core, delivery).await;
                }
            }
            Err(error) => tracing::warn!(%error, "the edge hears no events"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn handle(core: &Core, delivery: Delivery) {
    session_ended(core, &delivery.message);
    if let Err(error) = delivery.ack().await {
        // It comes again; ending a session twice changes nothing.
        tracing::debug!(%error, "an event could not be acknowledged");
    }
}

/// An event that is none is dropped: another edge could not read it either.
fn session_ended(core: &Core, message: &Message) {
    let Ok(event) = SessionEnded::decode(message.payload.clone()) else {
        tracing::warn!(message.id, "an event `session.ended` cannot be read");
        return;
    };
    if event.session_id.is_empty() {
        let ended_at_ms = event.ended_at.map(|at| at.unix_ms()).unwrap_or_default();
        core.guard.end_user(&event.user_id, ended_at_ms / 1_000);
    } else {
        core.guard.end_session(&event.session_id);
    }
}
