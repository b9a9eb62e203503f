//! An order goes on: one step after the other, until it has to wait or owes nothing.
//!
//! A step is a call to another service or to the provider, and then a commit of what came of it, decided on the order as it is
//! by then: whoever moved it meanwhile is not overwritten. A call whose outcome is unknown is made again later, the same way.

use vitrina_proto::products::v1::{ReserveLine, RestockReservationRequest};

use super::App;
use super::saga::{LEASE_GRACE_MS, reservation};
use crate::error::Error;
use crate::model::order::{By, Kind, Order, PaymentStatus, State};
use crate::model::settle::{Seen, Settled};
use crate::model::step::Step;
use crate::model::{OrderId, Refusal};
use crate::peers;
use crate::provider::{Failed, Wanted, WantedRefund};
use crate::store;

/// Steps in a row: the longest way, of a late payment that is refunded, has five.
const STEPS_MAX: usize = 16;
/// Characters of the title that the provider shows.
const TITLE_CHARS_MAX: usize = 100;

/// What came of a step.
enum Outcome {
    Released,
    Committed,
    LeaseLost,
    Regained,
    /// The units are gone: the money goes back.
    NotRegained,
    Expired(Vec<Seen>),
    Prepared(String),
    NotPrepared,
    Seen(Vec<Seen>),
    Restocked(String),
    Refunded(String),
    NotRefunded(String),
    /// To be tried again.
    Unknown(String),
}

impl App {
    /// Takes an order as far as it goes now.
    pub(super) async fn advance(&self, id: OrderId) -> Result<(), Error> {
        let _turn = self.turns.take(id.bytes()).await;
        for _ in 0..STEPS_MAX {
            let row = store::order(&self.store, id)?.ok_or(Error::Unknown("order"))?;
            let outcome = match row.value.step(self.clock.now_ms()) {
                Step::Rest | Step::Wait(_) => return self.reschedule(id, &row.value).await,
                Step::Release => self.release(id).await,
                Step::Commit => self.commit(id).await,
                Step::Regain => self.regain(id, &row.value).await,
                Step::Restock(refund) => self.restock(id, refund, &row.value).await,
                Step::Refund(refund) => self.refund_at_provider(refund, &row.value).await,
                Step::Expire => Outcome::Expired(self.last_look(id, &row.value).await),
                Step::Prepare => self.prepare(id, &row.value).await,
                Step::LookUp => self.look_up(id).await,
            };
            if let Outcome::Unknown(cause) = &outcome {
                tracing::warn!(order_id = %id, cause, "a step of an order is tried again later");
                return self.put_off(id).await;
            }
            self.apply(id, &outcome).await?;
        }
        Ok(())
    }

    /// Takes in what a payment says about an order, whoever asked for it.
    pub(super) async fn settle(&self, id: OrderId, seen: &Seen) -> Result<(), Error> {
        if seen.reference != id.to_string() {
            return Ok(());
        }
        let mut settled = Settled::Unchanged;
        self.change(id, |order, now_ms, refund| settled = order.settle(seen, refund, now_ms)).await?;
        report(id, seen, settled);
        Ok(())
    }

