//! What the edge hears from the broker: sessions that ended at other edges, and what was changed through them.
//!
//! The queue is the edge's own and vanishes with it. Of sessions, what was missed meanwhile is covered by the life of an
//! access token (10 min) and, after a restart, by asking the users service about older tokens; of changes, by dropping all
//! that is kept whenever the queue is made anew.
//!
//! The tags of a change follow from the events that services tell each other anyway:
//!
//! | topic | tags |
//! |---|---|
//! | `product.*` | `product:ID`; of an import also `publication:ID` |
//! | `publication.*` | `publication:ID` |
//! | `question.*` | `publication:ID` |
//! | `seller.*`, `user.*`, `review.created` | `seller:ID` |
//! | `image.*` | `images:OWNER` |
//! | `cache.invalidated` | those in it: the search index has caught up |
//!
//! An answer made from a projection (lists and searches from the index of publications, a seller's score and avatar in
//! users) is as new as the projection; its service tells when that has changed, and the answer is dropped then.

use std::sync::Arc;

use prost::Message as _;
use uuid::Uuid;
use vitrina_broker::{Broker, Delivery, Message, Queue, QueueKind};
use vitrina_proto::events::v1::{
    ImagesChanged, ProductChanged, ProductPublished, PublicationChanged, QuestionChanged, ReviewCreated,
    SellerChanged, SessionEnded, TagsRaised, UserChanged,
};

use crate::core::Core;

/// Events under way at a time.
const PREFETCH: u16 = 64;

/// Between two attempts to consume.
const PAUSE: std::time::Duration = std::time::Duration::from_secs(1);

/// What the queue is bound to.
const TOPICS: [&str; 18] = [
    "session.ended",
    "product.changed",
    "product.stock_changed",
    "product.deleted",
    "product.published",
    "publication.changed",
    "publication.closed",
    "question.asked",
    "question.answered",
    "question.deleted",
    "seller.changed",
    "seller.scored",
    "user.changed",
    "user.deleted",
    "review.created",
    "image.ready",
    "image.deleted",
    "cache.invalidated",
];

/// Consumes until the broker is closed.
pub(crate) async fn listen(broker: Arc<dyn Broker>, core: Arc<Core>) {
    loop {
        let queue = Queue {
            name: format!("edge.{}", Uuid::new_v4().simple()),
            topics: TOPICS.map(str::to_owned).to_vec(),
            kind: QueueKind::Transient,
            prefetch: PREFETCH,
        };
        match broker.consume(queue).await {
            Ok(mut consumer) => {
                // What was changed while nobody listened is not known.
                core.cache.purge_all();
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
    let message = &delivery.message;
    if message.topic == "session.ended" {
        session_ended(core, message);
    } else {
        match changed(message) {
            Ok(tags) => core.invalidate(tags.iter().map(String::as_str)),
            // Whatever it says: something was changed.
            Err(_) => {
                tracing::warn!(message.id, topic = message.topic, "an event cannot be read");
                core.cache.purge_all();
            }
        }
    }
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

/// The tags of what an event tells.
fn changed(message: &Message) -> Result<Vec<String>, prost::DecodeError> {
    let payload = message.payload.clone();
    let (entity, _) = message.topic.split_once('.').unwrap_or((message.topic.as_str(), ""));
    Ok(match entity {
        "product" if message.topic == "product.published" => {
            let event = ProductPublished::decode(payload)?;
            let product = event.product.map(|product| format!("product:{}", product.id));
            product.into_iter().chain([format!("publication:{}", event.publication_id)]).collect()
        }
        "product" => {
            let product = ProductChanged::decode(payload)?.product;
            product.into_iter().map(|product| format!("product:{}", product.id)).collect()
        }
        "publication" => {
            let publication = PublicationChanged::decode(payload)?.publication;
            publication.into_iter().map(|publication| format!("publication:{}", publication.id)).collect()
        }
        "question" => {
            let question = QuestionChanged::decode(payload)?.question;
            question.into_iter().map(|question| format!("publication:{}", question.publication_id)).collect()
        }
        "seller" => vec![format!("seller:{}", SellerChanged::decode(payload)?.id)],
        "user" => vec![format!("seller:{}", UserChanged::decode(payload)?.id)],
        "review" => vec![format!("seller:{}", ReviewCreated::decode(payload)?.seller_id)],
        "image" => vec![format!("images:{}", ImagesChanged::decode(payload)?.owner_id)],
        _ => TagsRaised::decode(payload)?.tags,
    })
}
