//! Where it is kept.
//!
//! | table | key | value |
//! |---|---|---|
//! | `images` | image | the picture: owner, pixels, its variants and their hashes |
//! | `albums` | kind of owner, owner | its pictures in their order; stays when empty, so that its version only grows |
//! | `products` | product | whose it is, as last heard |
//! | `uploads` | upload | what was announced by whom; goes with its object |
//! | `removals` | due in ms, image or upload | keys of objects to remove from then on |
//!
//! In the bucket: `images/{image}/{sha256}.{webp,jpg}` and `uploads/{upload}`.

use vitrina_chassis::ids::UserId;
use vitrina_storage::{Id16, Table};

use crate::model::{ImageId, Owner, ProductId, UploadId};
use crate::store::rows::{AlbumRow, ImageRow, ProductRow, RemovalRow, UploadRow};

/// The pictures.
pub(crate) const IMAGES: Table<ImageId, ImageRow> = Table::new(0x10, "images");
/// The pictures of an owner.
pub(crate) const ALBUMS: Table<OwnerKey, AlbumRow> = Table::new(0x11, "albums");
/// The products that were heard of.
pub(crate) const PRODUCTS: Table<ProductId, ProductRow> = Table::new(0x12, "products");
/// The uploads by a presigned address.
pub(crate) const UPLOADS: Table<UploadId, UploadRow> = Table::new(0x13, "uploads");
/// The objects to remove, first due first.
pub(crate) const REMOVALS: Table<RemovalKey, RemovalRow> = Table::new(0x14, "removals");

/// Kind of owner and its id.
pub(crate) type OwnerKey = (u8, Id16);
/// When it is due, and for what.
pub(crate) type RemovalKey = (u64, Id16);

const PRODUCT: u8 = 1;
const USER: u8 = 2;

/// The key of an owner.
pub(crate) fn owner_key(owner: Owner) -> OwnerKey {
    match owner {
        Owner::Product(id) => (PRODUCT, Id16(id.bytes())),
        Owner::User(id) => (USER, Id16(id.bytes())),
    }
}

/// The owner of a key; none for a kind that this version does not know.
pub(crate) fn owner_of(kind: u8, id: [u8; 16]) -> Option<Owner> {
    match kind {
        PRODUCT => Some(Owner::Product(ProductId::from_bytes(id))),
        USER => Some(Owner::User(UserId::from_bytes(id))),
        _ => None,
    }
}
