//! Orders: their states, who may move them, and what they hold.
//!
//! ```text
//! created ─▶ reserved ─▶ awaiting_payment ─▶ paid ─▶ shipped ─▶ finished
//!    │           │              │              └────────┴──────────┴──▶ refunding ─▶ refunded
//!    └───────────┴──────────────┴──▶ cancelled | expired ──(paid too late)──▶ paid | refunding
//! ```
//! Whatever an order still owes to others (stock to give back, a refund to make) stands in its own row, so that it cannot be
//! forgotten by a crash; `step` says what comes next.

use super::refund::{Refund, Return};
use super::{CartId, Refusal, UserId};

/// Numbers as in the contract's `OrderState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub(crate) enum State {
    Unspecified = 0,
    Created = 1,
    Reserved = 2,
    AwaitingPayment = 3,
    Paid = 4,
    Shipped = 5,
    Finished = 6,
    Cancelled = 7,
    Expired = 8,
    Refunding = 9,
    Refunded = 10,
}

/// Who moved an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub(crate) enum By {
    Unspecified = 0,
    Buyer = 1,
    Seller = 2,
    Provider = 3,
    System = 4,
}

/// How it is paid; numbers as in the contract's `PaymentMethod`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub(crate) enum Kind {
    Unspecified = 0,
    Automatic = 1,
    Manual = 2,
}

/// What the products service holds for the order, and what it still has to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub(crate) enum Stock {
    None = 0,
    Held = 1,
    /// To be made a sale.
    Committing = 2,
    Sold = 3,
    /// To be given back.
    Releasing = 4,
    Released = 5,
}

/// What the provider said last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub(crate) enum PaymentStatus {
    Unspecified = 0,
    Pending = 1,
    InProcess = 2,
    Rejected = 3,
    Cancelled = 4,
    Approved = 5,
    Refunded = 6,
    ChargedBack = 7,
    /// Approved with another amount or currency than the order's: not paid, a person must look.
    Mismatched = 8,
    /// The provider takes no payment for it.
    Failed = 9,
}

/// An order as it is kept.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Order {
    /// Grows with each change that its parties can see; the row's version grows with its upkeep too.
    #[prost(uint32, tag = "1")]
    pub(crate) version: u32,
    #[prost(string, tag = "2")]
    pub(crate) checkout: String,
    /// The user, as text; absent: a guest.
    #[prost(string, optional, tag = "3")]
    pub(crate) buyer: Option<String>,
    #[prost(string, optional, tag = "4")]
    pub(crate) guest_email: Option<String>,
    #[prost(string, tag = "5")]
    pub(crate) seller: String,
    #[prost(enumeration = "State", tag = "6")]
    pub(crate) state: i32,
    #[prost(message, repeated, tag = "7")]
    pub(crate) lines: Vec<OrderLine>,
    #[prost(string, tag = "8")]
    pub(crate) currency: String,
    #[prost(int64, tag = "9")]
    pub(crate) subtotal_minor: i64,
    #[prost(int64, tag = "10")]
    pub(crate) discount_minor: i64,
    #[prost(enumeration = "Kind", tag = "11")]
    pub(crate) kind: i32,
    #[prost(message, required, tag = "12")]
    pub(crate) payment: Payment,
    #[prost(string, optional, tag = "13")]
    pub(crate) address: Option<String>,
    #[prost(message, repeated, tag = "14")]
    pub(crate) moves: Vec<Move>,
    #[prost(uint64, tag = "15")]
    pub(crate) created_at_ms: u64,
    /// Until when it has to be paid; absent: not placed yet.
    #[prost(uint64, optional, tag = "16")]
    pub(crate) expires_at_ms: Option<u64>,
    #[prost(enumeration = "Stock", tag = "17")]
    pub(crate) stock: i32,
    #[prost(message, repeated, tag = "18")]
    pub(crate) refunds: Vec<Refund>,
    #[prost(message, optional, tag = "19")]
    pub(crate) returned: Option<Return>,
    #[prost(string, optional, tag = "20")]
    pub(crate) coupon: Option<String>,
    /// Whom the coupon's use is counted for.
    #[prost(string, tag = "21")]
    pub(crate) coupon_buyer: String,
    /// When the driver looks at it next; absent: it owes nothing.
    #[prost(uint64, optional, tag = "22")]
    pub(crate) due_at_ms: Option<u64>,
    /// Times that the step at hand did not succeed.
    #[prost(uint32, tag = "23")]
    pub(crate) tries: u32,
    /// When the provider is asked by itself.
    #[prost(uint64, tag = "24")]
    pub(crate) lookup_at_ms: u64,
    /// Paid after its stock was given back: the stock is to be had again, or the money goes back.
    #[prost(bool, tag = "25")]
    pub(crate) is_regaining: bool,
    /// The guest's cart that it was made from, as text: who has its token is the buyer. Absent: a user's.
    #[prost(string, optional, tag = "26")]
    pub(crate) guest_cart: Option<String>,
}

