//! What is true: pictures, the albums that they stand in, and the rules between them.
//!
//! Pure: no clock, no randomness, no wire type.

use vitrina_chassis::ids::UserId;

vitrina_chassis::id_type!(
    /// Which picture.
    ImageId, "img_"
);
vitrina_chassis::id_type!(
    /// Which upload by a presigned address.
    UploadId, "upl_"
);
vitrina_chassis::id_type!(
    /// Which product; owned by the service of products.
    ProductId, "prd_"
);

/// Pictures of a product; the contract's bound.
pub(crate) const PRODUCT_IMAGES_MAX: usize = 12;
/// Bytes of an uploaded picture; the contract's bound.
pub(crate) const CONTENT_BYTES_MAX: u32 = 10 * 1024 * 1024;

/// Whose pictures they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Owner {
    Product(ProductId),
    User(UserId),
}

/// How large a variant is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    Thumb,
    Card,
    Page,
}

/// How a variant is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Webp,
    Jpeg,
}

/// One of the forms in which a picture is given out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Variant {
    pub(crate) size: Size,
    pub(crate) encoding: Encoding,
    pub(crate) sha256: [u8; 32],
    pub(crate) bytes: u32,
}

/// A picture that was made here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Image {
    pub(crate) id: ImageId,
    pub(crate) owner: Owner,
    /// Pixels of the largest variant.
    pub(crate) width: u32,
    /// Pixels of the largest variant.
    pub(crate) height: u32,
    pub(crate) variants: Vec<Variant>,
    pub(crate) created_at_ms: u64,
}

/// The pictures of an owner, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Album {
    pub(crate) images: Vec<ImageId>,
}

/// A picture that was announced and is put into the bucket by the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Upload {
    pub(crate) id: UploadId,
    pub(crate) user: UserId,
    pub(crate) owner: Owner,
    pub(crate) bytes: u32,
    pub(crate) sha256: [u8; 32],
    pub(crate) expires_at_ms: u64,
    /// What became of it.
    pub(crate) image: Option<ImageId>,
}

/// Why a rule says no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the product has {PRODUCT_IMAGES_MAX} pictures")]
    AlbumFull,
    #[error("the order does not name every picture of the product once")]
    OrderDiffers,
}

impl Size {
    pub(crate) const ALL: [Size; 3] = [Size::Thumb, Size::Card, Size::Page];

    /// Most pixels of the longer side. A smaller picture is not enlarged.
    pub(crate) fn side_px(self) -> u32 {
        match self {
            Size::Thumb => 160,
            Size::Card => 480,
            Size::Page => 1200,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Size::Thumb => "thumb",
            Size::Card => "card",
            Size::Page => "page",
        }
    }
}

impl Encoding {
    pub(crate) const ALL: [Encoding; 2] = [Encoding::Webp, Encoding::Jpeg];

    pub(crate) fn extension(self) -> &'static str {
        match self {
            Encoding::Webp => "webp",
            Encoding::Jpeg => "jpg",
        }
    }

    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Encoding::Webp => "image/webp",
            Encoding::Jpeg => "image/jpeg",
        }
    }
}

impl Image {
    /// The key of a variant's object: addressed by its content, within the picture. Two pictures with the same bytes thus have
    /// an object each, so that removing one needs no counting of who else names it.
    pub(crate) fn object_key(&self, variant: &Variant) -> String {
        format!("images/{}/{}.{}", self.id, hex(&variant.sha256), variant.encoding.extension())
    }

    pub(crate) fn object_keys(&self) -> Vec<String> {
        let mut keys: Vec<String> = self.variants.iter().map(|variant| self.object_key(variant)).collect();
        // A picture smaller than a card has the same bytes twice.
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    pub(crate) fn variant(&self, size: Size, encoding: Encoding) -> Option<&Variant> {
        self.variants.iter().find(|variant| variant.size == size && variant.encoding == encoding)
    }
}

impl Album {
    /// Adds a picture behind the others of a product; an avatar takes the place of the one before. Gives what has to go.
    pub(crate) fn add(&mut self, owner: Owner, image: ImageId) -> Result<Vec<ImageId>, Refusal> {
        match owner {
            Owner::User(_) => Ok(std::mem::replace(&mut self.images, vec![image])),
            Owner::Product(_) if self.is_full() => Err(Refusal::AlbumFull),
            Owner::Product(_) => {
                self.images.push(image);
                Ok(Vec::new())
            }
        }
    }

    /// Whether a product can have no more pictures.
    pub(crate) fn is_full(&self) -> bool {
        self.images.len() >= PRODUCT_IMAGES_MAX
    }

    pub(crate) fn remove(&mut self, image: ImageId) {
        self.images.retain(|id| *id != image);
    }

    /// Sets the order; refused unless it names every picture once.
    pub(crate) fn order(&mut self, ids: &[ImageId]) -> Result<(), Refusal> {
        let sorted = |ids: &[ImageId]| {
            let mut ids = ids.to_vec();
            ids.sort_unstable();
            ids
        };
        if sorted(ids) != sorted(&self.images) {
            return Err(Refusal::OrderDiffers);
        }
        self.images = ids.to_vec();
        Ok(())
    }
}

impl Upload {
    /// The key of the object that the client puts.
    pub(crate) fn object_key(&self) -> String {
        format!("uploads/{}", self.id)
    }
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Owner::Product(id) => id.fmt(f),
            Owner::User(id) => id.fmt(f),
        }
    }
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_has_twelve_pictures_at_most() {
        let owner = Owner::Product(ProductId::generate());
        let mut album = Album::default();
        for _ in 0..PRODUCT_IMAGES_MAX {
            assert_eq!(album.add(owner, ImageId::generate()), Ok(Vec::new()));
        }
        assert_eq!(album.add(owner, ImageId::generate()), Err(Refusal::AlbumFull));
        album.remove(album.images[3]);
        assert!(album.add(owner, ImageId::generate()).is_ok());
    }

    #[test]
    fn a_new_avatar_takes_the_place_of_the_old_one() {
        let (owner, first, second) =
            (Owner::User(UserId::generate()), ImageId::generate(), ImageId::generate());
        let mut album = Album::default();
        assert_eq!(album.add(owner, first), Ok(Vec::new()));
        assert_eq!(album.add(owner, second), Ok(vec![first]));
        assert_eq!(album.images, [second]);
    }

    #[test]
    fn an_order_names_every_picture_once() {
        let [a, b, c] = [1, 2, 3].map(ImageId::at);
        let mut album = Album { images: vec![a, b] };
        for wrong in [&[a][..], &[a, a], &[a, c], &[a, b, c], &[]] {
            assert_eq!(album.order(wrong), Err(Refusal::OrderDiffers), "{wrong:?}");
        }
        assert_eq!(album.order(&[b, a]), Ok(()));
        assert_eq!(album.images, [b, a]);
    }
}
