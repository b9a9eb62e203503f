//! OrderProductImages.

use vitrina_chassis::{Answer, Call, Decision, unit};
use vitrina_proto::images::v1 as pb;
use vitrina_storage::Commit;

use super::{App, tagged};
use crate::error::Error;
use crate::model::Owner;
use crate::{events, store, wire};

const RPC: &str = "vitrina.images.v1.Images/OrderProductImages";

impl App {
    /// Sets the order of a product's pictures. The order that it has already changes nothing.
    pub(crate) async fn order_product_images(
        &self,
        call: Call<pb::OrderProductImagesRequest>,
    ) -> Result<Answer<pb::ImageList>, Error> {
        let seller = call.caller.require_seller()?;
        let product = wire::product_id(&call.request.product_id)?;
        self.known_product(product).await?;
        self.own_product(product, seller)?;
        let ids = wire::order(&call.request)?;
        let owner = Owner::Product(product);
        unit(&self.store, &call, RPC, || {
            let before = store::album(&self.store, owner)?;
            call.check_version(before.version)?;
            let mut after = before.value.clone();
            after.order(&ids)?;
            let reply = wire::list(&store::images(&self.store, &ids)?);
            if after == before.value {
                return Ok(Decision::unchanged(Answer::new(reply).version(before.version)));
            }
            let mut commit = Commit::new();
            let version = store::put_album(&mut commit, owner, &before, &after);
            commit.emit(events::ready(owner, &after, version));
            Ok(Decision::new(commit, tagged(Answer::new(reply).version(version), owner)))
        })
        .await
    }
}
