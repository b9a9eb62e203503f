//! How it is read and changed: one function, one question or one part of a commit.
//!
//! A function that changes takes what was read and adds the expectation of exactly that version, so that whoever was faster
//! is noticed. A crash leaves each commit whole or not at all, so no index row is without what it points to.

pub(crate) mod index;
pub(crate) mod rows;

use vitrina_storage::{Commit, Direction, Row, Scan, Store, prefix};

use crate::error::Error;
use crate::keys::{
    CART_ENDS, CARTS, CHECKOUTS, COUPON_USES, COUPONS, DUE_CHECKOUTS, DUE_LOOKUPS, DUE_ORDERS, LOOKUPS,
    ORDERS, PARTY, PARTY_STATE, REVIEWS, SCORES, SELLER_REVIEWS, USER_CARTS,
};
use crate::model::cart::Cart;
use crate::model::checkout::Checkout;
use crate::model::coupon::{Coupon, Uses};
use crate::model::order::{Order, State};
use crate::model::{CartId, CheckoutId, OrderId, UserId};
use crate::store::rows::{LookupRow, MarkRow, OrderRef, ReviewRow, ScoreRow, id};

/// A coupon, if there is one of the code, and its uses by a buyer, if there ever were any.
pub(crate) type Counted = (Option<Row<Coupon>>, Option<Row<Uses>>);

/// A cart that was not forgotten.
pub(crate) fn cart(store: &Store, cart: CartId) -> Result<Option<Row<Cart>>, Error> {
    Ok(CARTS.get(store, &cart)?)
}

/// The carts of a user, oldest first.
pub(crate) fn carts_of(store: &Store, user: UserId, limit: usize) -> Result<Vec<CartId>, Error> {
    let rows = USER_CARTS.scan(store, Scan::first(prefix(&user), limit))?;
    Ok(rows.into_iter().map(|((_, cart), _)| cart).collect())
}

/// The carts that may be forgotten by now.
pub(crate) fn carts_over(store: &Store, now_ms: u64, limit: usize) -> Result<Vec<CartId>, Error> {
    let keys = CART_ENDS.scan(store, Scan::first(Vec::new(), limit))?.into_iter().map(|(key, _)| key);
    Ok(keys.take_while(|(until_ms, _)| *until_ms <= now_ms).map(|(_, cart)| cart).collect())
}

/// Puts a cart in place of what was read, and keeps its indexes in step.
pub(crate) fn put_cart(
    commit: &mut Commit,
    cart: CartId,
    before: Option<&Row<Cart>>,
    after: &Cart,
) -> Result<(), Error> {
    match before {
        None => commit.expect_absent(&CARTS, &cart),
        Some(row) => commit.expect(&CARTS, &cart, row.version),
    };
    commit.put(&CARTS, &cart, after);
    if let Some(row) = before {
        commit.delete(&CART_ENDS, &(row.value.until_ms, cart));
    } else if let Some(owner) = &after.owner {
        commit.put(&USER_CARTS, &(id(owner, "owner")?, cart), &MarkRow {});
    }
    commit.put(&CART_ENDS, &(after.until_ms, cart), &MarkRow {});
    Ok(())
}

/// Removes a cart.
pub(crate) fn delete_cart(commit: &mut Commit, cart: CartId, before: &Row<Cart>) -> Result<(), Error> {
    commit.expect(&CARTS, &cart, before.version).delete(&CARTS, &cart);
    commit.delete(&CART_ENDS, &(before.value.until_ms, cart));
    if let Some(owner) = &before.value.owner {
        commit.delete(&USER_CARTS, &(id(owner, "owner")?, cart));
    }
    Ok(())
}

/// An order.
pub(crate) fn order(store: &Store, order: OrderId) -> Result<Option<Row<Order>>, Error> {
    Ok(ORDERS.get(store, &order)?)
}

/// Several orders, in the order of the ids; unknown ones are left out.
pub(crate) fn orders(store: &Store, ids: &[OrderId]) -> Result<Vec<(OrderId, Row<Order>)>, Error> {
    let rows = ORDERS.get_many(store, ids)?;
    Ok(ids.iter().copied().zip(rows).filter_map(|(id, row)| Some((id, row?))).collect())
}

