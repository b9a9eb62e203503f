//! Reserve, CommitReservation, ReleaseReservation, RestockReservation and the end of leases.
//!
//! A reservation, its lease and the stock of all its products move in one commit that expects each of them as it was read.
//! Two orders that want the last unit thus never both get it, and a call that comes twice finds what it did.

use std::time::Duration;

use tokio::time::MissedTickBehavior;
use vitrina_chassis::{Answer, Call, Caller, Decision, Fault, unit};
use vitrina_proto::products::v1 as pb;
use vitrina_storage::{Commit, Row};

use super::{App, next, tagged};
use crate::error::Error;
use crate::model::reservation::{Products, Reservation};
use crate::model::{OrderId, Product, ProductId, Refusal};
use crate::{events, store, wire};

const RESERVE_RPC: &str = "vitrina.products.v1.Products/Reserve";
const COMMIT_RPC: &str = "vitrina.products.v1.Products/CommitReservation";
const RELEASE_RPC: &str = "vitrina.products.v1.Products/ReleaseReservation";
const RESTOCK_RPC: &str = "vitrina.products.v1.Products/RestockReservation";
/// Not an rpc: names the work for the line in which contending units wait.
const EXPIRE: &str = "vitrina.products.v1.Products/expire";
/// Leases that are ended before the clock is asked again.
const LEASES_AT_ONCE: usize = 100;

/// The products of an order: as they were read, and as the model leaves them.
struct Shelf {
    rows: Vec<Row<Product>>,
    products: Products,
}

impl App {
    /// Holds the units of all lines, or of none.
    pub(crate) async fn reserve(
        &self,
        call: Call<pb::ReserveRequest>,
    ) -> Result<Answer<pb::Reservation>, Error> {
        let wanted = wire::wanted(&call.request)?;
        unit(&self.store, &call, RESERVE_RPC, || {
            let before = store::reservation(&self.store, wanted.order)?;
            if let Some(row) = &before
                && row.value.answers(&wanted.lines, wanted.until_ms)?
            {
                return Ok(Decision::unchanged(Answer::new(wire::reservation(&row.value))));
            }
            if wanted.until_ms <= call.now_ms {
                return Err(Fault::invalid_field("until", "out_of_range", "must be in the future").into());
            }
            let mut shelf = self.shelf(wanted.lines.iter().map(|line| line.product))?;
            let Shelf { products, .. } = &mut shelf;
            let after =
                Reservation::hold(wanted.order, &wanted.lines, wanted.until_ms, products, call.now_ms)?;
            self.moved(before.as_ref(), &after, &shelf, call.now_ms)
        })
        .await
    }

    /// Makes a reservation a sale.
    pub(crate) async fn commit_reservation(
        &self,
        call: Call<pb::ReservationRequest>,
    ) -> Result<Answer<pb::Reservation>, Error> {
        self.end_reservation(&call, COMMIT_RPC, Reservation::commit).await
    }

    /// Gives the units of a reservation back; those of a sale too, when it is refunded.
    pub(crate) async fn release_reservation(
        &self,
        call: Call<pb::ReservationRequest>,
    ) -> Result<Answer<pb::Reservation>, Error> {
        self.end_reservation(&call, RELEASE_RPC, |reservation, products| Ok(reservation.release(products)))
            .await
    }

    /// Gives some units of a sale back, as a refund says.
    pub(crate) async fn restock_reservation(
        &self,
        call: Call<pb::RestockReservationRequest>,
    ) -> Result<Answer<pb::Reservation>, Error> {
        let (refund, units) = wire::restock(&call.request)?;
        let named = call.with(pb::ReservationRequest { order_id: call.request.order_id.clone() });
        self.end_reservation(&named, RESTOCK_RPC, |reservation, products| {
            reservation.restock(refund, &units, products)
        })
        .await
    }

    /// Ends leases whose time is over, until it is stopped.
    pub(crate) async fn sweep_leases(&self) {
        let mut tick =
            tokio::time::interval(Duration::from_millis(self.config.lease_sweep_interval_ms.max(1)));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            if let Err(error) = self.end_leases().await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "leases could not be ended, they are tried again"
                );
            }
        }
    }

    /// Ends every lease that is over now.
    async fn end_leases(&self) -> Result<(), Error> {
        loop {
            let now_ms = self.clock.now_ms();
            let due = store::leases_over(&self.store, now_ms, LEASES_AT_ONCE)?;
            let is_last = due.len() < LEASES_AT_ONCE;
            for order in due {
                let request = pb::ReservationRequest { order_id: order.to_string() };
                let call = Call::new(Caller::system(), request, now_ms);
                self.end_reservation(&call, EXPIRE, |reservation, products| {
                    Ok(reservation.expire(products, now_ms))
                })
                .await?;
            }
            if is_last {
                return Ok(());
            }
        }
    }

    /// Takes a step with a reservation and its products; `step` says whether there was one to take.
    async fn end_reservation(
        &self,
        call: &Call<pb::ReservationRequest>,
        rpc: &'static str,
        step: impl Fn(&mut Reservation, &mut Products) -> Result<bool, Refusal>,
    ) -> Result<Answer<pb::Reservation>, Error> {
        let order: OrderId = call.request.order_id.parse().map_err(|_| Error::ReservationUnknown)?;
        unit(&self.store, call, rpc, || {
            let before = store::reservation(&self.store, order)?.ok_or(Error::ReservationUnknown)?;
            let mut shelf = self.shelf(before.value.lines.iter().map(|held| held.line.product))?;
            let mut after = before.value.clone();
            if !step(&mut after, &mut shelf.products)? {
                return Ok(Decision::unchanged(Answer::new(wire::reservation(&after))));
            }
            self.moved(Some(&before), &after, &shelf, call.now_ms)
        })
        .await
    }

    /// The commit and the answer of a step of a reservation.
    fn moved(
        &self,
        before: Option<&Row<Reservation>>,
        after: &Reservation,
        shelf: &Shelf,
        now_ms: u64,
    ) -> Result<Decision<pb::Reservation>, Error> {
        let mut commit = Commit::new();
        store::put_reservation(&mut commit, before, after);
        let mut answer = Answer::new(wire::reservation(after));
        for row in &shelf.rows {
            let product = &shelf.products[&row.value.id];
            let listing = store::listing(&self.store, product.id)?;
            store::replace(&mut commit, row, product);
            let reply = next(row, product, listing, now_ms);
            commit.emit(events::stock_changed(&row.value, &reply, now_ms));
            answer = tagged(answer, product.id, listing);
        }
        Ok(Decision::new(commit, answer))
    }

    /// The products that are named, each once; unknown ones are left out.
    fn shelf(&self, ids: impl Iterator<Item = ProductId>) -> Result<Shelf, Error> {
        let mut ids: Vec<ProductId> = ids.collect();
        ids.sort_unstable();
        ids.dedup();
        let rows: Vec<Row<Product>> = store::products(&self.store, &ids)?.into_iter().flatten().collect();
        let products = rows.iter().map(|row| (row.value.id, row.value.clone())).collect();
        Ok(Shelf { rows, products })
    }
}
