//! How it can fail.

use vitrina_chassis::work::Refused;
use vitrina_chassis::{BadRow, Code, Fault, IntoFault};

use crate::model::{CONTENT_BYTES_MAX, PRODUCT_IMAGES_MAX, Refusal};
use crate::picture::{PIXELS_MAX, Unfit};
use crate::provider::BucketError;

/// Why a request was not answered with success.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store failed, or another was faster.
    #[error("the store failed")]
    Store(#[from] vitrina_storage::Error),
    /// The unit of work was not done.
    #[error("the unit of work was not done")]
    Work(#[from] Refused),
    /// The request is wrong, or its caller may not.
    #[error("the request is refused")]
    Request(#[from] Fault),
    /// A rule of the model says no.
    #[error("a rule refuses it")]
    Rule(#[from] Refusal),
    /// The picture cannot be taken.
    #[error("the picture cannot be taken")]
    Picture(#[from] Unfit),
    /// A stored row that cannot be read.
    #[error("a stored row cannot be read")]
    Row(#[from] BadRow),
    /// The bucket does not answer as it should.
    #[error("the bucket failed")]
    Bucket(#[from] BucketError),
    /// An object is not what was put there.
    #[error("the object {key} is not what was put there")]
    ObjectDamaged {
        /// Which.
        key: String,
    },
    /// What was made of the picture was removed before it was taken over: the upload took far too long.
    #[error("the variants of the picture are gone again")]
    TooSlow,
    /// There is no such product, or it is another seller's.
    #[error("no such product")]
    ProductUnknown,
    /// There is no such picture.
    #[error("no such picture")]
    ImageUnknown,
    /// The picture is of another's.
    #[error("the picture is another's")]
    NotOwner,
    /// There is no such upload, or it is another's, or its time is over.
    #[error("no such upload")]
    UploadUnknown,
    /// The bytes were not put yet.
    #[error("the bytes of the upload are not there")]
    UploadMissing,
    /// Other bytes were put than announced.
    #[error("the bytes of the upload are not those that were announced")]
    UploadDiffers,
}

impl IntoFault for Error {
    fn fault(&self) -> Fault {
        match self {
            Error::Store(error) => error.fault(),
            Error::Work(refused) => refused.fault(),
            Error::Request(fault) => fault.clone(),
            Error::Rule(refusal) => rule_fault(*refusal),
            Error::Picture(unfit) => picture_fault(unfit),
            Error::Row(_) | Error::ObjectDamaged { .. } => Fault::internal(),
            Error::Bucket(BucketError::Unavailable(_)) | Error::TooSlow => {
                Fault::unavailable("storage_unavailable", "pictures cannot be reached at the moment")
            }
            Error::Bucket(BucketError::Absent | BucketError::TooLarge) => Fault::internal(),
            Error::ProductUnknown => Fault::not_found("product"),
            Error::ImageUnknown => Fault::not_found("image"),
            Error::NotOwner => Fault::forbidden("not_the_owner", "this picture is not yours"),
            Error::UploadUnknown => Fault::not_found("upload"),
            Error::UploadMissing => {
                Fault::conflict("upload_missing", "put the bytes to the upload's address first")
            }
            Error::UploadDiffers => {
                Fault::conflict("upload_differs", "the bytes there are not those that were announced")
            }
        }
    }
}

fn rule_fault(refusal: Refusal) -> Fault {
    match refusal {
        Refusal::AlbumFull => {
            Fault::conflict("too_many", format!("a product may have at most {PRODUCT_IMAGES_MAX} pictures"))
        }
        Refusal::OrderDiffers => Fault::invalid_field(
            "ids",
            "incomplete",
            "must name every picture of the product once, and no other",
        ),
    }
}

fn picture_fault(unfit: &Unfit) -> Fault {
    let (code, reason, detail) = match unfit {
        Unfit::Empty => (Code::InvalidInput, "image_empty", "there are no bytes".to_owned()),
        Unfit::TooLarge => (
            Code::TooLarge,
            "image_too_large",
            format!("a picture may have at most {CONTENT_BYTES_MAX} bytes"),
        ),
        Unfit::Unsupported(what) => (
            Code::UnsupportedMedia,
            "image_unsupported",
            format!("only JPEG, PNG and WebP pictures are taken: {what}"),
        ),
        Unfit::Damaged(what) => {
            (Code::InvalidInput, "image_damaged", format!("the picture cannot be read: {what}"))
        }
        Unfit::TooManyPixels { width, height } => (
            Code::TooLarge,
            "image_too_many_pixels",
            format!(
                "the picture has {width} × {height} pixels, at most {} megapixels are taken",
                PIXELS_MAX / 1_000_000
            ),
        ),
        Unfit::TooHeavy { pixels_max } => (
            Code::TooLarge,
            "image_too_many_pixels",
            format!("of this kind of picture, at most {} megapixels are taken", pixels_max / 1_000_000),
        ),
    };
    Fault::new(code, reason, detail)
}
