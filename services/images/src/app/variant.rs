//! GetVariant.
//!
//! Whether there is such a picture is asked of the store each time, so that a removed one is gone at once. Its bytes never
//! change, so they are kept in memory as long as there is room, the least used going first.

use bytes::Bytes;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use vitrina_chassis::{Answer, Call};
use vitrina_proto::images::v1 as pb;

use super::App;
use crate::error::Error;
use crate::model::{Image, Variant, hex};
use crate::provider::BucketError;
use crate::{store, wire};

/// Bytes of a usual variant, from which the cache guesses how many it will hold.
const VARIANT_BYTES_USUAL: u64 = 32 * 1024;
/// Variants that are fetched from the bucket at once, of some hundred KB at most.
const FETCHES_MAX: usize = 32;

/// The variants in memory, by the keys of their objects.
pub(super) struct Variants {
    cache: Cache<String, Bytes, Bytewise>,
    fetches: Semaphore,
}

#[derive(Clone)]
struct Bytewise;

impl Weighter<String, Bytes> for Bytewise {
    fn weight(&self, key: &String, content: &Bytes) -> u64 {
        (key.len() + content.len()) as u64
    }
}

impl Variants {
    pub(super) fn new(bytes_max: u64) -> Variants {
        let guess = usize::try_from(bytes_max / VARIANT_BYTES_USUAL).unwrap_or(usize::MAX);
        Variants {
            cache: Cache::with_weighter(guess, bytes_max, Bytewise),
            fetches: Semaphore::new(FETCHES_MAX),
        }
    }
}

impl std::fmt::Debug for Variants {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Variants").field("bytes", &self.cache.weight()).finish_non_exhaustive()
    }
}

impl App {
    /// The bytes of a variant.
    pub(crate) async fn get_variant(
        &self,
        call: &Call<pb::GetVariantRequest>,
    ) -> Result<Answer<pb::VariantBytes>, Error> {
        let id = wire::image_id(&call.request.id)?;
        let (size, encoding) = wire::variant(&call.request.variant)?;
        let image = store::image(&self.store, id)?.ok_or(Error::ImageUnknown)?;
        let variant = image.variant(size, encoding).ok_or(Error::ImageUnknown)?;
        let key = image.object_key(variant);
        // Of those who miss the same variant at once, one fetches it.
        let content = self.variants.cache.get_or_insert_async(&key, self.fetch(&image, variant)).await?;
        Ok(Answer::new(pb::VariantBytes {
            content: content.to_vec(),
            content_type: encoding.content_type().to_owned(),
            sha256: hex(&variant.sha256),
        }))
    }

    async fn fetch(&self, image: &Image, variant: &Variant) -> Result<Bytes, Error> {
        let _place = self.variants.fetches.acquire().await;
        let key = image.object_key(variant);
        match self.bucket.get(&key, variant.bytes).await {
            Ok(content) if Sha256::digest(&content).as_slice() == variant.sha256.as_slice() => Ok(content),
            Ok(_) | Err(BucketError::Absent | BucketError::TooLarge) => Err(Error::ObjectDamaged { key }),
            Err(error @ BucketError::Unavailable(_)) => Err(error.into()),
        }
    }
}
