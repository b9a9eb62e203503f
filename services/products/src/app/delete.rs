//! DeleteProduct.

use vitrina_chassis::{Answer, Call, Decision, unit};
use vitrina_proto::common::v1::Empty;
use vitrina_proto::products::v1 as pb;
use vitrina_storage::Commit;

use super::{App, next, tagged};
use crate::error::Error;
use crate::{events, store};

const RPC: &str = "vitrina.products.v1.Products/DeleteProduct";

impl App {
    /// Removes a product that is not published. Units that orders hold of it stay held, for the orders' sake.
    pub(crate) async fn delete_product(
        &self,
        call: Call<pb::DeleteProductRequest>,
    ) -> Result<Answer<Empty>, Error> {
        unit(&self.store, &call, RPC, || {
            let before = self.product_to_change(&call, &call.request.id)?;
            if store::listing(&self.store, before.value.id)?.is_some() {
                return Err(Error::PublicationActive);
            }
            let mut after = before.value.clone();
            after.is_deleted = true;
            after.updated_at_ms = call.now_ms;
            let mut commit = Commit::new();
            store::delete(&mut commit, &before, &after);
            commit.emit(events::deleted(&next(&before, &after, None, call.now_ms)));
            Ok(Decision::new(commit, tagged(Answer::new(Empty {}), after.id, None)))
        })
        .await
    }
}
