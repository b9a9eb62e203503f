//! Proto ↔ model: all validation of input ends here.

use std::collections::HashSet;

use vitrina_chassis::Fault;
use vitrina_chassis::check::Fields;
use vitrina_chassis::ids::UserId;
use vitrina_proto::Timestamp;
use vitrina_proto::images::v1 as pb;

use crate::error::Error;
use crate::model::{
    CONTENT_BYTES_MAX, Encoding, Image, ImageId, Owner, PRODUCT_IMAGES_MAX, ProductId, Size, Upload,
};
use crate::provider::Presigned;

/// Most owners that one call may name.
const OWNERS_MAX: usize = 100;
/// What may be put to a presigned address.
const CONTENT_TYPES: [&str; 3] = ["image/jpeg", "image/png", "image/webp"];

/// What a client announces.
#[derive(Clone, Debug)]
pub(crate) struct Announced {
    pub(crate) content_type: &'static str,
    pub(crate) bytes: u32,
    pub(crate) sha256: [u8; 32],
    /// `None`: the avatar of the caller.
    pub(crate) product: Option<ProductId>,
}

/// The id is taken as text, since one that is none names no product.
pub(crate) fn product_id(text: &str) -> Result<ProductId, Error> {
    text.parse().map_err(|_| Error::ProductUnknown)
}

pub(crate) fn image_id(text: &str) -> Result<ImageId, Error> {
    text.parse().map_err(|_| Error::ImageUnknown)
}

/// The name of a variant, such as `card.webp`. Without an encoding it is the JPEG, which everything shows.
pub(crate) fn variant(text: &str) -> Result<(Size, Encoding), Error> {
    let (name, extension) = text.split_once('.').unwrap_or((text, Encoding::Jpeg.extension()));
    let size = Size::ALL.into_iter().find(|size| size.name() == name);
    let encoding = Encoding::ALL.into_iter().find(|encoding| encoding.extension() == extension);
    size.zip(encoding).ok_or(Error::ImageUnknown)
}

pub(crate) fn announced(request: &pb::CreateUploadRequest) -> Result<Announced, Error> {
    let mut fields = Fields::new();
    let content_type = CONTENT_TYPES.into_iter().find(|known| *known == request.content_type);
    fields.ensure(
        "contentType",
        content_type.is_some(),
        "unsupported",
        "must be image/jpeg, image/png or image/webp",
    );
    fields.range("sizeBytes", request.size_bytes, 1..=CONTENT_BYTES_MAX);
    let sha256 = unhex(&request.sha256);
    fields.ensure("sha256", sha256.is_some(), "malformed", "must be 64 hexadecimal digits");
    let (Some(content_type), Some(sha256), true) = (content_type, sha256, fields.is_fine()) else {
        return Err(fields.finish().err().unwrap_or_else(Fault::internal).into());
    };
    let product = request.product_id.as_deref().map(product_id).transpose()?;
    Ok(Announced { content_type, bytes: request.size_bytes, sha256, product })
}

/// The pictures in their new order.
pub(crate) fn order(request: &pb::OrderProductImagesRequest) -> Result<Vec<ImageId>, Fault> {
    let mut fields = Fields::new();
    fields.count("ids", request.ids.len(), 1..=PRODUCT_IMAGES_MAX);
    let ids = request.ids.iter().take(PRODUCT_IMAGES_MAX).enumerate();
    let ids: Vec<ImageId> = ids.filter_map(|(at, id)| fields.parse(&format!("ids[{at}]"), id)).collect();
    fields.finish()?;
    Ok(ids)
}

/// Owners by their ids, each once; what is no id of an owner has no pictures and is left out.
pub(crate) fn owners(ids: &[String]) -> Result<Vec<Owner>, Fault> {
    let mut fields = Fields::new();
    fields.count("ownerIds", ids.len(), 0..=OWNERS_MAX);
    fields.finish()?;
    let mut seen = HashSet::new();
    let owners = ids.iter().filter_map(|id| {
        let product = id.parse().map(Owner::Product).ok();
        product.or_else(|| id.parse::<UserId>().map(Owner::User).ok())
    });
    Ok(owners.filter(|owner| seen.insert(*owner)).collect())
}

pub(crate) fn image(image: &Image) -> pb::Image {
    let path = |size: Size| format!("/v1/images/{}/{}.{}", image.id, size.name(), Encoding::Webp.extension());
    pb::Image {
        id: image.id.to_string(),
        variants: Some(pb::Variants {
            thumb: path(Size::Thumb),
            card: path(Size::Card),
            page: path(Size::Page),
        }),
        width: image.width,
        height: image.height,
        created_at: Some(Timestamp::from_unix_ms(image.created_at_ms)),
    }
}

pub(crate) fn reply(made: &Image) -> pb::ImageReply {
    pb::ImageReply { image: Some(image(made)) }
}

pub(crate) fn list(images: &[Image]) -> pb::ImageList {
    pb::ImageList { items: images.iter().map(image).collect() }
}

pub(crate) fn upload(upload: &Upload, presigned: Presigned) -> pb::Upload {
    pb::Upload {
        id: upload.id.to_string(),
        url: presigned.url,
        headers: presigned.headers.into_iter().collect(),
        expires_at: Some(Timestamp::from_unix_ms(upload.expires_at_ms)),
    }
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u8> =
        text.chars().map(|digit| digit.to_digit(16).map(|digit| digit as u8)).collect::<Option<_>>()?;
    let bytes: Vec<u8> =
        digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect();
    bytes.try_into().ok().filter(|_| digits.len() == 64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::hex;

    #[test]
    fn a_variant_is_read_by_its_name() {
        assert!(matches!(variant("card.webp"), Ok((Size::Card, Encoding::Webp))));
        assert!(matches!(variant("page"), Ok((Size::Page, Encoding::Jpeg))));
        for wrong in ["", "card.", "card.png", "huge.webp", "card.webp.webp", "Card.webp"] {
            assert!(variant(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_hash_is_64_hexadecimal_digits() {
        let bytes = std::array::from_fn(|at| at as u8 * 7);
        assert_eq!(unhex(&hex(&bytes)), Some(bytes));
        assert_eq!(unhex(&hex(&bytes).to_uppercase()), Some(bytes));
        for wrong in ["", "00", &"0".repeat(63), &"0".repeat(65), &"g".repeat(64), &"é".repeat(64)] {
            assert_eq!(unhex(wrong), None, "{wrong}");
        }
    }
}
