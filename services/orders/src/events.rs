//! What leaves afterwards.
//!
//! | topic | when | payload |
//! |---|---|---|
//! | `order.placed` | its stock is held | the order as it is then |
//! | `order.paid` `order.cancelled` `order.expired` `order.shipped` `order.finished` | it came into that state | the order |
//! | `order.payment_rejected` | its payment was rejected; the buyer may try another | the order |
//! | `order.refunded` | money went back, in part or in all | the order |
//! | `review.created` | a buyer reviewed | the review and the seller's score after it |

use vitrina_chassis::event;
use vitrina_proto::events::v1 as events;
use vitrina_proto::orders::v1 as pb;
use vitrina_storage::{Commit, OutboxMessage};

use crate::model::OrderId;
use crate::model::order::{By, Order, PaymentStatus, State};
use crate::model::refund::RefundStatus;
use crate::store::rows::ScoreRow;
use crate::wire;

/// Tells what is new of an order.
pub(crate) fn tell(commit: &mut Commit, id: OrderId, before: Option<&Order>, after: &Order) {
    let known = before.map_or(0, |order| order.moves.len());
    for entry in after.moves.iter().skip(known) {
        // A refund that failed brings an order back to where it was, which is no news of that state.
        let topic = match entry.state() {
            State::Reserved => "order.placed",
            State::Paid if entry.by() != By::System => "order.paid",
            State::Cancelled if after.is_placed() => "order.cancelled",
            State::Expired => "order.expired",
            State::Shipped if entry.by() == By::Seller => "order.shipped",
            State::Finished if entry.by() == By::Buyer => "order.finished",
            _ => continue,
        };
        commit.emit(about(topic, id, after));
    }
    let was_rejected = before.is_some_and(is_rejected);
    if is_rejected(after) && !was_rejected {
        commit.emit(about("order.payment_rejected", id, after));
    }
    if refunds_done(after) > before.map_or(0, refunds_done) {
        commit.emit(about("order.refunded", id, after));
    }
}

/// A buyer has reviewed.
pub(crate) fn reviewed(review: pb::Review, seller_id: &str, score: &ScoreRow) -> OutboxMessage {
    let payload = events::ReviewCreated {
        review: Some(review),
        seller_id: seller_id.to_owned(),
        mean: score.mean(),
        count: score.count,
    };
    event("review.created", seller_id, &payload)
}

fn about(topic: &str, id: OrderId, order: &Order) -> OutboxMessage {
    let payload =
        events::OrderChanged { order: Some(wire::order(id, order)), guest_email: order.guest_email.clone() };
    event(topic, &id.to_string(), &payload)
}

fn is_rejected(order: &Order) -> bool {
    order.payment.status() == PaymentStatus::Rejected
}

fn refunds_done(order: &Order) -> usize {
    let done = order.refunds.iter().filter(|refund| refund.status() == RefundStatus::Done);
    done.filter(|refund| !refund.is_of_duplicate).count()
}