/// Units of one thing, at the price and with the title of the purchase.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct OrderLine {
    #[prost(string, tag = "1")]
    pub(crate) publication: String,
    #[prost(string, tag = "2")]
    pub(crate) product: String,
    #[prost(string, optional, tag = "3")]
    pub(crate) variant: Option<String>,
    #[prost(string, tag = "4")]
    pub(crate) title: String,
    #[prost(uint32, tag = "5")]
    pub(crate) quantity: u32,
    #[prost(int64, tag = "6")]
    pub(crate) unit_minor: i64,
}

/// The payment of an automatic order; of a manual one only its status.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Payment {
    #[prost(enumeration = "PaymentStatus", tag = "1")]
    pub(crate) status: i32,
    /// The key under which the provider prepares it once; on disk before the provider is called.
    #[prost(string, tag = "2")]
    pub(crate) key: String,
    /// Whether the provider still has to be asked to prepare it.
    #[prost(bool, tag = "3")]
    pub(crate) is_due: bool,
    #[prost(string, optional, tag = "4")]
    pub(crate) provider_id: Option<String>,
    #[prost(string, optional, tag = "5")]
    pub(crate) redirect_url: Option<String>,
    /// How many times the buyer began anew.
    #[prost(uint32, tag = "6")]
    pub(crate) attempt: u32,
}

/// An entry of the timeline.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Move {
    #[prost(enumeration = "State", tag = "1")]
    pub(crate) state: i32,
    #[prost(uint64, tag = "2")]
    pub(crate) at_ms: u64,
    #[prost(enumeration = "By", tag = "3")]
    pub(crate) by: i32,
}

impl OrderLine {
    /// What the line costs. Prices are at most 10^15 and units 100, so it fits.
    pub(crate) fn total_minor(&self) -> i64 {
        self.unit_minor.saturating_mul(i64::from(self.quantity))
    }
}

impl Order {
    /// What is to be paid.
    pub(crate) fn total_minor(&self) -> i64 {
        self.subtotal_minor - self.discount_minor
    }

    /// Whether this user bought it.
    pub(crate) fn is_bought_by(&self, user: UserId) -> bool {
        self.buyer.as_deref() == Some(user.to_string().as_str())
    }

    /// Whether it was bought by the guest of this cart.
    pub(crate) fn is_bought_with(&self, cart: CartId) -> bool {
        self.guest_cart.as_deref() == Some(cart.to_string().as_str())
    }

    /// Whether this user sells it.
    pub(crate) fn is_sold_by(&self, user: UserId) -> bool {
        self.seller == user.to_string()
    }

    /// Whether it was ever placed: before, nobody but the saga knows of it.
    pub(crate) fn is_placed(&self) -> bool {
        self.has_been(State::Reserved)
    }