/// Orders of a party, newest first, those behind `after`.
pub(crate) fn orders_of(
    store: &Store,
    (role, user): (u8, UserId),
    state: Option<State>,
    after: Option<OrderId>,
    limit: usize,
) -> Result<Vec<OrderId>, Error> {
    let direction = Direction::Backward;
    let Some(state) = state.map(|state| state as u8) else {
        let after = after.map(|order| (role, user, order));
        let scan = Scan { within: prefix(&(role, user)), after: after.as_ref(), limit, direction };
        return Ok(PARTY.scan(store, scan)?.into_iter().map(|((_, _, order), _)| order).collect());
    };
    let after = after.map(|order| (role, user, state, order));
    let scan = Scan { within: prefix(&(role, user, state)), after: after.as_ref(), limit, direction };
    Ok(PARTY_STATE.scan(store, scan)?.into_iter().map(|((_, _, _, order), _)| order).collect())
}

/// Orders that owe something by now, first due first.
pub(crate) fn orders_due(store: &Store, now_ms: u64, limit: usize) -> Result<Vec<OrderId>, Error> {
    let keys = DUE_ORDERS.scan(store, Scan::first(Vec::new(), limit))?.into_iter().map(|(key, _)| key);
    Ok(keys.take_while(|(due_ms, _)| *due_ms <= now_ms).map(|(_, order)| order).collect())
}

/// A checkout.
pub(crate) fn checkout(store: &Store, checkout: CheckoutId) -> Result<Option<Row<Checkout>>, Error> {
    Ok(CHECKOUTS.get(store, &checkout)?)
}

/// Checkouts that are to go on by now, first due first.
pub(crate) fn checkouts_due(store: &Store, now_ms: u64, limit: usize) -> Result<Vec<CheckoutId>, Error> {
    let keys = DUE_CHECKOUTS.scan(store, Scan::first(Vec::new(), limit))?.into_iter().map(|(key, _)| key);
    Ok(keys.take_while(|(due_ms, _)| *due_ms <= now_ms).map(|(_, checkout)| checkout).collect())
}

/// Puts a checkout in place of what was read.
pub(crate) fn put_checkout(
    commit: &mut Commit,
    id: CheckoutId,
    before: Option<&Row<Checkout>>,
    after: &Checkout,
) {
    match before {
        None => commit.expect_absent(&CHECKOUTS, &id),
        Some(row) => commit.expect(&CHECKOUTS, &id, row.version),
    };
    commit.put(&CHECKOUTS, &id, after);
    if let Some(due_ms) = before.and_then(|row| row.value.due_at_ms) {
        commit.delete(&DUE_CHECKOUTS, &(due_ms, id));
    }
    if let Some(due_ms) = after.due_at_ms {
        commit.put(&DUE_CHECKOUTS, &(due_ms, id), &MarkRow {});
    }
}

/// A coupon, and how many orders of the buyer use it.
pub(crate) fn coupon(store: &Store, code: &str, buyer: &str) -> Result<Counted, Error> {
    let uses = COUPON_USES.get(store, &(code.to_owned(), buyer.to_owned()))?;
    Ok((COUPONS.get(store, &code.to_owned())?, uses))
}

/// Counts the uses of a coupon up or down.
pub(crate) fn count_coupon(
    commit: &mut Commit,
    (code, buyer): (&str, &str),
    before: &Row<Coupon>,
    uses: Option<&Row<Uses>>,
    delta: i32,
) {
    let counted = |count: u32| count.saturating_add_signed(delta);
    let (key, of_buyer) = (code.to_owned(), (code.to_owned(), buyer.to_owned()));
    let after = Coupon { uses: counted(before.value.uses), ..before.value.clone() };
    commit.expect(&COUPONS, &key, before.version).put(&COUPONS, &key, &after);
    match uses {
        None => commit.expect_absent(&COUPON_USES, &of_buyer),
        Some(row) => commit.expect(&COUPON_USES, &of_buyer, row.version),
    };
    let count = counted(uses.map_or(0, |row| row.value.count));
    commit.put(&COUPON_USES, &of_buyer, &Uses { count });
}

