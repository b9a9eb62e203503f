//! The saga of a checkout: reserve for every order, then place them all; or give back what is held, and drop them all.
//!
//! Each step may be made again: a reservation is idempotent by its order, a release too, and the commits expect what was read.

use futures::future::join_all;
use vitrina_proto::Timestamp;
use vitrina_proto::products::v1::{Reservation, ReserveLine, ReserveRequest};
use vitrina_storage::{Commit, Row};

use super::{ATTEMPTS_MAX, App, pause};
use crate::error::Error;
use crate::model::checkout::{Checkout, Failure, Phase};
use crate::model::order::{Kind, Order, State};
use crate::model::step::backoff_ms;
use crate::model::{CartId, CheckoutId, OrderId};
use crate::store::rows::id;
use crate::{events, peers, store};

/// How much longer than its order a lease lasts: a reservation made at the first try is still good when the order that was
/// placed at the last one expires.
pub(super) const LEASE_GRACE_MS: u64 = 5 * 60 * 1000;

/// What came of a reservation.
enum Reserved {
    Held,
    Failed(Failure),
    Unknown,
}

impl App {
    /// Takes a checkout as far as it goes now, and gives it as it then is.
    pub(super) async fn drive_checkout(&self, id: CheckoutId) -> Result<Checkout, Error> {
        let _turn = self.turns.take(id.bytes()).await;
        for attempt in 0..ATTEMPTS_MAX {
            pause(attempt).await;
            let row = store::checkout(&self.store, id)?.ok_or(Error::Unknown("checkout"))?;
            let done = match row.value.phase() {
                Phase::Reserving => self.reserve_all(id, &row).await,
                Phase::Failing => self.give_back(id, &row).await,
                Phase::Placed | Phase::Failed | Phase::Unspecified => return Ok(row.value),
            };
            match done {
                Ok(true) | Err(Error::Store(vitrina_storage::Error::Conflict)) => {}
                // What is to be done is on disk; the driver comes back to it.
                Ok(false) => return Ok(row.value),
                Err(error) => return Err(error),
            }
        }
        Err(Error::Outdated)
    }

    /// Reserves for every order; `true` when the checkout went on.
    async fn reserve_all(&self, id: CheckoutId, row: &Row<Checkout>) -> Result<bool, Error> {
        let orders = self.orders_of_checkout(&row.value)?;
        let is_over = row.value.created_at_ms + self.config.checkout_patience_ms <= self.clock.now_ms();
        let outcomes = if is_over {
            vec![Reserved::Failed(Failure::TimeOver)]
        } else {
            join_all(orders.iter().map(|(id, row)| self.reserve(*id, &row.value))).await
        };
        let failure = outcomes.iter().find_map(|outcome| match outcome {
            Reserved::Failed(failure) => Some(*failure),
            Reserved::Held | Reserved::Unknown => None,
        });
        let now_ms = self.clock.now_ms();
        let mut after = row.value.clone();
        if let Some(failure) = failure {
            after.set_failure(failure);
            after.enter(Phase::Failing, now_ms);
            let mut commit = Commit::new();
            store::put_checkout(&mut commit, id, Some(row), &after);
            self.store.commit(commit).await?;
            return Ok(true);
        }
        if outcomes.iter().any(|outcome| matches!(outcome, Reserved::Unknown)) {
            return self.put_off_checkout(id, row).await;
        }
        after.enter(Phase::Placed, now_ms);
        let commit = self.placed((id, row, &after), &orders, now_ms)?;
        self.store.commit(commit).await?;
        for (id, _) in &orders {
            self.announce(*id);
        }
        Ok(true)
    }

    /// The commit that places every order and empties the cart.
    fn placed(
        &self,
        (id, row, after): (CheckoutId, &Row<Checkout>, &Checkout),
        orders: &[(OrderId, Row<Order>)],
        now_ms: u64,
    ) -> Result<Commit, Error> {
        let mut commit = Commit::new();
        store::put_checkout(&mut commit, id, Some(row), after);
        for (id, row) in orders {
            let mut order = row.value.clone();
            if order.state() == State::Created {
                order.place(payment_key(*id, 0), self.wait_ms(&order), now_ms);
                self.keep(&mut commit, (*id, row), order, now_ms)?;
            }
        }
        self.free_cart(&mut commit, id, &row.value, |cart| cart.lines.clear())?;
        Ok(commit)
    }

    async fn reserve(&self, id: OrderId, order: &Order) -> Reserved {
        let until_ms = self.clock.now_ms() + self.wait_ms(order) + LEASE_GRACE_MS;
        match self.peers.reserve(reservation(id, order, until_ms)).await {
            Ok(reservation) if has_prices_of(&reservation, order) => Reserved::Held,
            Ok(_) => Reserved::Failed(Failure::PriceChanged),
            Err(fault) if peers::is_unknown(&fault) => Reserved::Unknown,
            Err(fault) => Reserved::Failed(App::failed_for(&fault)),
        }
    }

