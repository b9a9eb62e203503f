//! GetOrder, ListOrders, GetSellerOrders and GetOperation.

use vitrina_chassis::{Answer, Call, page};
use vitrina_proto::orders::v1 as pb;

use super::{App, Role};
use crate::error::Error;
use crate::model::order::{Kind, State};
use crate::model::{OrderId, UserId};
use crate::{store, wire};

/// How far back revenue counts: 30 days.
const REVENUE_MS: u64 = 30 * 24 * 60 * 60 * 1000;
/// The states that an order is ever listed in.
const STATES: [State; 9] = [
    State::Reserved,
    State::AwaitingPayment,
    State::Paid,
    State::Shipped,
    State::Finished,
    State::Cancelled,
    State::Expired,
    State::Refunding,
    State::Refunded,
];

impl App {
    /// One order of which the caller is a party. Whoever has to pay it by hand is told where to, here and nowhere else: no event
    /// and no stored answer holds it.
    pub(crate) async fn get_order(&self, call: &Call<pb::OrderRequest>) -> Result<Answer<pb::Order>, Error> {
        let (id, row, role) = self.party_order(&call.caller, &call.request.id)?;
        let mut order = wire::order(id, &row.value);
        let waits_for_hand = row.value.kind() == Kind::Manual && row.value.state() == State::AwaitingPayment;
        if let (Role::Buyer, true, Some(payment)) = (role, waits_for_hand, &mut order.payment) {
            match self.peers.bank_accounts(row.value.seller.clone()).await {
                Ok(accounts) => payment.bank_accounts = accounts,
                // The order is worth showing without them.
                Err(error) => tracing::warn!(
                    order_id = %id,
                    error = &error as &dyn std::error::Error,
                    "the bank accounts of an order cannot be shown"
                ),
            }
        }
        Ok(Answer::new(order).version(row.value.version.into()))
    }

    /// The caller's orders as a buyer or as a seller, newest first.
    pub(crate) fn list_orders(
        &self,
        call: &Call<pb::ListOrdersRequest>,
    ) -> Result<Answer<pb::OrderList>, Error> {
        let user = call.caller.require_user()?;
        let (role, state) = wire::list(&call.request)?;
        let limit = page::limit(call.request.limit)?;
        let after = page::after::<OrderId>(call.request.cursor())?;
        let ids = store::orders_of(&self.store, (role, user), state, after, limit + 1)?;
        let (ids, next_cursor) = page::cut(ids, limit, |id| id);
        let rows = store::orders(&self.store, &ids)?;
        let items = rows.iter().map(|(id, row)| wire::order(*id, &row.value)).collect();
        Ok(Answer::new(pb::OrderList { items, next_cursor }))
    }

    /// How many orders of a seller are in each state, and what came in of late.
    pub(crate) fn seller_orders(
        &self,
        call: &Call<pb::GetSellerOrdersRequest>,
    ) -> Result<Answer<pb::SellerOrders>, Error> {
        let seller: UserId = call.request.seller_id.parse().map_err(|_| Error::Unknown("seller"))?;
        let mut states = Vec::new();
        for state in STATES {
            let count = store::index::count_in_state(&self.store, seller, state)?;
            if count > 0 {
                states.push(pb::StateCount { state: state.into(), count });
            }
        }
        let since_ms = call.now_ms.saturating_sub(REVENUE_MS);
        let kept = store::index::revenue(&self.store, seller, since_ms)?;
        Ok(Answer::new(pb::SellerOrders { states, revenue: Some(wire::money(kept.minor, &kept.currency)) }))
    }

    /// No write of this service is recovered yet, so there is no operation.
    pub(crate) fn get_operation(
        &self,
        call: &Call<pb::OperationRequest>,
    ) -> Result<Answer<pb::Operation>, Error> {
        call.caller.require_user()?;
        Err(Error::Unknown("operation"))
    }
}
