//! `/admin/dead-letters`: messages that a service gave up; looked at, sent again or forgotten.

use std::sync::Arc;

use axum::extract::{Json, Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use vitrina_broker::{Broker, DeadLetter, Error};

use super::{Shared, Topic, refusal};
use crate::config::SERVICES;

/// Letters of one queue that are shown unless told otherwise, and at most.
const LIMIT: usize = 20;
const LIMIT_MAX: usize = 1_000;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LetterView {
    id: String,
    /// Such as `products.inbox`.
    queue: String,
    topic: String,
    /// Of the entity.
    key: String,
    /// In the words of the last consumer.
    cause: String,
    attempts: u32,
    /// Of the event; its content is personal data and not shown.
    payload_bytes: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    limit: Option<usize>,
}

/// What is done to one letter.
#[derive(Clone, Copy)]
enum Act {
    Replay,
    Forget,
}

pub(super) fn routes() -> Topic {
    Topic::new()
        .route("/admin/dead-letters", get(list))
        .route("/admin/dead-letters/{id}/replay", post(replay))
        .route("/admin/dead-letters/{id}", delete(forget))
}

/// Of every queue at most `limit` (1 to 1,000) letters, the oldest first.
async fn list(State(core): Shared, Query(page): Query<Page>) -> Response {
    let Some(broker) = &core.broker else {
        return without_broker();
    };
    let limit = page.limit.unwrap_or(LIMIT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return refusal(400, "out_of_range", "limit must be 1 to 1000.");
    }
    if !broker.health().is_up {
        return refusal(503, "unavailable", "The broker is not there.");
    }
    let mut views = Vec::new();
    for queue in queues() {
        match broker.dead_letters(&queue, limit).await {
            Ok(letters) => views.extend(letters.into_iter().map(|letter| view(&queue, letter))),
            // A queue whose service never ran does not exist.
            Err(error) => tracing::debug!(queue, %error, "dead letters of a queue cannot be read"),
        }
    }
    Json(views).into_response()
}

async fn replay(state: Shared, Path(id): Path<String>) -> Response {
    act(state, &id, Act::Replay).await
}

async fn forget(state: Shared, Path(id): Path<String>) -> Response {
    act(state, &id, Act::Forget).await
}

/// Does it in the first queue that has the letter: ids are unique.
async fn act(State(core): Shared, id: &str, act: Act) -> Response {
    let Some(broker) = &core.broker else {
        return without_broker();
    };
    for queue in queues() {
        match settle(broker, &queue, id, act).await {
            Ok(()) => {
                let what = match act {
                    Act::Replay => "sent again",
                    Act::Forget => "forgotten",
                };
                tracing::warn!(queue, id, "a dead letter is {what}");
                return StatusCode::NO_CONTENT.into_response();
            }
            Err(Error::NoSuchDeadLetter { .. } | Error::Rabbit(_)) => {}
            Err(error) => {
                tracing::error!(queue, id, error = &error as &dyn std::error::Error, "a dead letter stays");
                return refusal(503, "unavailable", "The broker does not do it now; try again.");
            }
        }
    }
    refusal(404, "not_found", "There is no such dead letter.")
}

async fn settle(broker: &Arc<dyn Broker>, queue: &str, id: &str, act: Act) -> Result<(), Error> {
    match act {
        Act::Replay => broker.replay_dead_letter(queue, id).await,
        Act::Forget => broker.drop_dead_letter(queue, id).await,
    }
}

/// The inbox of every service, and the writes that wait for it.
fn queues() -> impl Iterator<Item = String> {
    SERVICES.into_iter().flat_map(|name| [format!("{name}.inbox"), format!("recovery.{name}")])
}

fn view(queue: &str, letter: DeadLetter) -> LetterView {
    LetterView {
        id: letter.message.id,
        queue: queue.to_owned(),
        topic: letter.message.topic,
        key: letter.message.key,
        cause: letter.cause,
        attempts: letter.attempts,
        payload_bytes: letter.message.payload.len(),
    }
}

fn without_broker() -> Response {
    refusal(501, "broker_not_configured", "This edge runs without a broker.")
}
