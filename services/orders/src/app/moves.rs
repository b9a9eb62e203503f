//! CancelOrder, ConfirmPayment, ShipOrder, FinishOrder and RetryPayment.

use std::time::Duration;

use vitrina_chassis::{Answer, Call, Decision, unit};
use vitrina_proto::orders::v1 as pb;
use vitrina_storage::Commit;

use super::saga::payment_key;
use super::{App, INLINE_WAIT, Role, require};
use crate::error::Error;
use crate::model::order::Order;
use crate::model::{OrderId, Refusal};
use crate::{store, wire};

const CANCEL_RPC: &str = "vitrina.orders.v1.Orders/CancelOrder";
const CONFIRM_RPC: &str = "vitrina.orders.v1.Orders/ConfirmPayment";
const SHIP_RPC: &str = "vitrina.orders.v1.Orders/ShipOrder";
const FINISH_RPC: &str = "vitrina.orders.v1.Orders/FinishOrder";
const RETRY_RPC: &str = "vitrina.orders.v1.Orders/RetryPayment";
/// How long a new try waits for the provider; under its deadline of 10 s.
const PREPARE_WAIT: Duration = Duration::from_secs(6);

impl App {
    /// The buyer cancels before payment; the stock goes back.
    pub(crate) async fn cancel_order(
        &self,
        call: Call<pb::OrderRequest>,
    ) -> Result<Answer<pb::Order>, Error> {
        let answer =
            self.move_order(&call, (CANCEL_RPC, Role::Buyer), |_, order| order.cancel(call.now_ms)).await?;
        self.went_on(answer, INLINE_WAIT).await
    }

    /// The seller confirms a manual payment; the stock is sold.
    pub(crate) async fn confirm_payment(
        &self,
        call: Call<pb::OrderRequest>,
    ) -> Result<Answer<pb::Order>, Error> {
        let answer = self
            .move_order(&call, (CONFIRM_RPC, Role::Seller), |_, order| order.confirm_payment(call.now_ms))
            .await?;
        self.went_on(answer, INLINE_WAIT).await
    }

    /// The seller ships.
    pub(crate) async fn ship_order(&self, call: Call<pb::OrderRequest>) -> Result<Answer<pb::Order>, Error> {
        self.move_order(&call, (SHIP_RPC, Role::Seller), |_, order| order.ship(call.now_ms)).await
    }

    /// The buyer has it.
    pub(crate) async fn finish_order(
        &self,
        call: Call<pb::OrderRequest>,
    ) -> Result<Answer<pb::Order>, Error> {
        self.move_order(&call, (FINISH_RPC, Role::Buyer), |_, order| order.finish(call.now_ms)).await
    }

    /// The buyer begins a payment anew that came to nothing; one that can still be paid stays as it is.
    pub(crate) async fn retry_payment(
        &self,
        call: Call<pb::OrderRequest>,
    ) -> Result<Answer<pb::Order>, Error> {
        let answer = self
            .move_order(&call, (RETRY_RPC, Role::Buyer), |id, order| {
                let key = payment_key(id, order.payment.attempt + 1);
                order.retry_payment(key, call.now_ms)
            })
            .await?;
        let is_replayed = answer.is_replayed;
        let answer = self.went_on(answer, PREPARE_WAIT).await?;
        // What the buyer is after is the address, which is known only now.
        let (id, row, _) = self.party_order(&call.caller, &answer.reply.id)?;
        Ok(Answer { is_replayed, ..order_answer(id, &row.value) })
    }

    async fn move_order(
        &self,
        call: &Call<pb::OrderRequest>,
        (rpc, by): (&'static str, Role),
        mut step: impl FnMut(OrderId, &mut Order) -> Result<(), Refusal>,
    ) -> Result<Answer<pb::Order>, Error> {
        let answer = unit(&self.store, call, rpc, || {
            let (id, row, role) = self.party_order(&call.caller, &call.request.id)?;
            require(role, by)?;
            call.check_version(row.value.version.into())?;
            let mut after = row.value.clone();
            step(id, &mut after)?;
            let mut commit = Commit::new();
            if after != row.value {
                after = self.keep(&mut commit, (id, &row), after, call.now_ms)?;
            }
            Ok::<_, Error>(Decision::new(commit, order_answer(id, &after)))
        })
        .await?;
        if let Ok(id) = answer.reply.id.parse() {
            self.announce(id);
        }
        Ok(answer)
    }

    /// Lets what a move causes elsewhere happen before the answer, if it does soon.
    async fn went_on(&self, answer: Answer<pb::Order>, limit: Duration) -> Result<Answer<pb::Order>, Error> {
        let id: OrderId = store::rows::id(&answer.reply.id, "order")?;
        self.advance_inline(id, limit).await;
        Ok(answer)
    }
}

/// The answer that shows an order.
pub(super) fn order_answer(id: OrderId, order: &Order) -> Answer<pb::Order> {
    let answer =
        Answer::new(wire::order(id, order)).version(order.version.into()).changed(format!("order:{id}"));
    // Its stock may have moved with it.
    order.lines.iter().fold(answer, |answer, line| answer.changed(format!("product:{}", line.product)))
}
