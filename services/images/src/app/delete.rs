//! DeleteImage.

use vitrina_chassis::{Answer, Call, Decision, unit};
use vitrina_proto::common::v1::Empty;
use vitrina_proto::images::v1 as pb;
use vitrina_storage::Commit;

use super::{App, tagged};
use crate::error::Error;
use crate::model::Owner;
use crate::{events, store, wire};

const RPC: &str = "vitrina.images.v1.Images/DeleteImage";

impl App {
    /// Removes a picture of the caller. Its objects go afterwards, by the queue of removals in the same commit.
    pub(crate) async fn delete_image(
        &self,
        call: Call<pb::DeleteImageRequest>,
    ) -> Result<Answer<Empty>, Error> {
        let user = call.caller.require_user()?;
        let id = wire::image_id(&call.request.id)?;
        unit(&self.store, &call, RPC, || {
            let image = store::image(&self.store, id)?.ok_or(Error::ImageUnknown)?;
            let is_own = match image.owner {
                Owner::User(owner) => owner == user,
                Owner::Product(product) => {
                    store::product(&self.store, product)?.is_some_and(|row| row.value.seller == user)
                }
            };
            if !is_own {
                return Err(Error::NotOwner);
            }
            let before = store::album(&self.store, image.owner)?;
            let mut after = before.value.clone();
            after.remove(id);
            let mut commit = Commit::new();
            store::remove_image(&mut commit, &image, call.now_ms);
            let version = store::put_album(&mut commit, image.owner, &before, &after);
            commit.emit(events::deleted(image.owner, &after, version));
            Ok(Decision::new(commit, tagged(Answer::new(Empty {}), image.owner)))
        })
        .await
    }
}
