//! ListProductImages and BatchListImages.

use vitrina_chassis::{Answer, Call};
use vitrina_proto::images::v1 as pb;

use super::App;
use crate::error::Error;
use crate::model::{ImageId, Owner};
use crate::{store, wire};

impl App {
    /// The pictures of a product in their order.
    pub(crate) async fn list_product_images(
        &self,
        call: &Call<pb::ListProductImagesRequest>,
    ) -> Result<Answer<pb::ImageList>, Error> {
        let product = wire::product_id(&call.request.product_id)?;
        self.known_product(product).await?;
        let album = store::album(&self.store, Owner::Product(product))?;
        let reply = wire::list(&store::images(&self.store, &album.value.images)?);
        Ok(Answer::new(reply).version(album.version))
    }

    /// The pictures of several owners, in the order that was asked for; those without any are left out.
    pub(crate) fn batch_list_images(
        &self,
        call: &Call<pb::BatchListImagesRequest>,
    ) -> Result<Answer<pb::ImagesByOwner>, Error> {
        let owners = wire::owners(&call.request.owner_ids)?;
        let albums = store::albums(&self.store, &owners)?;
        let ids: Vec<ImageId> = albums.iter().flat_map(|album| album.images.iter().copied()).collect();
        let images = store::images(&self.store, &ids)?;
        let items = owners.iter().map(|owner| {
            let own = images.iter().filter(|image| image.owner == *owner);
            pb::OwnerImages { owner_id: owner.to_string(), images: own.map(wire::image).collect() }
        });
        Ok(Answer::new(pb::ImagesByOwner { items: items.filter(|item| !item.images.is_empty()).collect() }))
    }
}