    async fn apply(&self, id: OrderId, outcome: &Outcome) -> Result<(), Error> {
        let lookup_ms = self.config.lookup_interval_ms;
        match outcome {
            Outcome::Seen(payments) | Outcome::Expired(payments) => {
                for seen in payments {
                    self.settle(id, seen).await?;
                }
            }
            Outcome::NotRegained => {
                tracing::error!(order_id = %id, "an order was paid after its units were gone, it is refunded");
            }
            _ => {}
        }
        let changed = self.change(id, |order, now_ms, refund| match outcome {
            Outcome::Released => order.released(),
            Outcome::Committed => order.committed(),
            Outcome::LeaseLost => order.lease_lost(),
            Outcome::Regained => order.regained(now_ms),
            Outcome::NotRegained if order.is_regaining => order.refund_late(refund, now_ms),
            Outcome::Expired(_) => {
                if order.expire(now_ms) {
                    order.next_lookup(now_ms, lookup_ms);
                }
            }
            Outcome::Prepared(url) => order.prepared(url.clone(), now_ms + lookup_ms, now_ms),
            Outcome::NotPrepared => order.not_prepared(),
            Outcome::Seen(_) => order.next_lookup(now_ms, lookup_ms),
            Outcome::Restocked(refund) => order.restocked(refund),
            Outcome::Refunded(refund) => drop(order.refund_done(refund, By::Provider, now_ms)),
            Outcome::NotRefunded(refund) => order.refund_failed(refund, now_ms),
            Outcome::NotRegained | Outcome::Unknown(_) => {}
        });
        match changed.await {
            Err(Error::Rule(Refusal::CouponSpent)) => {
                tracing::error!(order_id = %id, "an order was paid after its coupon was used up, it is refunded");
                self.change(id, |order, now_ms, refund| order.coupon_lost(refund, now_ms)).await.map(drop)
            }
            changed => changed.map(drop),
        }
    }

    async fn release(&self, id: OrderId) -> Outcome {
        match self.peers.release(id.to_string()).await {
            Ok(()) => Outcome::Released,
            Err(fault) => Outcome::Unknown(format!("release: {fault}")),
        }
    }

    async fn restock(&self, id: OrderId, refund: String, order: &Order) -> Outcome {
        match self.peers.restock(restocking(id, &refund, order)).await {
            Ok(()) => Outcome::Restocked(refund),
            Err(fault) if peers::is_unknown(&fault) => Outcome::Unknown(format!("restock: {fault}")),
            Err(fault) => {
                tracing::error!(order_id = %id, refund_id = refund, %fault, "the units of a refund do not go back");
                Outcome::Restocked(refund)
            }
        }
    }

    async fn commit(&self, id: OrderId) -> Outcome {
        match self.peers.commit(id.to_string()).await {
            Ok(_) => Outcome::Committed,
            Err(fault) if peers::is_unknown(&fault) => Outcome::Unknown(format!("commit: {fault}")),
            // The lease is over and was swept, or the reservation is not known at all: either way nothing is held.
            Err(_) => Outcome::LeaseLost,
        }
    }

    /// Reserves anew. The lease only has to last until the commit that follows.
    async fn regain(&self, id: OrderId, order: &Order) -> Outcome {
        let until_ms = self.clock.now_ms() + self.wait_ms(order) + LEASE_GRACE_MS;
        match self.peers.reserve(reservation(id, order, until_ms)).await {
            Ok(_) => Outcome::Regained,
            Err(fault) if peers::is_unknown(&fault) => Outcome::Unknown(format!("reserve: {fault}")),
            Err(_) => Outcome::NotRegained,
        }
    }

    async fn prepare(&self, id: OrderId, order: &Order) -> Outcome {
        let Some(provider) = &self.provider else {
            return Outcome::Unknown("there is no provider".to_owned());
        };
        let wanted = Wanted {
            key: order.payment.key.clone(),
            reference: id.to_string(),
            title: order
                .lines
                .first()
                .map_or_else(|| id.to_string(), |line| line.title.chars().take(TITLE_CHARS_MAX).collect()),
            amount_minor: order.total_minor(),
            currency: order.currency.clone(),
            payer_email: order.guest_email.clone(),
            until_ms: order.expires_at_ms.unwrap_or_default(),
        };
        match provider.prepare(&wanted).await {
            Ok(url) => Outcome::Prepared(url),
            Err(Failed::Unknown(cause)) => Outcome::Unknown(format!("prepare: {cause}")),
            Err(refused @ Failed::Refused { .. }) => {
                tracing::error!(order_id = %id, error = %refused, "the provider prepares no payment");
                Outcome::NotPrepared
            }
        }
    }

    async fn look_up(&self, id: OrderId) -> Outcome {
        let Some(provider) = &self.provider else {
            return Outcome::Unknown("there is no provider".to_owned());
        };
        match provider.search(&id.to_string()).await {
            Ok(payments) => Outcome::Seen(payments),
            Err(failed) => Outcome::Unknown(format!("search: {failed}")),
        }
    }