    /// Gives back what the orders hold and drops them; `true` when the checkout went on.
    async fn give_back(&self, id: CheckoutId, row: &Row<Checkout>) -> Result<bool, Error> {
        let orders = self.orders_of_checkout(&row.value)?;
        let released = join_all(orders.iter().map(|(id, _)| self.peers.release(id.to_string()))).await;
        if let Some(fault) = released.into_iter().find_map(Result::err) {
            tracing::warn!(checkout_id = %id, %fault, "stock is not given back yet, it is tried again");
            return self.put_off_checkout(id, row).await;
        }
        let now_ms = self.clock.now_ms();
        let mut after = row.value.clone();
        after.enter(Phase::Failed, now_ms);
        let mut commit = Commit::new();
        store::put_checkout(&mut commit, id, Some(row), &after);
        self.drop_orders(&mut commit, &orders, now_ms)?;
        self.free_cart(&mut commit, id, &row.value, |_| {})?;
        self.store.commit(commit).await?;
        Ok(true)
    }

    /// Cancels orders that nobody has seen, and counts their coupon back, once for all of them.
    fn drop_orders(
        &self,
        commit: &mut Commit,
        orders: &[(OrderId, Row<Order>)],
        now_ms: u64,
    ) -> Result<(), Error> {
        for (id, row) in orders {
            let mut order = row.value.clone();
            order.drop_unplaced(now_ms);
            store::index::put_order(commit, *id, Some(row), &order)?;
            events::tell(commit, *id, Some(&row.value), &order);
        }
        let Some((_, first)) = orders.first() else { return Ok(()) };
        if let Some(code) = &first.value.coupon
            && let (Some(coupon), uses) = store::coupon(&self.store, code, &first.value.coupon_buyer)?
        {
            let count = i32::try_from(orders.len()).unwrap_or(i32::MAX);
            let key = (code.as_str(), first.value.coupon_buyer.as_str());
            store::count_coupon(commit, key, &coupon, uses.as_ref(), -count);
        }
        Ok(())
    }

    async fn put_off_checkout(&self, id: CheckoutId, row: &Row<Checkout>) -> Result<bool, Error> {
        let mut after = row.value.clone();
        after.due_at_ms = Some(self.clock.now_ms() + backoff_ms(after.tries));
        after.tries = after.tries.saturating_add(1);
        let mut commit = Commit::new();
        store::put_checkout(&mut commit, id, Some(row), &after);
        self.store.commit(commit).await?;
        Ok(false)
    }

    /// Lets the cart of a checkout that is over go, if it is still there.
    fn free_cart(
        &self,
        commit: &mut Commit,
        id: CheckoutId,
        checkout: &Checkout,
        change: impl FnOnce(&mut crate::model::cart::Cart),
    ) -> Result<(), Error> {
        let Some(cart) = &checkout.cart else { return Ok(()) };
        let cart: CartId = self::id(cart, "cart")?;
        let row = store::cart(&self.store, cart)?;
        if let Some(row) = row.filter(|row| row.value.checkout.as_deref() == Some(&id.to_string())) {
            let mut after = row.value.clone();
            after.checkout = None;
            change(&mut after);
            store::put_cart(commit, cart, Some(&row), &after)?;
        }
        Ok(())
    }

    fn orders_of_checkout(&self, checkout: &Checkout) -> Result<Vec<(OrderId, Row<Order>)>, Error> {
        let ids = checkout.orders.iter().map(|order| id(order, "order")).collect::<Result<Vec<_>, _>>()?;
        store::orders(&self.store, &ids)
    }

    /// How long an order waits for its payment.
    pub(super) fn wait_ms(&self, order: &Order) -> u64 {
        match order.kind() {
            Kind::Manual => self.config.manual_wait_ms,
            Kind::Automatic | Kind::Unspecified => self.config.automatic_wait_ms,
        }
    }
}

/// What an order asks of the products.
pub(super) fn reservation(id: OrderId, order: &Order, until_ms: u64) -> ReserveRequest {
    let lines = order.lines.iter().map(|line| ReserveLine {
        product_id: line.product.clone(),
        variant_id: line.variant.clone(),
        quantity: line.quantity,
    });
    ReserveRequest {
        order_id: id.to_string(),
        lines: lines.collect(),
        until: Some(Timestamp::from_unix_ms(until_ms)),
    }
}

/// The key under which the provider prepares the payment of an order's n-th try: up to 64 characters.
pub(super) fn payment_key(order: OrderId, attempt: u32) -> String {
    format!("{order}-{attempt}")
}

fn has_prices_of(reservation: &Reservation, order: &Order) -> bool {
    reservation.lines.len() == order.lines.len()
        && reservation.lines.iter().zip(&order.lines).all(|(held, line)| {
            held.unit_price
                .as_ref()
                .is_some_and(|price| price.minor == line.unit_minor && price.currency == order.currency)
        })
}
