//! Reads an uploaded picture and makes it anew.
//!
//! ```text
//! bytes ─▶ header (own parser: kind, pixels, cost; whole to its end?) ─▶ decode (pure Rust) ─▶ reduce ─▶ turn upright ─▶ encode
//! ```
//!
//! The header is read by code of ours that allocates nothing, over the whole file: a decoder is asked only when it is known
//! what it will cost, and a file that was cut off, which decoders fill up with grey, is refused.
//!
//! What is decoded is untrusted, so the decoders are those of the crate `image` in safe Rust. What is encoded are pixels of
//! our own, so there libwebp (crate `webp`) does it: the only encoder of lossy WebP that is kept well; `image` has the lossless
//! one only, whose photos are five to ten times larger than a JPEG.

mod header;
mod jpeg;
mod png;
mod remake;
mod webp;

pub(crate) use header::{Header, read_header};
pub(crate) use remake::{Made, remake};

/// Most pixels of an uploaded picture; the contract's bound.
pub(crate) const PIXELS_MAX: u64 = 40_000_000;

/// Why a picture cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// No bytes at all.
    #[error("there are no bytes")]
    Empty,
    /// More bytes than are taken.
    #[error("too many bytes")]
    TooLarge,
    /// Something else than a JPEG, PNG or WebP picture, or a kind of these that is not taken.
    #[error("not supported: {0}")]
    Unsupported(&'static str),
    /// Cut off or broken.
    #[error("damaged: {0}")]
    Damaged(&'static str),
    /// More pixels than are taken.
    #[error("{width} × {height} pixels")]
    TooManyPixels {
        /// As the header says.
        width: u32,
        /// As the header says.
        height: u32,
    },
    /// A kind of picture that needs more memory a pixel than others.
    #[error("decoding needs too much memory for more than {pixels_max} pixels")]
    TooHeavy {
        /// Most pixels of this kind that fit.
        pixels_max: u64,
    },
}
