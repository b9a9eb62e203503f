//! Model → proto.

use vitrina_proto::Timestamp;
use vitrina_proto::common::v1 as common;
use vitrina_proto::orders::v1 as pb;

use crate::app::Offered;
use crate::model::cart::Cart;
use crate::model::order::{By, Move, Order, OrderLine, PaymentStatus};
use crate::model::refund::{Refund, RefundStatus, Return, ReturnState, Units};
use crate::model::{CartId, LineId, OrderId};
use crate::store::rows::ReviewRow;

/// Currency of a cart without anything in it.
const CURRENCY_DEFAULT: &str = "ARS";

/// An amount.
pub(crate) fn money(minor: i64, currency: &str) -> common::Money {
    common::Money { minor, currency: currency.to_owned() }
}

/// A cart with what its lines cost now; `offered` goes with the lines, `None`: no longer sold.
pub(crate) fn cart(id: CartId, version: u64, cart: &Cart, offered: &[Option<Offered>]) -> pb::Cart {
    let lines: Vec<pb::CartLine> = cart
        .lines
        .iter()
        .zip(offered)
        .map(|(line, offered)| {
            let (unit_minor, currency, available) = match offered {
                Some(now) => (now.unit_minor, &now.currency, now.available),
                None => (line.seen_minor, &line.currency, 0),
            };
            let changed = match offered {
                None => Some("gone"),
                Some(now) if now.available < line.quantity => Some("stock"),
                Some(now) if now.unit_minor != line.seen_minor || now.currency != line.currency => {
                    Some("price")
                }
                Some(_) => None,
            };
            pb::CartLine {
                id: line_id(&line.id),
                publication_id: line.publication.clone(),
                variant_id: line.variant.clone(),
                quantity: line.quantity,
                title: offered.as_ref().map_or(&line.title, |now| &now.title).clone(),
                unit_price: Some(money(unit_minor, currency)),
                line_total: Some(money(unit_minor.saturating_mul(i64::from(line.quantity)), currency)),
                available,
                changed: changed.map(str::to_owned),
            }
        })
        .collect();
    let currency = cart.lines.first().map_or(CURRENCY_DEFAULT, |line| &line.currency);
    // What is gone cannot be bought and costs nothing.
    let counted = lines.iter().filter(|line| line.changed.as_deref() != Some("gone"));
    let minor = counted.filter_map(|line| line.line_total.as_ref()).map(|total| total.minor).sum();
    pb::Cart {
        id: id.to_string(),
        version: u32::try_from(version).unwrap_or(u32::MAX),
        token: None,
        lines,
        subtotal: Some(money(minor, currency)),
        coupon: None,
        total: Some(money(minor, currency)),
    }
}

/// An order as its parties see it.
pub(crate) fn order(id: OrderId, order: &Order) -> pb::Order {
    let amount = |minor| Some(money(minor, &order.currency));
    pb::Order {
        id: id.to_string(),
        version: order.version,
        buyer_id: order.buyer.clone(),
        seller_id: order.seller.clone(),
        // The model's numbers are the contract's.
        state: order.state,
        lines: order.lines.iter().map(|line| order_line(line, &order.currency)).collect(),
        subtotal: amount(order.subtotal_minor),
        discount: amount(order.discount_minor),
        total: amount(order.total_minor()),
        payment: Some(pb::Payment {
            kind: order.kind,
            status: payment_status(order.payment.status()).to_owned(),
            provider_id: order.payment.provider_id.clone(),
            redirect_url: order.payment.redirect_url.clone(),
            bank_accounts: Vec::new(),
        }),
        address: order.address.clone(),
        timeline: order.moves.iter().map(moved).collect(),
        created_at: Some(Timestamp::from_unix_ms(order.created_at_ms)),
        expires_at: order.expires_at_ms.filter(|_| order.is_open()).map(Timestamp::from_unix_ms),
    }
}

/// An entry of the timeline.
pub(crate) fn moved(entry: &Move) -> pb::OrderMove {
    let by = match entry.by() {
        By::Buyer => "buyer",
        By::Seller => "seller",
        By::Provider => "provider",
        By::System | By::Unspecified => "system",
    };
    pb::OrderMove { state: entry.state, at: Some(Timestamp::from_unix_ms(entry.at_ms)), by: by.to_owned() }
}

/// A refund of an order.
pub(crate) fn refund(refund: &Refund, order: &Order) -> pb::Refund {
    let status = match refund.status() {
        RefundStatus::Pending | RefundStatus::Unspecified => "pending",
        RefundStatus::Done => "done",
        RefundStatus::Failed => "failed",
    };
    pb::Refund {
        id: refund.id.clone(),
        amount: Some(money(refund.amount_minor, &order.currency)),
        status: status.to_owned(),
        created_at: Some(Timestamp::from_unix_ms(refund.created_at_ms)),
        lines: refund.units.iter().filter_map(|units| refund_line(units, order)).collect(),
    }
}

/// A return.
pub(crate) fn returned(order: OrderId, returned: &Return) -> pb::Return {
    let state = match returned.state() {
        ReturnState::Asked | ReturnState::Unspecified => "asked",
        ReturnState::Accepted => "accepted",
        ReturnState::Refused => "refused",
    };
    pb::Return {
        id: returned.id.clone(),
        order_id: order.to_string(),
        state: state.to_owned(),
        reason: returned.reason.clone(),
        created_at: Some(Timestamp::from_unix_ms(returned.created_at_ms)),
    }
}

/// A review.
pub(crate) fn review(order: OrderId, row: &ReviewRow) -> pb::Review {
    pb::Review {
        order_id: order.to_string(),
        rating: row.rating,
        text: row.text.clone(),
        created_at: Some(Timestamp::from_unix_ms(row.created_at_ms)),
    }
}

fn refund_line(units: &Units, order: &Order) -> Option<pb::RefundLine> {
    let line = order.lines.get(usize::try_from(units.line).ok()?)?;
    Some(pb::RefundLine {
        publication_id: line.publication.clone(),
        variant_id: line.variant.clone(),
        quantity: units.quantity,
    })
}

fn order_line(line: &OrderLine, currency: &str) -> pb::OrderLine {
    pb::OrderLine {
        publication_id: line.publication.clone(),
        title: line.title.clone(),
        quantity: line.quantity,
        unit_price: Some(money(line.unit_minor, currency)),
        line_total: Some(money(line.total_minor(), currency)),
        variant_id: line.variant.clone(),
        product_id: line.product.clone(),
    }
}

fn line_id(bytes: &[u8]) -> String {
    bytes.try_into().map(LineId::from_bytes).map_or_else(|_| String::new(), |id| id.to_string())
}

fn payment_status(status: PaymentStatus) -> &'static str {
    match status {
        PaymentStatus::Unspecified | PaymentStatus::Pending => "pending",
        PaymentStatus::InProcess => "in_process",
        PaymentStatus::Rejected => "rejected",
        PaymentStatus::Cancelled => "cancelled",
        PaymentStatus::Approved => "approved",
        PaymentStatus::Refunded => "refunded",
        PaymentStatus::ChargedBack => "charged_back",
        PaymentStatus::Mismatched => "amount_mismatch",
        PaymentStatus::Failed => "failed",
    }
}
