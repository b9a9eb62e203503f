//! UploadProductImage and PutAvatar, and what they share with CompleteUpload.
//!
//! ```text
//! check ─▶ make the variants ─▶ queue their removal in an hour ─▶ put them ─▶ one commit: the picture, its place, the removal gone
//! ```
//!
//! The removal is queued first, so that a crash, a deadline or an outage between the steps leaves objects behind for an hour and
//! not for ever. A call takes 30 s at most, so the removal cannot come in between.

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use prost::Message;
use sha2::{Digest, Sha256};
use vitrina_chassis::ids::UserId;
use vitrina_chassis::{Answer, Call, Decision, unit};
use vitrina_proto::images::v1 as pb;
use vitrina_storage::Commit;

use super::{App, tagged};
use crate::error::Error;
use crate::keys::RemovalKey;
use crate::model::{Image, ImageId, Owner, Refusal, UploadId};
use crate::picture::{self, Header, Made, Unfit};
use crate::{events, store, wire};

const UPLOAD_RPC: &str = "vitrina.images.v1.Images/UploadProductImage";
const AVATAR_RPC: &str = "vitrina.images.v1.Images/PutAvatar";
/// When the objects of a picture that came to nothing are removed.
const DRAFT_MS: u64 = 60 * 60 * 1000;
/// Variants that are put at once; more would not be quicker on one connection's way.
const PUTS_MAX: usize = 3;

/// A picture that is to be added.
pub(super) struct Addition {
    pub(super) user: UserId,
    pub(super) owner: Owner,
    pub(super) content: Bytes,
    /// The upload that it completes.
    pub(super) upload: Option<UploadId>,
}

/// A picture whose objects are there, but which nobody has yet.
struct Draft {
    image: Image,
    removal: RemovalKey,
}

impl App {
    /// Adds a picture to a product of the caller.
    pub(crate) async fn upload_product_image(
        &self,
        mut call: Call<pb::UploadProductImageRequest>,
    ) -> Result<Answer<pb::ImageReply>, Error> {
        let user = call.caller.require_seller()?;
        let product = wire::product_id(&call.request.product_id)?;
        let content = Bytes::from(std::mem::take(&mut call.request.content));
        call.request.content = fingerprint(&call, &content);
        self.known_product(product).await?;
        let addition = Addition { user, owner: Owner::Product(product), content, upload: None };
        self.add(&call, UPLOAD_RPC, addition).await
    }

    /// Sets the caller's avatar; the one before goes.
    pub(crate) async fn put_avatar(
        &self,
        mut call: Call<pb::PutAvatarRequest>,
    ) -> Result<Answer<pb::ImageReply>, Error> {
        let user = call.caller.require_user()?;
        let content = Bytes::from(std::mem::take(&mut call.request.content));
        call.request.content = fingerprint(&call, &content);
        let addition = Addition { user, owner: Owner::User(user), content, upload: None };
        self.add(&call, AVATAR_RPC, addition).await
    }

    /// Makes a picture and adds it to its owner's album.
    pub(super) async fn add<Req: Message>(
        &self,
        call: &Call<Req>,
        rpc: &'static str,
        addition: Addition,
    ) -> Result<Answer<pb::ImageReply>, Error> {
        if let Some(answer) = self.answered(call, rpc).await? {
            return Ok(answer);
        }
        let Addition { user, owner, content, upload } = addition;
        // What would be refused in the end is refused before the work.
        self.check_room(user, owner)?;
        let made = self.make(content).await?;
        let draft = self.draft(owner, made, call.now_ms).await?;
        unit(&self.store, call, rpc, || {
            let mut commit = Commit::new();
            if let Some(id) = upload {
                let row = store::upload(&self.store, id)?.ok_or(Error::UploadUnknown)?;
                if let Some(image) = row.value.image {
                    // Another call was faster. What this one made is removed in an hour.
                    return Ok(Decision::unchanged(Answer::new(self.reply(image)?)));
                }
                store::complete_upload(&mut commit, &row, draft.image.id);
            }
            self.place(commit, user, &draft, call.now_ms)
        })
        .await
    }

