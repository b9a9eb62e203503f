//! Refunds and returns: money that goes back, once.

use super::order::{By, Kind, Order, PaymentStatus, State, Stock};
use super::{RefundId, Refusal, ReturnId};

/// Refunds of one order: they stand in its row.
const REFUNDS_MAX: usize = 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub(crate) enum RefundStatus {
    Unspecified = 0,
    /// To be made at the provider.
    Pending = 1,
    Done = 2,
    Failed = 3,
}

/// Money of one payment that goes back.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Refund {
    /// As text; the key under which the provider makes it once.
    #[prost(string, tag = "1")]
    pub(crate) id: String,
    /// The provider's payment; empty: a manual one.
    #[prost(string, tag = "2")]
    pub(crate) payment: String,
    #[prost(int64, tag = "3")]
    pub(crate) amount_minor: i64,
    #[prost(enumeration = "RefundStatus", tag = "4")]
    pub(crate) status: i32,
    #[prost(uint64, tag = "5")]
    pub(crate) created_at_ms: u64,
    /// Whether the units go back to the stock once it is done.
    #[prost(bool, tag = "6")]
    pub(crate) is_restocking: bool,
    /// Whether it gives back a second payment, which never was the order's.
    #[prost(bool, tag = "7")]
    pub(crate) is_of_duplicate: bool,
    /// Where the order was before; it goes back there when the provider refuses.
    #[prost(enumeration = "State", tag = "8")]
    pub(crate) from: i32,
    /// Whether the provider is asked for all of the payment instead of an amount.
    #[prost(bool, tag = "9")]
    pub(crate) is_whole: bool,
    /// Units that go back to the stock once it is done, beside those of `is_restocking`.
    #[prost(message, repeated, tag = "10")]
    pub(crate) units: Vec<Units>,
    /// Whether the products still have to be told of the units.
    #[prost(bool, tag = "11")]
    pub(crate) is_restock_due: bool,
}

/// Units of a line of the order.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(crate) struct Units {
    /// Place of the line in the order, from 0.
    #[prost(uint32, tag = "1")]
    pub(crate) line: u32,
    #[prost(uint32, tag = "2")]
    pub(crate) quantity: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub(crate) enum ReturnState {
    Unspecified = 0,
    Asked = 1,
    Accepted = 2,
    Refused = 3,
}

/// What the buyer wants to give back.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Return {
    /// As text.
    #[prost(string, tag = "1")]
    pub(crate) id: String,
    #[prost(enumeration = "ReturnState", tag = "2")]
    pub(crate) state: i32,
    #[prost(string, tag = "3")]
    pub(crate) reason: String,
    #[prost(uint64, tag = "4")]
    pub(crate) created_at_ms: u64,
}

/// Which units the seller wants to have back in the stock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Restock {
    /// All; only with all of the money.
    All,
    /// These, each line once; with any part of the money.
    Units(Vec<Units>),
    /// Nothing was said: what was never sent is still on the shelf, what was sent is not.
    Unsaid,
}

/// A refund that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ask {
    /// Absent: all that is left.
    pub(crate) amount_minor: Option<i64>,
    pub(crate) restock: Restock,
    pub(crate) by: By,
}

impl Refund {
    fn is_counted(&self) -> bool {
        self.status() != RefundStatus::Failed && !self.is_of_duplicate
    }
}

impl Order {
    /// What of the payment neither went back nor is about to.
    pub(crate) fn left_minor(&self) -> i64 {
        let back: i64 =
            self.refunds.iter().filter(|refund| refund.is_counted()).map(|refund| refund.amount_minor).sum();
        self.total_minor() - back
    }

    /// Gives money back.
    pub(crate) fn refund(&mut self, id: RefundId, ask: Ask, now_ms: u64) -> Result<(), Refusal> {
        let from = self.state();
        if !matches!(from, State::Paid | State::Shipped | State::Finished) || self.is_regaining {
            return Err(Refusal::State);
        }
        let left_minor = self.left_minor();
        let amount_minor = ask.amount_minor.unwrap_or(left_minor);
        if amount_minor > left_minor || left_minor == 0 {
            return Err(Refusal::RefundTooLarge { left_minor });
        }
        let is_rest = amount_minor == left_minor;
        if self.refunds.len() >= REFUNDS_MAX {
            return Err(Refusal::RefundsFull);
        }
        let mut refund = self.new_refund(id, amount_minor, now_ms);
        match ask.restock {
            Restock::All if !is_rest => return Err(Refusal::RestockPartial),
            Restock::All => refund.is_restocking = true,
            Restock::Units(units) => {
                self.check_units(&units)?;
                refund.units = units;
            }
            Restock::Unsaid => refund.is_restocking = is_rest && from == State::Paid,
        }
        self.begin_refund(refund, ask.by, now_ms);
        Ok(())
    }

    /// Refuses units that the order does not have, or that went back before.
    fn check_units(&self, wanted: &[Units]) -> Result<(), Refusal> {
        for units in wanted {
            let line = usize::try_from(units.line).ok().and_then(|line| self.lines.get(line));
            let left = line.map_or(0, |line| line.quantity).saturating_sub(self.units_back(units.line));
            if units.quantity > left {
                return Err(Refusal::RestockTooLarge { left });
            }
        }
        Ok(())
    }

    /// Units of a line that went back by refunds of a part, or are about to.
    fn units_back(&self, line: u32) -> u32 {
        let counted = self.refunds.iter().filter(|refund| refund.is_counted());
        counted
            .flat_map(|refund| &refund.units)
            .filter(|units| units.line == line)
            .map(|units| units.quantity)
            .sum()
    }

