//! Of orders: what buyer and seller are told of a move.

use vitrina_proto::events::v1 as events;
use vitrina_proto::orders::v1 as orders;
use vitrina_storage::Commit;

use super::{malformed, user};
use crate::app::{App, News, To};
use crate::error::Error;
use crate::model::kind::{Facts, Kind, quote};

/// What a move is to each of the parties; `None`: it is no news to him.
struct Kinds {
    buyer: Option<Kind>,
    seller: Option<Kind>,
}

/// An order has moved.
pub(super) fn moved(app: &App, topic: &str, payload: events::OrderChanged) -> Result<Commit, Error> {
    let order = payload.order.ok_or_else(|| malformed("order"))?;
    let kinds = kinds(topic);
    let buyer = match (order.buyer_id.as_deref(), payload.guest_email.as_deref()) {
        (Some(buyer), _) => Some(To::User(user(buyer, "order.buyerId")?)),
        (None, guest_email) => guest_email.filter(|email| !email.is_empty()).map(To::Guest),
    };
    let seller = To::User(user(&order.seller_id, "order.sellerId")?);
    // Money may go back in parts, and a payment be rejected more than once: each is news.
    let about = match topic {
        "order.refunded" | "order.payment_rejected" => format!("{}/{}", order.id, order.version),
        _ => order.id.clone(),
    };
    let now_ms = app.clock.now_ms();
    let mut commit = Commit::new();
    for (kind, to, is_to_seller) in [(kinds.buyer, buyer, false), (kinds.seller, Some(seller), true)] {
        if let (Some(kind), Some(to)) = (kind, to) {
            let facts = Facts { is_to_seller, ..facts(&order) };
            // Parties of one kind differ in the recipient, so neither hides the other.
            app.tell(&mut commit, to, &News { kind, facts, about: &about, one_time: None }, now_ms)?;
        }
    }
    Ok(commit)
}

fn kinds(topic: &str) -> Kinds {
    let both = |kind| Kinds { buyer: Some(kind), seller: Some(kind) };
    let buyer = |kind| Kinds { buyer: Some(kind), seller: None };
    match topic {
        "order.placed" => Kinds { buyer: Some(Kind::OrderPlaced), seller: Some(Kind::OrderReceived) },
        "order.paid" => both(Kind::PaymentApproved),
        "order.payment_rejected" => buyer(Kind::PaymentRejected),
        "order.cancelled" => both(Kind::OrderCancelled),
        "order.expired" => both(Kind::OrderExpired),
        "order.shipped" => buyer(Kind::OrderShipped),
        "order.finished" => both(Kind::OrderFinished),
        "order.refunded" => both(Kind::OrderRefunded),
        _ => Kinds { buyer: None, seller: None },
    }
}

fn facts(order: &orders::Order) -> Facts {
    let total = order.total.clone().unwrap_or_default();
    Facts {
        order_id: order.id.clone(),
        title: quote(order.lines.first().map_or("", |line| &line.title)),
        others: u32::try_from(order.lines.len().saturating_sub(1)).unwrap_or(u32::MAX),
        amount_minor: total.minor,
        currency: total.currency,
        ..Facts::default()
    }
}
