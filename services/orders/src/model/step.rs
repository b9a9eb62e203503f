//! What an order owes next. The saga of an order is this function and the row: whoever asks after a crash gets the answer that
//! the one before the crash would have got.

use super::RefundId;
use super::order::{By, Kind, Order, State, Stock};
use super::refund::RefundStatus;

/// The first wait after a step that did not succeed; it doubles with each.
const BACKOFF_MIN_MS: u64 = 500;
/// Longest wait: what is down for an hour is noticed within two minutes of its return.
const BACKOFF_MAX_MS: u64 = 120_000;

/// How long after its end an order that nobody paid is still looked after: a payment may have been made at the last moment and
/// its notification lost. After a day the provider has given up sending it too often to be worth more.
const WATCHED_MS: u64 = 24 * 60 * 60 * 1000;

/// The next step of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Give the units back.
    Release,
    /// Make the units a sale.
    Commit,
    /// Get the units again that were given back.
    Regain,
    /// Tell the products which units went back with this refund.
    Restock(String),
    /// Make this refund at the provider.
    Refund(String),
    /// End it, as nobody paid.
    Expire,
    /// Have the provider prepare the payment.
    Prepare,
    /// Ask the provider whether it was paid.
    LookUp,
    /// Nothing before that time.
    Wait(u64),
    /// Nothing, ever, unless somebody moves it.
    Rest,
}

impl Order {
    /// What comes next. A step stands before those that rely on it: units are given back before they are had again.
    pub(crate) fn step(&self, now_ms: u64) -> Step {
        match self.stock() {
            Stock::Releasing => return Step::Release,
            Stock::Committing => return Step::Commit,
            _ if self.is_regaining => return Step::Regain,
            Stock::None | Stock::Held | Stock::Sold | Stock::Released => {}
        }
        if let Some(refund) = self.refunds.iter().find(|refund| refund.is_restock_due) {
            return Step::Restock(refund.id.clone());
        }
        if let Some(refund) = self.refunds.iter().find(|refund| refund.status() == RefundStatus::Pending) {
            return Step::Refund(refund.id.clone());
        }
        let Some(expires_at_ms) = self.expires_at_ms else { return Step::Rest };
        if !self.is_open() {
            return self.watched(expires_at_ms, now_ms);
        }
        if expires_at_ms <= now_ms {
            return Step::Expire;
        }
        if self.payment.is_due {
            return Step::Prepare;
        }
        if self.kind() != Kind::Automatic || self.state() != State::AwaitingPayment {
            return Step::Wait(expires_at_ms);
        }
        if self.lookup_at_ms <= now_ms {
            return Step::LookUp;
        }
        Step::Wait(expires_at_ms.min(self.lookup_at_ms))
    }

    /// An order that ended unpaid, whose payment could still turn up.
    fn watched(&self, expires_at_ms: u64, now_ms: u64) -> Step {
        let has_ended = matches!(self.state(), State::Expired | State::Cancelled) && !self.is_approved();
        if !has_ended || self.lookup_at_ms == 0 || now_ms >= expires_at_ms + WATCHED_MS {
            return Step::Rest;
        }
        if self.lookup_at_ms <= now_ms { Step::LookUp } else { Step::Wait(self.lookup_at_ms) }
    }

    /// Sets when the provider is asked next: at intervals while the order waits, more and more rarely after its end. One that
    /// was never prepared cannot have been paid and is not asked for.
    pub(crate) fn next_lookup(&mut self, now_ms: u64, interval_ms: u64) {
        if self.lookup_at_ms > 0 {
            let over_ms = now_ms.saturating_sub(self.expires_at_ms.unwrap_or(now_ms));
            self.lookup_at_ms = now_ms + interval_ms.max(over_ms);
        }
    }

    /// Sets when the driver is to look: at once after a move is left to whoever made it, for `grace_ms`.
    pub(crate) fn schedule(&mut self, now_ms: u64, grace_ms: u64) {
        self.tries = 0;
        self.due_at_ms = match self.step(now_ms) {
            Step::Rest => None,
            Step::Wait(at_ms) => Some(at_ms),
            _ => Some(now_ms + grace_ms),
        };
    }

    /// Puts the step off that did not succeed, though not beyond the end of the time to pay.
    pub(crate) fn put_off(&mut self, now_ms: u64) {
        let mut due_at_ms = now_ms + backoff_ms(self.tries);
        if let Some(expires_at_ms) = self.expires_at_ms.filter(|at| self.is_open() && *at > now_ms) {
            due_at_ms = due_at_ms.min(expires_at_ms);
        }
        self.tries = self.tries.saturating_add(1);
        self.due_at_ms = Some(due_at_ms);
    }

    /// The units were made a sale.
    pub(crate) fn committed(&mut self) {
        if self.stock() == Stock::Committing {
            self.set_stock(Stock::Sold);
        }
    }

    /// The units could not be made a sale, since their lease was over.
    pub(crate) fn lease_lost(&mut self) {
        if self.stock() == Stock::Committing {
            self.set_stock(Stock::Released);
            self.is_regaining = true;
        }
    }

    /// The units were given back.
    pub(crate) fn released(&mut self) {
        if self.stock() == Stock::Releasing {
            self.set_stock(Stock::Released);
        }
    }

    /// The coupon of an order that was paid too late is used up by now: its units, had again a moment ago, and the money go back.
    pub(crate) fn coupon_lost(&mut self, refund: RefundId, now_ms: u64) {
        if self.is_regaining {
            self.set_stock(Stock::Releasing);
            self.refund_late(refund, now_ms);
        }
    }

    /// The units of an order that was paid too late were to be had again.
    pub(crate) fn regained(&mut self, now_ms: u64) {
        self.is_regaining = false;
        self.set_stock(Stock::Committing);
        if self.state() == State::Expired {
            self.enter(State::Paid, By::Provider, now_ms);
        }
    }
}

/// How long to wait after so many tries.
pub(crate) fn backoff_ms(tries: u32) -> u64 {
    (BACKOFF_MIN_MS << tries.min(16)).min(BACKOFF_MAX_MS)
}
