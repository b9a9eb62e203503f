//! The values of the tables, and how they become what the model knows.
//!
//! A number of a row's field is never given to another field: rows of older versions stay readable.

use vitrina_chassis::BadRow;
use vitrina_chassis::ids::UserId;
use vitrina_chassis::rows::fixed;

use crate::keys::{owner_key, owner_of};
use crate::model::{Album, Encoding, Image, ImageId, Owner, Size, Upload, UploadId, Variant};

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct OwnerRow {
    /// As in the key of an album.
    #[prost(uint32, tag = "1")]
    kind: u32,
    #[prost(bytes = "vec", tag = "2")]
    id: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct VariantRow {
    /// 1 thumb, 2 card, 3 page.
    #[prost(uint32, tag = "1")]
    size: u32,
    /// 1 WebP, 2 JPEG.
    #[prost(uint32, tag = "2")]
    encoding: u32,
    #[prost(bytes = "vec", tag = "3")]
    sha256: Vec<u8>,
    #[prost(uint32, tag = "4")]
    bytes: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ImageRow {
    #[prost(message, required, tag = "1")]
    owner: OwnerRow,
    #[prost(uint32, tag = "2")]
    width: u32,
    #[prost(uint32, tag = "3")]
    height: u32,
    #[prost(message, repeated, tag = "4")]
    variants: Vec<VariantRow>,
    #[prost(uint64, tag = "5")]
    created_at_ms: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct AlbumRow {
    #[prost(bytes = "vec", repeated, tag = "1")]
    images: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ProductRow {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) seller: Vec<u8>,
    #[prost(bool, tag = "2")]
    pub(crate) is_deleted: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct UploadRow {
    #[prost(bytes = "vec", tag = "1")]
    user: Vec<u8>,
    #[prost(message, required, tag = "2")]
    owner: OwnerRow,
    #[prost(uint32, tag = "3")]
    bytes: u32,
    #[prost(bytes = "vec", tag = "4")]
    sha256: Vec<u8>,
    #[prost(uint64, tag = "5")]
    expires_at_ms: u64,
    #[prost(bytes = "vec", optional, tag = "6")]
    image: Option<Vec<u8>>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct RemovalRow {
    #[prost(string, repeated, tag = "1")]
    pub(crate) keys: Vec<String>,
    /// Times that it was tried in vain.
    #[prost(uint32, tag = "2")]
    pub(crate) failures: u32,
    /// The upload whose row goes along with its object.
    #[prost(bytes = "vec", optional, tag = "3")]
    pub(crate) upload: Option<Vec<u8>>,
}

impl From<Owner> for OwnerRow {
    fn from(owner: Owner) -> OwnerRow {
        let (kind, id) = owner_key(owner);
        OwnerRow { kind: kind.into(), id: id.0.to_vec() }
    }
}

impl OwnerRow {
    fn owner(&self) -> Result<Owner, BadRow> {
        let kind = u8::try_from(self.kind).map_err(|_| BadRow("owner"))?;
        owner_of(kind, fixed(&self.id, "owner")?).ok_or(BadRow("owner"))
    }
}

impl From<&Variant> for VariantRow {
    fn from(variant: &Variant) -> VariantRow {
        let size = match variant.size {
            Size::Thumb => 1,
            Size::Card => 2,
            Size::Page => 3,
        };
        let encoding = match variant.encoding {
            Encoding::Webp => 1,
            Encoding::Jpeg => 2,
        };
        VariantRow { size, encoding, sha256: variant.sha256.to_vec(), bytes: variant.bytes }
    }
}

impl VariantRow {
    fn variant(&self) -> Result<Variant, BadRow> {
        let size = match self.size {
            1 => Size::Thumb,
            2 => Size::Card,
            3 => Size::Page,
            _ => return Err(BadRow("size")),
        };
        let encoding = match self.encoding {
            1 => Encoding::Webp,
            2 => Encoding::Jpeg,
            _ => return Err(BadRow("encoding")),
        };
        Ok(Variant { size, encoding, sha256: fixed(&self.sha256, "sha256")?, bytes: self.bytes })
    }
}

impl From<&Image> for ImageRow {
    fn from(image: &Image) -> ImageRow {
        ImageRow {
            owner: image.owner.into(),
            width: image.width,
            height: image.height,
            variants: image.variants.iter().map(Into::into).collect(),
            created_at_ms: image.created_at_ms,
        }
    }
}

impl ImageRow {
    pub(crate) fn image(&self, id: ImageId) -> Result<Image, BadRow> {
        Ok(Image {
            id,
            owner: self.owner.owner()?,
            width: self.width,
            height: self.height,
            variants: self.variants.iter().map(VariantRow::variant).collect::<Result<_, _>>()?,
            created_at_ms: self.created_at_ms,
        })
    }
}

impl From<&Album> for AlbumRow {
    fn from(album: &Album) -> AlbumRow {
        AlbumRow { images: album.images.iter().map(|id| id.bytes().to_vec()).collect() }
    }
}

impl AlbumRow {
    pub(crate) fn album(&self) -> Result<Album, BadRow> {
        let ids = self.images.iter().map(|id| Ok(ImageId::from_bytes(fixed(id, "image")?)));
        Ok(Album { images: ids.collect::<Result<_, BadRow>>()? })
    }
}

impl From<&Upload> for UploadRow {
    fn from(upload: &Upload) -> UploadRow {
        UploadRow {
            user: upload.user.bytes().to_vec(),
            owner: upload.owner.into(),
            bytes: upload.bytes,
            sha256: upload.sha256.to_vec(),
            expires_at_ms: upload.expires_at_ms,
            image: upload.image.map(|id| id.bytes().to_vec()),
        }
    }
}

impl UploadRow {
    pub(crate) fn upload(&self, id: UploadId) -> Result<Upload, BadRow> {
        let image = self.image.as_deref().map(|id| fixed(id, "image")).transpose()?;
        Ok(Upload {
            id,
            user: UserId::from_bytes(fixed(&self.user, "user")?),
            owner: self.owner.owner()?,
            bytes: self.bytes,
            sha256: fixed(&self.sha256, "sha256")?,
            expires_at_ms: self.expires_at_ms,
            image: image.map(ImageId::from_bytes),
        })
    }
}
