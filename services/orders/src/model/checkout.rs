//! Checkouts: the saga that makes one order per seller, all or nothing.
//!
//! ```text
//! reserving ─▶ placed            every order holds its stock
//!     └─▶ failing ─▶ failed      one cannot: what the others hold is given back
//! ```

/// Where a checkout is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub(crate) enum Phase {
    Unspecified = 0,
    Reserving = 1,
    Placed = 2,
    /// To give back what is held.
    Failing = 3,
    Failed = 4,
}

/// Why a checkout failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum Failure {
    /// It did not.
    None = 0,
    /// Somebody else got the units.
    StockInsufficient = 1,
    /// A price changed between the quote and the reservation.
    PriceChanged = 2,
    /// The products could not be reached in time.
    TimeOver = 3,
    /// The products refuse the order for another reason.
    Refused = 4,
}

/// A checkout as it is kept.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Checkout {
    #[prost(enumeration = "Phase", tag = "1")]
    pub(crate) phase: i32,
    #[prost(enumeration = "Failure", tag = "2")]
    pub(crate) failure: i32,
    /// The orders, as text.
    #[prost(string, repeated, tag = "3")]
    pub(crate) orders: Vec<String>,
    /// The cart that it empties, as text; absent: bought at once.
    #[prost(string, optional, tag = "4")]
    pub(crate) cart: Option<String>,
    #[prost(uint64, tag = "5")]
    pub(crate) created_at_ms: u64,
    /// When the driver looks at it next; absent: it is over.
    #[prost(uint64, optional, tag = "6")]
    pub(crate) due_at_ms: Option<u64>,
    /// Times that the step at hand did not succeed.
    #[prost(uint32, tag = "7")]
    pub(crate) tries: u32,
}

impl Checkout {
    /// A checkout that begins.
    pub(crate) fn begin(orders: Vec<String>, cart: Option<String>, now_ms: u64, grace_ms: u64) -> Checkout {
        let due_at_ms = Some(now_ms + grace_ms);
        let mut checkout = Checkout { orders, cart, created_at_ms: now_ms, due_at_ms, ..Checkout::default() };
        checkout.set_phase(Phase::Reserving);
        checkout
    }

    /// Goes on to the next phase.
    pub(crate) fn enter(&mut self, phase: Phase, now_ms: u64) {
        self.set_phase(phase);
        self.tries = 0;
        self.due_at_ms = (phase == Phase::Failing).then_some(now_ms);
    }
}
