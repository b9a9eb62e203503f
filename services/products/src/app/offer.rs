//! PutOffer and DeleteOffer.

use vitrina_chassis::{Answer, Call, Decision, unit};
use vitrina_proto::common::v1::Empty;
use vitrina_proto::products::v1 as pb;
use vitrina_storage::Commit;

use super::{App, next, product_answer, tagged};
use crate::error::Error;
use crate::{events, store, wire};

const PUT_RPC: &str = "vitrina.products.v1.Products/PutOffer";
const DELETE_RPC: &str = "vitrina.products.v1.Products/DeleteOffer";

impl App {
    /// Sets the offer of a product or variant, in place of the one before.
    pub(crate) async fn put_offer(
        &self,
        call: Call<pb::PutOfferRequest>,
    ) -> Result<Answer<pb::Product>, Error> {
        unit(&self.store, &call, PUT_RPC, || {
            let before = self.product_to_change(&call, &call.request.id)?;
            let (variant, offer) = wire::offer(&call.request, call.now_ms)?;
            let mut after = before.value.clone();
            after.put_offer(variant, offer)?;
            after.updated_at_ms = call.now_ms;
            let listing = store::listing(&self.store, after.id)?;
            let reply = next(&before, &after, listing, call.now_ms);
            let mut commit = Commit::new();
            store::replace(&mut commit, &before, &after);
            commit.emit(events::changed(&before.value, &reply, call.now_ms));
            Ok(Decision::new(commit, product_answer(reply, after.id, listing)))
        })
        .await
    }

    /// Ends the offer of a product or variant; fine when there is none.
    pub(crate) async fn delete_offer(
        &self,
        call: Call<pb::DeleteOfferRequest>,
    ) -> Result<Answer<Empty>, Error> {
        unit(&self.store, &call, DELETE_RPC, || {
            let before = self.product_to_change(&call, &call.request.id)?;
            let variant = wire::offer_end(&call.request)?;
            let mut after = before.value.clone();
            if after.take_offer(variant)?.is_none() {
                return Ok(Decision::unchanged(Answer::new(Empty {})));
            }
            after.updated_at_ms = call.now_ms;
            let listing = store::listing(&self.store, after.id)?;
            let mut commit = Commit::new();
            store::replace(&mut commit, &before, &after);
            let product = next(&before, &after, listing, call.now_ms);
            commit.emit(events::changed(&before.value, &product, call.now_ms));
            Ok(Decision::new(commit, tagged(Answer::new(Empty {}), after.id, listing)))
        })
        .await
    }
}
