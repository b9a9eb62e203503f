//! What is true: carts, coupons, orders and payments, and the rules between them.
//!
//! Pure: no clock, no randomness, no wire type. The types are also the stored ones: a prost message is plain data, and a second
//! set of types would say the same twice. A number of a field is never given to another field: old rows stay readable. Ids of
//! other services' things are kept as their text, since they are only ever handed on.

pub(crate) mod cart;
pub(crate) mod checkout;
pub(crate) mod coupon;
pub(crate) mod order;
pub(crate) mod refund;
pub(crate) mod settle;
pub(crate) mod step;

pub(crate) use vitrina_chassis::ids::UserId;

vitrina_chassis::id_type!(
    /// Which order.
    OrderId, "ord_"
);
vitrina_chassis::id_type!(
    /// Which cart.
    CartId, "car_"
);
vitrina_chassis::id_type!(
    /// Which line of a cart.
    LineId, "lin_"
);
vitrina_chassis::id_type!(
    /// Which checkout: the orders that came from one cart at once.
    CheckoutId, "chk_"
);
vitrina_chassis::id_type!(
    /// Which refund; also the key under which the provider makes it once.
    RefundId, "ref_"
);
vitrina_chassis::id_type!(
    /// Which return.
    ReturnId, "ret_"
);

/// Largest amount in minor units; the contract's bound, exact in a JSON number.
pub(crate) const MINOR_MAX: i64 = 1_000_000_000_000_000;

/// Why a rule says no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The state of the order forbids it.
    #[error("the state of the order forbids it")]
    State,
    /// The order waited too long for its payment.
    #[error("the time to pay is over")]
    TimeOver,
    /// It is the provider who says whether an automatic order is paid.
    #[error("the payment is automatic")]
    PaymentAutomatic,
    /// A manual order has nothing to be tried again.
    #[error("the payment is manual")]
    PaymentManual,
    /// More than what is left of the payment.
    #[error("only {left_minor} minor units are left to refund")]
    RefundTooLarge {
        /// What is left.
        left_minor: i64,
    },
    /// All units come back only with all of the money.
    #[error("a partial refund cannot restock everything")]
    RestockPartial,
    /// More units than what is left of the line.
    #[error("only {left} units of the line are left to restock")]
    RestockTooLarge {
        /// What is left.
        left: u32,
    },
    /// The coupon of an order that was paid too late is used up by now.
    #[error("the coupon is used up by now")]
    CouponSpent,
    /// There are as many refunds as an order may have.
    #[error("too many refunds")]
    RefundsFull,
    /// There is a return already.
    #[error("there is a return already")]
    ReturnExists,
    /// The return was decided before.
    #[error("the return was decided before")]
    ReturnDecided,
    /// The cart has as many lines as it may have.
    #[error("the cart is full")]
    CartFull,
    /// More units in a line than it may have.
    #[error("too many units in a line")]
    QuantityTooLarge,
    /// A checkout of the cart is under way.
    #[error("a checkout of the cart is under way")]
    CheckoutRuns,
    /// The coupon does not count here.
    #[error("the coupon does not count: {0}")]
    Coupon(&'static str),
}
