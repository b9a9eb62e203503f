//! How it can fail.

use vitrina_chassis::work::Refused;
use vitrina_chassis::{BadRow, Fault, IntoFault};

use crate::model::Refusal;
use crate::model::checkout::Failure;

/// Why a request was not answered with success.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store failed, or another was faster.
    #[error("the store failed")]
    Store(#[from] vitrina_storage::Error),
    /// The unit of work was not done.
    #[error("the unit of work was not done")]
    Work(#[from] Refused),
    /// The request is wrong, or its caller may not.
    #[error("the request is refused")]
    Request(#[from] Fault),
    /// A rule of the model says no.
    #[error("a rule refuses it")]
    Rule(#[from] Refusal),
    /// A stored row that cannot be read.
    #[error("a stored row cannot be read")]
    Row(#[from] BadRow),
    /// Another service did not answer, or not what it was asked for.
    #[error("{service} did not answer: {fault}")]
    Peer {
        /// Which.
        service: &'static str,
        /// What it said.
        fault: Fault,
    },
    /// The client of the payment provider cannot be made.
    #[error("the client of the payment provider cannot be made")]
    Client(#[source] reqwest::Error),
    /// There is no such thing, or it is another's.
    #[error("no such {0}")]
    Unknown(&'static str),
    /// What is to be bought is no longer sold.
    #[error("it is no longer sold")]
    Gone,
    /// Fewer units than wanted.
    #[error("only {available} units are left")]
    StockInsufficient {
        /// How many there are.
        available: u32,
    },
    /// The seller does not take this way to pay, or nobody does at the moment.
    #[error("the payment method is not available")]
    PaymentUnavailable,
    /// The cart has nothing in it.
    #[error("the cart is empty")]
    CartEmpty,
    /// The things have prices in different currencies.
    #[error("the currencies differ")]
    CurrencyMixed,
    /// Nobody buys from himself.
    #[error("the buyer is the seller")]
    OwnPublication,
    /// The seller sells nothing at the moment.
    #[error("the seller is paused")]
    SellerPaused,
    /// There is a coupon of this code with other terms.
    #[error("the code of the coupon is taken")]
    CouponTaken,
    /// The order was reviewed before.
    #[error("the order was reviewed before")]
    AlreadyReviewed,
    /// The checkout came to an end without an order.
    #[error("the checkout failed: {0:?}")]
    CheckoutFailed(Failure),
    /// The checkout goes on, but not in the time of this call.
    #[error("the checkout is still under way")]
    CheckoutRuns,
    /// What the decision relies on has to be read anew.
    #[error("what was read is out of date")]
    Outdated,
    /// A notification that its sender did not sign.
    #[error("the signature is wrong")]
    Forged,
    /// A notification that was signed too long ago.
    #[error("the signature is stale")]
    Stale,
    /// As many watch as may.
    #[error("too many watch")]
    TooManyWatch,
}

impl IntoFault for Error {
    fn fault(&self) -> Fault {
        match self {
            Error::Store(error) => error.fault(),
            Error::Work(refused) => refused.fault(),
            Error::Request(fault) => fault.clone(),
            Error::Rule(refusal) => rule_fault(*refusal),
            Error::Row(_) | Error::Client(_) => Fault::internal(),
            Error::Peer { .. } => {
                Fault::unavailable("unavailable", "a part of the shop cannot be reached now")
            }
            Error::Unknown(what) => Fault::not_found(what),
            Error::Gone => Fault::conflict("publication_gone", "it is no longer sold"),
            Error::StockInsufficient { available } => {
                Fault::conflict("stock_insufficient", format!("only {available} units are left"))
            }
            Error::PaymentUnavailable => {
                Fault::conflict("payment_method_unavailable", "it cannot be paid this way")
            }
            Error::CartEmpty => Fault::conflict("cart_empty", "the cart is empty"),
            Error::CurrencyMixed => {
                Fault::conflict("currency_mixed", "a cart holds prices of one currency only")
            }
            Error::OwnPublication => Fault::forbidden("own_publication", "you cannot buy from yourself"),
            Error::SellerPaused => Fault::conflict("seller_paused", "the seller sells nothing at the moment"),
            Error::CouponTaken => Fault::conflict("coupon_taken", "there is another coupon of this code"),
            Error::AlreadyReviewed => Fault::conflict("already_reviewed", "the order was reviewed already"),
            Error::CheckoutFailed(failure) => failure_fault(*failure),
            Error::CheckoutRuns => Fault::unavailable("checkout_running", "the checkout is still under way"),
            Error::Outdated => Fault::unavailable("contended", "too many are changing this at the moment"),
            Error::Forged => Fault::unauthenticated("the signature is wrong"),
            Error::Stale => Fault::unauthenticated("the signature is too old"),
            Error::TooManyWatch => Fault::unavailable("overloaded", "too many are watching at the moment"),
        }
    }
}

fn failure_fault(failure: Failure) -> Fault {
    match failure {
        Failure::StockInsufficient => {
            Fault::conflict("stock_insufficient", "there are not enough units left")
        }
        Failure::PriceChanged => Fault::conflict("price_changed", "a price has changed, look again"),
        Failure::TimeOver => Fault::unavailable("unavailable", "the stock could not be reserved in time"),
        Failure::None | Failure::Refused => Fault::conflict("checkout_refused", "this cannot be bought"),
    }
}

fn rule_fault(refusal: Refusal) -> Fault {
    match refusal {
        Refusal::State => Fault::conflict("state_forbids", "the state of the order forbids it"),
        Refusal::TimeOver => Fault::conflict("payment_time_over", "the time to pay is over"),
        Refusal::PaymentAutomatic => {
            Fault::conflict("payment_automatic", "the payment of this order is confirmed by the provider")
        }
        Refusal::PaymentManual => Fault::conflict("payment_manual", "this order is paid to the seller"),
        Refusal::RefundTooLarge { left_minor } => Fault::conflict(
            "refund_too_large",
            format!("only {left_minor} minor units of the payment are left"),
        ),
        Refusal::RestockPartial => {
            Fault::conflict("restock_partial", "all units go back only with all of the money; name the lines")
        }
        Refusal::RestockTooLarge { left } => {
            Fault::conflict("restock_too_large", format!("only {left} units of the line are left"))
        }
        Refusal::CouponSpent => Fault::conflict("coupon_invalid", "the coupon is used up by now"),
        Refusal::RefundsFull => Fault::conflict("too_many_refunds", "the order has too many refunds"),
        Refusal::ReturnExists => {
            Fault::conflict("return_exists", "a return of this order was asked for before")
        }
        Refusal::ReturnDecided => Fault::conflict("return_decided", "the return was decided before"),
        Refusal::CartFull => Fault::conflict("cart_full", "the cart has as many lines as it may have"),
        Refusal::QuantityTooLarge => {
            Fault::invalid_field("quantity", "out_of_range", "makes more than 100 units of the line")
        }
        Refusal::CheckoutRuns => {
            Fault::conflict("checkout_running", "a checkout of this cart is under way").retry_after_ms(1000)
        }
        Refusal::Coupon(why) => {
            Fault::conflict("coupon_invalid", format!("the coupon does not count: {why}"))
        }
    }
}
