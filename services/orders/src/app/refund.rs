//! CreateRefund, ListRefunds, CreateReturn and UpdateReturn.

use std::time::Duration;

use vitrina_chassis::{Answer, Call, Decision, unit};
use vitrina_proto::orders::v1 as pb;
use vitrina_storage::Commit;

use super::{App, INLINE_WAIT, Role, require};
use crate::error::Error;
use crate::keys::RETURNS;
use crate::model::order::By;
use crate::model::refund::Ask;
use crate::model::{OrderId, RefundId, ReturnId};
use crate::store::rows::{OrderRef, id};
use crate::wire;

const REFUND_RPC: &str = "vitrina.orders.v1.Orders/CreateRefund";
const RETURN_RPC: &str = "vitrina.orders.v1.Orders/CreateReturn";
const DECIDE_RPC: &str = "vitrina.orders.v1.Orders/UpdateReturn";
/// How long a refund waits for the provider; under its deadline of 10 s.
const REFUND_WAIT: Duration = Duration::from_secs(6);

impl App {
    /// The seller gives money back. The answer shows how far it came; what is pending is made by the driver.
    pub(crate) async fn create_refund(
        &self,
        call: Call<pb::CreateRefundRequest>,
    ) -> Result<Answer<pb::Refund>, Error> {
        let refund = RefundId::at(call.now_ms);
        let draft = unit(&self.store, &call, REFUND_RPC, || {
            let (id, row, role) = self.party_order(&call.caller, &call.request.id)?;
            require(role, Role::Seller)?;
            let (amount_minor, restock) = wire::new_refund(&call.request, &row.value)?;
            let mut after = row.value.clone();
            after.refund(refund, Ask { amount_minor, restock, by: By::Seller }, call.now_ms)?;
            let mut commit = Commit::new();
            self.keep(&mut commit, (id, &row), after, call.now_ms)?;
            Ok::<_, Error>(Decision::new(
                commit,
                Answer::new(pb::Refund { id: refund.to_string(), ..pb::Refund::default() }),
            ))
        })
        .await?;
        let (id, _, _) = self.party_order(&call.caller, &call.request.id)?;
        self.announce(id);
        self.advance_inline(id, REFUND_WAIT).await;
        let (_, row, _) = self.party_order(&call.caller, &call.request.id)?;
        let made = row.value.refunds.iter().find(|refund| refund.id == draft.reply.id);
        let made = made.ok_or(Error::Unknown("refund"))?;
        let answer = Answer::new(wire::refund(made, &row.value)).changed(format!("order:{id}"));
        Ok(Answer { is_replayed: draft.is_replayed, ..answer })
    }

    /// The refunds of an order, oldest first.
    pub(crate) fn list_refunds(
        &self,
        call: &Call<pb::OrderRequest>,
    ) -> Result<Answer<pb::RefundList>, Error> {
        let (_, row, _) = self.party_order(&call.caller, &call.request.id)?;
        let items = row.value.refunds.iter().map(|refund| wire::refund(refund, &row.value));
        Ok(Answer::new(pb::RefundList { items: items.collect() }))
    }

    /// The buyer asks to give it back.
    pub(crate) async fn create_return(
        &self,
        call: Call<pb::CreateReturnRequest>,
    ) -> Result<Answer<pb::Return>, Error> {
        let reason = wire::new_return(&call.request)?;
        let asked = ReturnId::at(call.now_ms);
        unit(&self.store, &call, RETURN_RPC, || {
            let (id, row, role) = self.party_order(&call.caller, &call.request.id)?;
            require(role, Role::Buyer)?;
            let mut after = row.value.clone();
            after.ask_return(asked, reason.clone(), call.now_ms)?;
            let mut commit = Commit::new();
            let named = OrderRef { order: id.to_string() };
            commit.expect_absent(&RETURNS, &asked).put(&RETURNS, &asked, &named);
            let after = self.keep(&mut commit, (id, &row), after, call.now_ms)?;
            let returned = after.returned.as_ref().ok_or(Error::Unknown("return"))?;
            Ok::<_, Error>(Decision::new(commit, Answer::new(wire::returned(id, returned))))
        })
        .await
    }

    /// The seller accepts a return, which gives money and units back, or refuses it.
    pub(crate) async fn update_return(
        &self,
        call: Call<pb::UpdateReturnRequest>,
    ) -> Result<Answer<pb::Return>, Error> {
        let decision = wire::decision(&call.request)?;
        let refund = RefundId::at(call.now_ms);
        let answer = unit(&self.store, &call, DECIDE_RPC, || {
            let order = self.order_of_return(&call.request.id)?;
            let (id, row, role) = self.party_order(&call.caller, &order.to_string()).map_err(|error| {
                if matches!(error, Error::Unknown(_)) { Error::Unknown("return") } else { error }
            })?;
            require(role, Role::Seller)?;
            let mut after = row.value.clone();
            after.decide_return(decision, refund, call.now_ms)?;
            let mut commit = Commit::new();
            if after != row.value {
                after = self.keep(&mut commit, (id, &row), after, call.now_ms)?;
            }
            let returned = after.returned.as_ref().ok_or(Error::Unknown("return"))?;
            Ok::<_, Error>(Decision::new(commit, Answer::new(wire::returned(id, returned))))
        })
        .await?;
        let order: OrderId = id(&answer.reply.order_id, "order")?;
        self.announce(order);
        self.advance_inline(order, INLINE_WAIT).await;
        Ok(answer)
    }

    fn order_of_return(&self, id: &str) -> Result<OrderId, Error> {
        let id: ReturnId = id.parse().map_err(|_| Error::Unknown("return"))?;
        let row = RETURNS.get(&self.store, &id)?.ok_or(Error::Unknown("return"))?;
        Ok(self::id(&row.value.order, "order")?)
    }
}