/// The review of an order.
pub(crate) fn review(store: &Store, order: OrderId) -> Result<Option<Row<ReviewRow>>, Error> {
    Ok(REVIEWS.get(store, &order)?)
}

/// The score of a seller.
pub(crate) fn score(store: &Store, seller: UserId) -> Result<Option<Row<ScoreRow>>, Error> {
    Ok(SCORES.get(store, &seller)?)
}

/// Adds the review of an order and counts it for its seller.
pub(crate) fn add_review(
    commit: &mut Commit,
    (order, seller): (OrderId, UserId),
    review: &ReviewRow,
    before: Option<&Row<ScoreRow>>,
) -> ScoreRow {
    let old = before.map(|row| row.value.clone()).unwrap_or_default();
    let score = ScoreRow { sum: old.sum + u64::from(review.rating), count: old.count + 1 };
    match before {
        None => commit.expect_absent(&SCORES, &seller),
        Some(row) => commit.expect(&SCORES, &seller, row.version),
    };
    commit.put(&SCORES, &seller, &score);
    commit.expect_absent(&REVIEWS, &order).put(&REVIEWS, &order, review);
    let named = OrderRef { order: order.to_string() };
    commit.put(&SELLER_REVIEWS, &(seller, u64::from(score.count)), &named);
    score
}

/// The reviews of a seller, newest first, those behind the number `after`.
pub(crate) fn reviews_of(
    store: &Store,
    seller: UserId,
    after: Option<u64>,
    limit: usize,
) -> Result<Vec<(u64, OrderId, ReviewRow)>, Error> {
    let after = after.map(|number| (seller, number));
    let scan = Scan { within: prefix(&seller), after: after.as_ref(), limit, direction: Direction::Backward };
    let rows = SELLER_REVIEWS.scan(store, scan)?;
    let numbered: Vec<(u64, OrderId)> = rows
        .into_iter()
        .map(|((_, number), row)| Ok((number, id(&row.value.order, "order")?)))
        .collect::<Result<_, Error>>()?;
    let orders: Vec<OrderId> = numbered.iter().map(|(_, order)| *order).collect();
    let reviews = REVIEWS.get_many(store, &orders)?;
    let known = numbered.into_iter().zip(reviews);
    Ok(known.filter_map(|((number, order), row)| Some((number, order, row?.value))).collect())
}

/// A payment that is to be looked up.
pub(crate) fn lookup(store: &Store, payment: &str) -> Result<Option<Row<LookupRow>>, Error> {
    Ok(LOOKUPS.get(store, &payment.to_owned())?)
}

/// Payments that are to be looked up by now.
pub(crate) fn lookups_due(store: &Store, now_ms: u64, limit: usize) -> Result<Vec<String>, Error> {
    let keys = DUE_LOOKUPS.scan(store, Scan::first(Vec::new(), limit))?.into_iter().map(|(key, _)| key);
    Ok(keys.take_while(|(due_ms, _)| *due_ms <= now_ms).map(|(_, payment)| payment).collect())
}

/// Sets or, with `None`, ends the look-up of a payment.
pub(crate) fn put_lookup(
    commit: &mut Commit,
    payment: &str,
    before: Option<&Row<LookupRow>>,
    after: Option<&LookupRow>,
) {
    let key = payment.to_owned();
    match before {
        None => commit.expect_absent(&LOOKUPS, &key),
        Some(row) => {
            commit.expect(&LOOKUPS, &key, row.version);
            commit.delete(&DUE_LOOKUPS, &(row.value.due_at_ms, key.clone()))
        }
    };
    match after {
        None => commit.delete(&LOOKUPS, &key),
        Some(row) => {
            commit.put(&LOOKUPS, &key, row);
            commit.put(&DUE_LOOKUPS, &(row.due_at_ms, key), &MarkRow {})
        }
    };
}
