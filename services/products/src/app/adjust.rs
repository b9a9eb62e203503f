//! AdjustStock.

use vitrina_chassis::{Answer, Call, Decision, unit};
use vitrina_proto::products::v1 as pb;
use vitrina_storage::Commit;

use super::{App, next, product_answer};
use crate::error::Error;
use crate::store::rows::AdjustmentRow;
use crate::{events, store, wire};

const RPC: &str = "vitrina.products.v1.Products/AdjustStock";

impl App {
    /// Moves the units on hand by a delta and notes why; once per idempotency key.
    pub(crate) async fn adjust_stock(
        &self,
        call: Call<pb::AdjustStockRequest>,
    ) -> Result<Answer<pb::Product>, Error> {
        unit(&self.store, &call, RPC, || {
            let before = self.product_to_change(&call, &call.request.id)?;
            let adjustment = wire::adjustment(&call.request)?;
            let mut after = before.value.clone();
            after.adjust(adjustment.variant, adjustment.delta)?;
            after.updated_at_ms = call.now_ms;
            let listing = store::listing(&self.store, after.id)?;
            let reply = next(&before, &after, listing, call.now_ms);
            let mut commit = Commit::new();
            store::replace(&mut commit, &before, &after);
            let noted = AdjustmentRow {
                delta: adjustment.delta,
                reason: adjustment.reason,
                at_ms: call.now_ms,
                variant: adjustment.variant.map(|id| id.bytes().to_vec()),
            };
            store::note_adjustment(&mut commit, after.id, before.version + 1, &noted);
            commit.emit(events::stock_changed(&before.value, &reply, call.now_ms));
            Ok(Decision::new(commit, product_answer(reply, after.id, listing)))
        })
        .await
    }
}