    /// The answer that names a picture.
    pub(super) fn reply(&self, id: ImageId) -> Result<pb::ImageReply, Error> {
        Ok(wire::reply(&store::image(&self.store, id)?.ok_or(Error::ImageUnknown)?))
    }

    /// Whether the owner is the caller's and has room for one more.
    pub(super) fn check_room(&self, user: UserId, owner: Owner) -> Result<(), Error> {
        let Owner::Product(product) = owner else { return Ok(()) };
        self.own_product(product, user)?;
        let is_full = store::album(&self.store, owner)?.value.is_full();
        if is_full { Err(Refusal::AlbumFull.into()) } else { Ok(()) }
    }

    /// Makes the variants, unless that takes too much memory.
    async fn make(&self, content: Bytes) -> Result<Made, Error> {
        let bytes_max = self.config.decode_bytes_max;
        let job = move || {
            let header = picture::read_header(&content)?;
            if header.decode_bytes() > bytes_max {
                return Err(too_heavy(&header, bytes_max));
            }
            picture::remake(&content, &header)
        };
        Ok(self.worker.run(job).await?)
    }

    /// Puts the variants into the bucket, with their removal queued before.
    async fn draft(&self, owner: Owner, made: Made, now_ms: u64) -> Result<Draft, Error> {
        let image = Image {
            id: ImageId::at(now_ms),
            owner,
            width: made.width,
            height: made.height,
            variants: made.files.iter().map(|file| file.variant.clone()).collect(),
            created_at_ms: now_ms,
        };
        let mut commit = Commit::new();
        let removal = store::queue_removal(&mut commit, &image, now_ms + DRAFT_MS);
        self.store.commit(commit).await?;
        let puts = made.files.into_iter().map(|file| {
            let (key, variant) = (image.object_key(&file.variant), file.variant);
            async move {
                let content_type = variant.encoding.content_type();
                self.bucket.put(&key, file.content, content_type, &variant.sha256).await
            }
        });
        stream::iter(puts).buffer_unordered(PUTS_MAX).try_collect::<()>().await?;
        Ok(Draft { image, removal })
    }

    /// Adds the picture to its album. A commit of its own kind for each step that may have changed since it was checked.
    fn place(
        &self,
        mut commit: Commit,
        user: UserId,
        draft: &Draft,
        now_ms: u64,
    ) -> Result<Decision<pb::ImageReply>, Error> {
        let Draft { image, removal } = draft;
        if !store::is_queued(&self.store, removal)? {
            return Err(Error::TooSlow);
        }
        if let Owner::Product(product) = image.owner {
            let row = self.own_product(product, user)?;
            store::expect_product(&mut commit, product, row.version);
        }
        let before = store::album(&self.store, image.owner)?;
        let mut after = before.value.clone();
        let gone = after.add(image.owner, image.id)?;
        for old in store::images(&self.store, &gone)? {
            store::remove_image(&mut commit, &old, now_ms);
        }
        store::add_image(&mut commit, image);
        store::keep_objects(&mut commit, removal);
        let version = store::put_album(&mut commit, image.owner, &before, &after);
        commit.emit(events::ready(image.owner, &after, version));
        Ok(Decision::new(commit, tagged(Answer::new(wire::reply(image)), image.owner)))
    }
}

/// What stands for the bytes of a picture in the fingerprint of its request: ten megabytes need not be encoded once more.
/// Only asked for by a call with a key.
fn fingerprint<T>(call: &Call<T>, content: &[u8]) -> Vec<u8> {
    if call.idempotency_key.is_some() { Sha256::digest(content).to_vec() } else { Vec::new() }
}

fn too_heavy(header: &Header, bytes_max: u64) -> Unfit {
    Unfit::TooHeavy { pixels_max: bytes_max * 10 / header.bytes_per_ten_pixels.max(1) }
}