    /// The products were told of the units of a refund.
    pub(crate) fn restocked(&mut self, id: &str) {
        if let Some(refund) = self.refunds.iter_mut().find(|refund| refund.id == id) {
            refund.is_restock_due = false;
        }
    }

    /// Gives everything back by itself, as the units of a payment that came too late are gone.
    pub(crate) fn refund_late(&mut self, id: RefundId, now_ms: u64) {
        self.is_regaining = false;
        let refund = self.new_refund(id, self.left_minor(), now_ms);
        self.begin_refund(refund, By::System, now_ms);
    }

    /// Notes a refund that was made at the provider's own pages.
    pub(crate) fn refunded_elsewhere(&mut self, id: RefundId, amount_minor: i64, now_ms: u64) {
        self.is_regaining = false;
        let mut refund = self.new_refund(id, amount_minor, now_ms);
        refund.is_restocking = amount_minor == self.left_minor() && self.state() == State::Paid;
        self.begin_refund(refund, By::Provider, now_ms);
        self.refund_done(&id.to_string(), By::Provider, now_ms);
    }

    fn new_refund(&self, id: RefundId, amount_minor: i64, now_ms: u64) -> Refund {
        let mut refund = Refund {
            id: id.to_string(),
            payment: self.payment.provider_id.clone().unwrap_or_default(),
            amount_minor,
            created_at_ms: now_ms,
            from: self.state,
            is_whole: amount_minor == self.total_minor(),
            ..Refund::default()
        };
        refund.set_status(RefundStatus::Pending);
        refund
    }

    fn begin_refund(&mut self, refund: Refund, by: By, now_ms: u64) {
        let (id, is_rest) = (refund.id.clone(), refund.amount_minor == self.left_minor());
        self.refunds.push(refund);
        if is_rest {
            self.enter(State::Refunding, by, now_ms);
        } else {
            self.version += 1;
        }
        // Manual money went by hand from the seller to the buyer: saying so is all there is to do.
        if self.kind() == Kind::Manual {
            self.refund_done(&id, by, now_ms);
        }
    }

    /// Gives back a second payment of the same order.
    pub(crate) fn refund_duplicate(&mut self, id: RefundId, payment: &str, amount_minor: i64, now_ms: u64) {
        let mut refund = Refund {
            id: id.to_string(),
            payment: payment.to_owned(),
            amount_minor,
            created_at_ms: now_ms,
            is_of_duplicate: true,
            is_whole: true,
            ..Refund::default()
        };
        refund.set_status(RefundStatus::Pending);
        self.refunds.push(refund);
    }

    /// The money went back; `true` when this is news that the parties want to hear.
    pub(crate) fn refund_done(&mut self, id: &str, by: By, now_ms: u64) -> bool {
        let Some(refund) = self.pending_refund_mut(id) else { return false };
        refund.set_status(RefundStatus::Done);
        refund.is_restock_due = !refund.units.is_empty();
        let refund = refund.clone();
        self.version += 1;
        if refund.is_of_duplicate {
            return false;
        }
        if self.left_minor() == 0 && self.state() == State::Refunding {
            let is_all_back = !self.refunds.iter().any(|refund| refund.status() == RefundStatus::Pending);
            if is_all_back {
                self.payment.set_status(PaymentStatus::Refunded);
                self.enter(State::Refunded, by, now_ms);
            }
        }
        let is_restocking =
            self.state() == State::Refunded && self.refunds.iter().any(|refund| refund.is_restocking);
        if is_restocking && matches!(self.stock(), Stock::Sold | Stock::Committing | Stock::Held) {
            self.set_stock(Stock::Releasing);
        }
        true
    }

    /// The provider refuses for good: the order is where it was before.
    pub(crate) fn refund_failed(&mut self, id: &str, now_ms: u64) {
        let Some(refund) = self.pending_refund_mut(id) else { return };
        refund.set_status(RefundStatus::Failed);
        let from = refund.from();
        self.version += 1;
        let is_back = self.state() == State::Refunding
            && matches!(from, State::Paid | State::Shipped | State::Finished);
        if is_back {
            self.enter(from, By::System, now_ms);
        }
    }

    fn pending_refund_mut(&mut self, id: &str) -> Option<&mut Refund> {
        self.refunds.iter_mut().find(|refund| refund.id == id && refund.status() == RefundStatus::Pending)
    }

    /// The buyer asks to give it back.
    pub(crate) fn ask_return(&mut self, id: ReturnId, reason: String, now_ms: u64) -> Result<(), Refusal> {
        if !matches!(self.state(), State::Shipped | State::Finished) {
            return Err(Refusal::State);
        }
        if self.returned.is_some() {
            return Err(Refusal::ReturnExists);
        }
        let mut asked = Return { id: id.to_string(), reason, created_at_ms: now_ms, ..Return::default() };
        asked.set_state(ReturnState::Asked);
        self.returned = Some(asked);
        self.version += 1;
        Ok(())
    }

    /// The seller decides about a return: an accepted one gives the money and the units back.
    pub(crate) fn decide_return(
        &mut self,
        decision: ReturnState,
        refund: RefundId,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        let Some(returned) = &mut self.returned else { return Err(Refusal::State) };
        if returned.state() == decision {
            return Ok(());
        }
        if returned.state() != ReturnState::Asked {
            return Err(Refusal::ReturnDecided);
        }
        returned.set_state(decision);
        self.version += 1;
        // What a seller gave back before by hand needs no second refund.
        if decision == ReturnState::Accepted && self.left_minor() > 0 {
            let ask = Ask { amount_minor: None, restock: Restock::All, by: By::Seller };
            return self.refund(refund, ask, now_ms);
        }
        Ok(())
    }
}
