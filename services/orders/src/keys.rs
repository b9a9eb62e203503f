//! Where it is kept.
//!
//! | table | key | value |
//! |---|---|---|
//! | `carts` | cart | the cart; a guest's token is derived from the id, so nothing of it is kept |
//! | `user_carts` | user, cart | nothing; the carts of a user, oldest first |
//! | `cart_ends` | end in ms, cart | nothing; the carts, first to be forgotten first |
//! | `orders` | order | the order with payment, refunds, return, and what it still owes |
//! | `party` | role, user, order | nothing; backwards it is "newest first", as ids sort by creation |
//! | `party_state` | role, user, state, order | nothing; the same in one state |
//! | `due_orders` | time in ms, order | nothing; the orders that owe something, first due first |
//! | `paid` | seller, paid at in ms, order | what the seller keeps of it |
//! | `checkouts` | checkout | the saga of a checkout |
//! | `due_checkouts` | time in ms, checkout | nothing; the sagas that are not over |
//! | `returns` | return | its order |
//! | `coupons` | code | the coupon and its uses |
//! | `coupon_uses` | code, buyer | how many orders of the buyer use it |
//! | `reviews` | order | the review |
//! | `seller_reviews` | seller, number | the order of the seller's n-th review |
//! | `scores` | seller | sum and count of all reviews |
//! | `lookups` | payment at the provider | that it is to be looked up, after a notification |
//! | `due_lookups` | time in ms, payment | nothing |

use vitrina_storage::Table;

use crate::model::cart::Cart;
use crate::model::checkout::Checkout;
use crate::model::coupon::{Coupon, Uses};
use crate::model::order::Order;
use crate::model::{CartId, CheckoutId, OrderId, ReturnId, UserId};
use crate::store::rows::{AmountRow, LookupRow, MarkRow, OrderRef, ReviewRow, ScoreRow};

/// The role of a buyer in `party`.
pub(crate) const BUYER: u8 = 1;
/// The role of a seller in `party`.
pub(crate) const SELLER: u8 = 2;

pub(crate) const CARTS: Table<CartId, Cart> = Table::new(0x10, "carts");
pub(crate) const USER_CARTS: Table<(UserId, CartId), MarkRow> = Table::new(0x11, "user_carts");
pub(crate) const CART_ENDS: Table<(u64, CartId), MarkRow> = Table::new(0x12, "cart_ends");
pub(crate) const ORDERS: Table<OrderId, Order> = Table::new(0x13, "orders");
pub(crate) const PARTY: Table<(u8, UserId, OrderId), MarkRow> = Table::new(0x14, "party");
pub(crate) const PARTY_STATE: Table<(u8, UserId, u8, OrderId), MarkRow> = Table::new(0x15, "party_state");
pub(crate) const DUE_ORDERS: Table<(u64, OrderId), MarkRow> = Table::new(0x16, "due_orders");
pub(crate) const PAID: Table<(UserId, u64, OrderId), AmountRow> = Table::new(0x17, "paid");
pub(crate) const CHECKOUTS: Table<CheckoutId, Checkout> = Table::new(0x18, "checkouts");
pub(crate) const DUE_CHECKOUTS: Table<(u64, CheckoutId), MarkRow> = Table::new(0x19, "due_checkouts");
pub(crate) const RETURNS: Table<ReturnId, OrderRef> = Table::new(0x1A, "returns");
pub(crate) const COUPONS: Table<String, Coupon> = Table::new(0x1B, "coupons");
pub(crate) const COUPON_USES: Table<(String, String), Uses> = Table::new(0x1C, "coupon_uses");
pub(crate) const REVIEWS: Table<OrderId, ReviewRow> = Table::new(0x1D, "reviews");
pub(crate) const SELLER_REVIEWS: Table<(UserId, u64), OrderRef> = Table::new(0x1E, "seller_reviews");
pub(crate) const SCORES: Table<UserId, ScoreRow> = Table::new(0x1F, "scores");
pub(crate) const LOOKUPS: Table<String, LookupRow> = Table::new(0x20, "lookups");
pub(crate) const DUE_LOOKUPS: Table<(u64, String), MarkRow> = Table::new(0x21, "due_lookups");