    /// Whether it waits for its payment.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.state(), State::Reserved | State::AwaitingPayment)
    }

    /// When it was paid; `None`: it was not.
    pub(crate) fn paid_at_ms(&self) -> Option<u64> {
        self.moves.iter().find(|entry| entry.state() == State::Paid).map(|entry| entry.at_ms)
    }

    /// Whether its money is or was with the seller.
    pub(crate) fn is_approved(&self) -> bool {
        matches!(
            self.payment.status(),
            PaymentStatus::Approved | PaymentStatus::Refunded | PaymentStatus::ChargedBack
        )
    }

    fn has_been(&self, state: State) -> bool {
        self.moves.iter().any(|entry| entry.state() == state)
    }

    /// Notes a move in the timeline.
    pub(crate) fn enter(&mut self, state: State, by: By, now_ms: u64) {
        self.set_state(state);
        self.version += 1;
        self.moves.push(Move { state: state.into(), at_ms: now_ms, by: by.into() });
    }

    /// Its stock is held: a manual order waits for the seller from here on, an automatic one for the provider first, whose key
    /// this is.
    pub(crate) fn place(&mut self, payment_key: String, wait_ms: u64, now_ms: u64) {
        self.set_stock(Stock::Held);
        self.expires_at_ms = Some(now_ms + wait_ms);
        self.payment.set_status(PaymentStatus::Pending);
        self.enter(State::Reserved, By::System, now_ms);
        if self.kind() == Kind::Automatic {
            self.payment.key = payment_key;
            self.payment.is_due = true;
        } else {
            self.enter(State::AwaitingPayment, By::System, now_ms);
        }
    }

    /// The checkout that it belongs to failed before it was placed.
    pub(crate) fn drop_unplaced(&mut self, now_ms: u64) {
        if self.state() == State::Created {
            self.enter(State::Cancelled, By::System, now_ms);
        }
    }

    /// The provider has prepared the payment. Whoever cancelled meanwhile is not brought back.
    pub(crate) fn prepared(&mut self, redirect_url: String, lookup_at_ms: u64, now_ms: u64) {
        self.payment.is_due = false;
        if !self.is_open() {
            return;
        }
        self.payment.redirect_url = Some(redirect_url);
        self.lookup_at_ms = lookup_at_ms;
        if self.state() == State::Reserved {
            self.enter(State::AwaitingPayment, By::System, now_ms);
        } else {
            self.version += 1;
        }
    }

    /// The provider takes no payment for it.
    pub(crate) fn not_prepared(&mut self) {
        self.payment.is_due = false;
        self.payment.set_status(PaymentStatus::Failed);
        self.version += 1;
    }

    /// The buyer no longer wants it.
    pub(crate) fn cancel(&mut self, now_ms: u64) -> Result<(), Refusal> {
        if !self.is_open() {
            return Err(Refusal::State);
        }
        self.end_unpaid(State::Cancelled, By::Buyer, now_ms);
        Ok(())
    }

    /// Nobody paid in time; `false` when that is not so.
    pub(crate) fn expire(&mut self, now_ms: u64) -> bool {
        let is_over = self.is_open() && self.expires_at_ms.is_some_and(|at| at <= now_ms);
        if is_over {
            self.end_unpaid(State::Expired, By::System, now_ms);
        }
        is_over
    }

    fn end_unpaid(&mut self, state: State, by: By, now_ms: u64) {
        self.set_stock(Stock::Releasing);
        self.payment.is_due = false;
        self.payment.redirect_url = None;
        self.enter(state, by, now_ms);
    }

    /// The seller has the money of a manual order.
    pub(crate) fn confirm_payment(&mut self, now_ms: u64) -> Result<(), Refusal> {
        if self.kind() == Kind::Automatic {
            return Err(Refusal::PaymentAutomatic);
        }
        if self.state() != State::AwaitingPayment {
            return Err(Refusal::State);
        }
        if self.expires_at_ms.is_some_and(|at| at <= now_ms) {
            return Err(Refusal::TimeOver);
        }
        self.payment.set_status(PaymentStatus::Approved);
        self.set_stock(Stock::Committing);
        self.enter(State::Paid, By::Seller, now_ms);
        Ok(())
    }

    /// The seller has sent it.
    pub(crate) fn ship(&mut self, now_ms: u64) -> Result<(), Refusal> {
        // Its stock may have to be had again first, and that may end in a refund.
        if self.state() != State::Paid || self.is_regaining {
            return Err(Refusal::State);
        }
        self.enter(State::Shipped, By::Seller, now_ms);
        Ok(())
    }

    /// The buyer has it.
    pub(crate) fn finish(&mut self, now_ms: u64) -> Result<(), Refusal> {
        if self.state() != State::Shipped {
            return Err(Refusal::State);
        }
        self.enter(State::Finished, By::Buyer, now_ms);
        Ok(())
    }

    /// The buyer begins the payment anew, under a new key.
    pub(crate) fn retry_payment(&mut self, key: String, now_ms: u64) -> Result<(), Refusal> {
        if self.kind() != Kind::Automatic {
            return Err(Refusal::PaymentManual);
        }
        if !self.is_open() {
            return Err(Refusal::State);
        }
        if self.expires_at_ms.is_some_and(|at| at <= now_ms) {
            return Err(Refusal::TimeOver);
        }
        let is_lost = matches!(
            self.payment.status(),
            PaymentStatus::Rejected | PaymentStatus::Cancelled | PaymentStatus::Failed
        );
        // What the provider is still to be asked for, or waits for the buyer, is good as it is.
        if is_lost {
            let attempt = self.payment.attempt + 1;
            self.payment = Payment { key, is_due: true, attempt, ..Payment::default() };
            self.payment.set_status(PaymentStatus::Pending);
            self.version += 1;
        }
        Ok(())
    }
}
