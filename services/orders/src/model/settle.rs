//! What a payment at the provider means for an order.
//!
//! Notifications come twice, late and in any order, and what they point at is looked up again each time. So an order only ever
//! moves forward: what says less than what is known changes nothing.

use super::RefundId;
use super::order::{By, Kind, Order, PaymentStatus, State, Stock};
use super::refund::RefundStatus;

/// A payment as the provider shows it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Seen {
    pub(crate) id: String,
    pub(crate) status: PaymentStatus,
    pub(crate) amount_minor: i64,
    pub(crate) currency: String,
    pub(crate) refunded_minor: i64,
    /// The order that it says it is for.
    pub(crate) reference: String,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settled {
    /// Nothing new.
    Unchanged,
    /// The order has changed.
    Changed,
    /// The money is not what was asked for: nothing is paid, and a person must look.
    Mismatched,
    /// The money was taken away again: a person must look.
    ChargedBack,
}

impl Order {
    /// Takes in a payment of this order. `refund` is the id of the refund that may become necessary.
    pub(crate) fn settle(&mut self, seen: &Seen, refund: RefundId, now_ms: u64) -> Settled {
        if self.kind() != Kind::Automatic {
            return Settled::Unchanged;
        }
        match seen.status {
            PaymentStatus::Approved => self.approve(seen, refund, now_ms),
            PaymentStatus::Refunded => self.refunded_outside(seen, refund, now_ms),
            PaymentStatus::ChargedBack => {
                if !self.is_mine(seen) || self.payment.status() == PaymentStatus::ChargedBack {
                    return Settled::Unchanged;
                }
                self.payment.set_status(PaymentStatus::ChargedBack);
                self.version += 1;
                Settled::ChargedBack
            }
            status => self.note(seen, status),
        }
    }

    fn is_mine(&self, seen: &Seen) -> bool {
        self.is_approved() && self.payment.provider_id.as_deref() == Some(&seen.id)
    }

    fn approve(&mut self, seen: &Seen, refund: RefundId, now_ms: u64) -> Settled {
        let is_given_back =
            self.refunds.iter().any(|known| known.is_of_duplicate && known.payment == seen.id);
        if self.is_mine(seen) || is_given_back {
            return Settled::Unchanged;
        }
        if self.is_approved() {
            self.refund_duplicate(refund, &seen.id, seen.amount_minor, now_ms);
            return Settled::Changed;
        }
        if seen.amount_minor != self.total_minor() || seen.currency != self.currency {
            if self.payment.status() != PaymentStatus::Mismatched {
                self.payment.set_status(PaymentStatus::Mismatched);
                self.version += 1;
            }
            return Settled::Mismatched;
        }
        let was = self.state();
        if !matches!(was, State::Reserved | State::AwaitingPayment | State::Expired | State::Cancelled) {
            return Settled::Unchanged;
        }
        self.payment.set_status(PaymentStatus::Approved);
        self.payment.provider_id = Some(seen.id.clone());
        self.payment.redirect_url = None;
        self.payment.is_due = false;
        match was {
            State::Expired => {
                self.is_regaining = true;
                self.version += 1;
            }
            State::Cancelled => self.refund_late(refund, now_ms),
            _ => {
                self.set_stock(Stock::Committing);
                self.enter(State::Paid, By::Provider, now_ms);
            }
        }
        Settled::Changed
    }

    /// A refund that was made at the provider's own pages.
    fn refunded_outside(&mut self, seen: &Seen, refund: RefundId, now_ms: u64) -> Settled {
        let known: i64 = self
            .refunds
            .iter()
            .filter(|known| known.payment == seen.id && known.status() != RefundStatus::Failed)
            .map(|known| known.amount_minor)
            .sum();
        let more = seen.refunded_minor - known;
        if !self.is_mine(seen) || more <= 0 || more > self.left_minor() {
            return Settled::Unchanged;
        }
        self.refunded_elsewhere(refund, more, now_ms);
        Settled::Changed
    }

    /// A payment that is not made yet, or came to nothing.
    fn note(&mut self, seen: &Seen, status: PaymentStatus) -> Settled {
        let is_known =
            self.payment.status() == status && self.payment.provider_id.as_deref() == Some(&seen.id);
        let is_over = self.is_approved() || self.payment.status() == PaymentStatus::Mismatched;
        if !self.is_open() || is_known || is_over || status == PaymentStatus::Unspecified {
            return Settled::Unchanged;
        }
        // Of one payment, "rejected" is the last word, and "pending" may be an older one.
        let is_same = self.payment.provider_id.as_deref() == Some(&seen.id);
        if is_same && status < self.payment.status() {
            return Settled::Unchanged;
        }
        // A new try is under way; what became of the one before is no news.
        if !is_same && self.payment.is_due {
            return Settled::Unchanged;
        }
        self.payment.set_status(status);
        self.payment.provider_id = Some(seen.id.clone());
        self.version += 1;
        Settled::Changed
    }
}
