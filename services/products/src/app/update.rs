//! UpdateProduct.

use vitrina_chassis::{Answer, Call, Decision, unit};
use vitrina_proto::products::v1 as pb;
use vitrina_storage::Commit;

use super::{App, next, product_answer};
use crate::error::Error;
use crate::{events, store, wire};

const RPC: &str = "vitrina.products.v1.Products/UpdateProduct";

impl App {
    /// Changes the fields that are given. Giving what is there already changes nothing, the version neither.
    pub(crate) async fn update_product(
        &self,
        call: Call<pb::UpdateProductRequest>,
    ) -> Result<Answer<pb::Product>, Error> {
        unit(&self.store, &call, RPC, || {
            let before = self.product_to_change(&call, &call.request.id)?;
            let mut after = before.value.clone();
            wire::update(&call.request, &mut after)?;
            let listing = store::listing(&self.store, after.id)?;
            if after == before.value {
                let reply = wire::product(&after, before.version, listing, call.now_ms);
                return Ok(Decision::unchanged(Answer::new(reply).version(before.version)));
            }
            after.updated_at_ms = call.now_ms;
            let reply = next(&before, &after, listing, call.now_ms);
            let mut commit = Commit::new();
            store::replace(&mut commit, &before, &after);
            commit.emit(events::changed(&before.value, &reply, call.now_ms));
            Ok(Decision::new(commit, product_answer(reply, after.id, listing)))
        })
        .await
    }
}