    /// Asks once more before an order expires. Without an answer it expires all the same: a payment that shows up later is
    /// taken in then.
    async fn last_look(&self, id: OrderId, order: &Order) -> Vec<Seen> {
        match &self.provider {
            Some(provider) if order.kind() == Kind::Automatic && order.state() == State::AwaitingPayment => {
                provider.search(&id.to_string()).await.unwrap_or_default()
            }
            _ => Vec::new(),
        }
    }

    async fn refund_at_provider(&self, id: String, order: &Order) -> Outcome {
        let Some(refund) = order.refunds.iter().find(|refund| refund.id == id) else {
            return Outcome::NotRefunded(id);
        };
        let Some(provider) = &self.provider else {
            return Outcome::Unknown("there is no provider".to_owned());
        };
        let wanted = WantedRefund {
            key: refund.id.clone(),
            payment: refund.payment.clone(),
            amount_minor: (!refund.is_whole).then_some(refund.amount_minor),
            currency: order.currency.clone(),
        };
        match provider.refund(&wanted).await {
            Ok(()) => Outcome::Refunded(id),
            Err(Failed::Unknown(cause)) => Outcome::Unknown(format!("refund: {cause}")),
            Err(refused @ Failed::Refused { .. }) => {
                tracing::error!(refund_id = id, error = %refused, "the provider refuses a refund");
                Outcome::NotRefunded(id)
            }
        }
    }

    /// Notes when the driver is to look again, if that is not known.
    async fn reschedule(&self, id: OrderId, seen: &Order) -> Result<(), Error> {
        let mut wanted = seen.clone();
        wanted.schedule(self.clock.now_ms(), self.config.grace_ms);
        if wanted.due_at_ms != seen.due_at_ms {
            self.touch(id, Order::schedule).await?;
        }
        Ok(())
    }

    async fn put_off(&self, id: OrderId) -> Result<(), Error> {
        self.touch(id, |order, now_ms, _| order.put_off(now_ms)).await
    }

    /// Writes only when the driver is to look. Whoever was faster has set it already.
    async fn touch(&self, id: OrderId, set: impl FnOnce(&mut Order, u64, u64)) -> Result<(), Error> {
        let Some(row) = store::order(&self.store, id)? else { return Ok(()) };
        let mut after = row.value.clone();
        set(&mut after, self.clock.now_ms(), self.config.grace_ms);
        let mut commit = vitrina_storage::Commit::new();
        store::index::put_order(&mut commit, id, Some(&row), &after)?;
        match self.store.commit(commit).await {
            Ok(_) | Err(vitrina_storage::Error::Conflict) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// What the products are told of the units of a refund.
fn restocking(id: OrderId, refund_id: &str, order: &Order) -> RestockReservationRequest {
    let units = order.refunds.iter().filter(|refund| refund.id == refund_id).flat_map(|refund| &refund.units);
    let lines = units.filter_map(|units| {
        let line = order.lines.get(usize::try_from(units.line).ok()?)?;
        Some(ReserveLine {
            product_id: line.product.clone(),
            variant_id: line.variant.clone(),
            quantity: units.quantity,
        })
    });
    RestockReservationRequest {
        order_id: id.to_string(),
        refund_id: refund_id.to_owned(),
        lines: lines.collect(),
    }
}

fn report(id: OrderId, seen: &Seen, settled: Settled) {
    match settled {
        Settled::Unchanged => {}
        Settled::Changed if seen.status == PaymentStatus::Approved => {
            tracing::info!(order_id = %id, payment_id = seen.id, "an approved payment is taken in");
        }
        Settled::Changed => {}
        Settled::Mismatched => tracing::error!(
            order_id = %id,
            payment_id = seen.id,
            amount_minor = seen.amount_minor,
            currency = seen.currency,
            "a payment is not of the order's amount, the order is not paid"
        ),
        Settled::ChargedBack => {
            tracing::error!(order_id = %id, payment_id = seen.id, "a payment was charged back");
        }
    }
}
