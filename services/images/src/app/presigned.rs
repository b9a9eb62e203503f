//! CreateUpload and CompleteUpload: the way by which a picture goes to the bucket without passing the edge.
//!
//! The signature binds length, kind and hash, and the bytes that come back are checked again: nothing is believed of an object
//! that a client wrote. The object and the row of the upload stay until an hour after the address has expired, so that a call
//! that comes twice finds what it did; then the queue of removals takes both.

use std::time::Duration;

use sha2::{Digest, Sha256};
use vitrina_chassis::{Answer, Call, Decision, unit};
use vitrina_proto::images::v1 as pb;
use vitrina_storage::Commit;

use super::App;
use super::add::Addition;
use crate::error::Error;
use crate::model::{Owner, Upload, UploadId};
use crate::provider::{BucketError, Promise};
use crate::{store, wire};

const CREATE_RPC: &str = "vitrina.images.v1.Images/CreateUpload";
const COMPLETE_RPC: &str = "vitrina.images.v1.Images/CompleteUpload";
/// How long an upload is remembered after its address has expired; a completion that began in time ends well within it.
const GRACE_MS: u64 = 60 * 60 * 1000;

impl App {
    /// Signs an address to put a picture to.
    pub(crate) async fn create_upload(
        &self,
        call: Call<pb::CreateUploadRequest>,
    ) -> Result<Answer<pb::Upload>, Error> {
        let user = call.caller.require_user()?;
        let announced = wire::announced(&call.request)?;
        let owner = match announced.product {
            None => Owner::User(user),
            Some(product) => {
                call.caller.require_seller()?;
                self.known_product(product).await?;
                Owner::Product(product)
            }
        };
        self.check_room(user, owner)?;
        let upload = Upload {
            id: UploadId::at(call.now_ms),
            user,
            owner,
            bytes: announced.bytes,
            sha256: announced.sha256,
            expires_at_ms: call.now_ms + self.config.upload_expires_ms,
            image: None,
        };
        let promise = Promise {
            content_type: announced.content_type,
            bytes: announced.bytes,
            sha256: announced.sha256,
        };
        let good_for = Duration::from_millis(self.config.upload_expires_ms);
        let presigned = self.bucket.presign_put(&upload.object_key(), promise, good_for).await?;
        let reply = wire::upload(&upload, presigned);
        unit(&self.store, &call, CREATE_RPC, || {
            let mut commit = Commit::new();
            store::add_upload(&mut commit, &upload, upload.expires_at_ms + GRACE_MS);
            Ok(Decision::new(commit, Answer::new(reply.clone())))
        })
        .await
    }

    /// Makes a picture of what was put; answers the same picture again when it was made already.
    pub(crate) async fn complete_upload(
        &self,
        call: Call<pb::CompleteUploadRequest>,
    ) -> Result<Answer<pb::ImageReply>, Error> {
        let user = call.caller.require_user()?;
        let id: UploadId = call.request.id.parse().map_err(|_| Error::UploadUnknown)?;
        let upload = store::upload(&self.store, id)?.ok_or(Error::UploadUnknown)?.value;
        if upload.user != user {
            return Err(Error::UploadUnknown);
        }
        if let Some(image) = upload.image {
            return Ok(Answer::new(self.reply(image)?));
        }
        if upload.expires_at_ms <= call.now_ms {
            return Err(Error::UploadUnknown);
        }
        self.check_room(user, upload.owner)?;
        let content =
            self.bucket.get(&upload.object_key(), upload.bytes).await.map_err(|error| match error {
                BucketError::Absent => Error::UploadMissing,
                BucketError::TooLarge => Error::UploadDiffers,
                BucketError::Unavailable(_) => error.into(),
            })?;
        let differs = content.len() != upload.bytes as usize
            || Sha256::digest(&content).as_slice() != upload.sha256.as_slice();
        if differs {
            return Err(Error::UploadDiffers);
        }
        let addition = Addition { user, owner: upload.owner, content, upload: Some(id) };
        self.add(&call, COMPLETE_RPC, addition).await
    }
}
