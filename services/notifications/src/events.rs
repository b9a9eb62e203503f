//! What it listens to, and what leaves afterwards.
//!
//! | topic | who is told |
//! |---|---|
//! | `user.registered` `user.verify_requested` `user.password_reset_requested` | the user |
//! | `order.placed` `order.paid` `order.cancelled` `order.expired` `order.finished` `order.refunded` | buyer and seller |
//! | `order.shipped` `order.payment_rejected` | the buyer, who may be a guest |
//! | `question.asked`, `question.answered` | the seller, the asker |
//! | `review.created` | the seller |
//! | `product.changed` `product.stock_changed` | those who watch its publication, of a lower price or new stock |
//! | `operation.failed` | who asked for it |
//!
//! `user.contact_changed`, `user.deleted`, `wishlist.added` and `wishlist.removed` only make known how users are reached and what
//! they watch. Events may come twice and in any order: what was told is not told again, what is older than what is known is
//! dropped.
//!
//! `device.unregistered` leaves when the push provider does not know a device any more.

mod account;
mod order;
mod watch;

use vitrina_chassis::{Fault, Message, decode, event};
use vitrina_proto::events::v1 as events;
use vitrina_storage::{Commit, OutboxMessage};

use crate::app::{App, News, To};
use crate::error::Error;
use crate::model::UserId;
use crate::model::kind::{Facts, Kind, quote};

/// The queue of this service at the broker.
pub(crate) const INBOX: &str = "notifications.inbox";
/// What the queue is bound to.
pub(crate) const TOPICS: [&str; 21] = [
    "user.registered",
    "user.verify_requested",
    "user.password_reset_requested",
    "user.contact_changed",
    "user.deleted",
    "wishlist.added",
    "wishlist.removed",
    "product.changed",
    "product.stock_changed",
    "question.asked",
    "question.answered",
    "order.placed",
    "order.paid",
    "order.payment_rejected",
    "order.cancelled",
    "order.expired",
    "order.shipped",
    "order.finished",
    "order.refunded",
    "review.created",
    "operation.failed",
];
/// Messages that may be in work at once: enough to fill a group commit, few enough to start again with after a crash.
pub(crate) const PREFETCH: u16 = 64;

/// A device is not known to its provider any more.
pub(crate) fn device_unregistered(user: UserId, token: &str) -> OutboxMessage {
    let payload = events::DeviceUnregistered { user_id: user.to_string(), token: token.to_owned() };
    event("device.unregistered", &payload.user_id, &payload)
}

/// Takes in what happened elsewhere; `None` when there is nothing to do.
pub(crate) fn heard(app: &App, message: &Message) -> Result<Option<Commit>, Error> {
    let topic = message.topic.as_str();
    let commit = match topic {
        "user.registered" => account::registered(app, decode(message)?)?,
        "user.verify_requested" => account::token(app, Kind::VerifyEmail, message)?,
        "user.password_reset_requested" => account::token(app, Kind::PasswordReset, message)?,
        "user.contact_changed" => account::contact(app, decode(message)?)?,
        "user.deleted" => account::deleted(app, decode(message)?)?,
        "wishlist.added" | "wishlist.removed" => watch::wished(app, message)?,
        "product.changed" | "product.stock_changed" => watch::product(app, message)?,
        "question.asked" | "question.answered" => question(app, topic, decode(message)?)?,
        "review.created" => review(app, decode(message)?)?,
        "operation.failed" => operation(app, decode(message)?)?,
        _ => order::moved(app, topic, decode(message)?)?,
    };
    Ok(Some(commit).filter(|commit| !commit.is_empty()))
}

fn question(app: &App, topic: &str, payload: events::QuestionChanged) -> Result<Commit, Error> {
    let question = payload.question.ok_or_else(|| malformed("question"))?;
    let asked_by = question.asked_by.unwrap_or_default();
    let mut facts =
        Facts { publication_id: question.publication_id, author: asked_by.username, ..Facts::default() };
    let (kind, to, text) = if topic == "question.asked" {
        (Kind::QuestionAsked, user(&payload.seller_id, "sellerId")?, question.text)
    } else {
        let answer = question.answer.ok_or_else(|| malformed("question.answer"))?;
        (Kind::QuestionAnswered, user(&asked_by.id, "question.askedBy.id")?, answer.text)
    };
    facts.text = quote(&text);
    told(app, To::User(to), News { kind, facts, about: &question.id, one_time: None })
}

fn review(app: &App, payload: events::ReviewCreated) -> Result<Commit, Error> {
    let review = payload.review.ok_or_else(|| malformed("review"))?;
    let facts = Facts {
        order_id: review.order_id.clone(),
        rating: review.rating,
        text: quote(review.text()),
        is_to_seller: true,
        ..Facts::default()
    };
    let seller = user(&payload.seller_id, "sellerId")?;
    told(
        app,
        To::User(seller),
        News { kind: Kind::ReviewReceived, facts, about: &review.order_id, one_time: None },
    )
}

fn operation(app: &App, payload: events::OperationFailed) -> Result<Commit, Error> {
    let facts = Facts { operation_id: payload.id.clone(), ..Facts::default() };
    let caller = user(&payload.user_id, "userId")?;
    told(
        app,
        To::User(caller),
        News { kind: Kind::OperationFailed, facts, about: &payload.id, one_time: None },
    )
}

/// The commit of telling one.
fn told(app: &App, to: To<'_>, news: News<'_>) -> Result<Commit, Error> {
    let mut commit = Commit::new();
    app.tell(&mut commit, to, &news, app.clock.now_ms())?;
    Ok(commit)
}

fn user(text: &str, field: &'static str) -> Result<UserId, Fault> {
    text.parse().map_err(|_| malformed(field))
}

fn malformed(field: &str) -> Fault {
    Fault::invalid_field(field, "malformed", "cannot be read")
}
