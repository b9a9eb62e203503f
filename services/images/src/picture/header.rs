//! What a file is, by its content, before anything is decoded.

use super::{PIXELS_MAX, Unfit, jpeg, png, webp};
use crate::model::CONTENT_BYTES_MAX;

/// The kinds of files that are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Jpeg,
    Png,
    Webp,
}

/// What the header of a file promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// Bytes that decoding takes for ten pixels: the pixels themselves, and what the decoder holds beside them.
    pub(crate) bytes_per_ten_pixels: u64,
}

impl Header {
    pub(crate) fn pixels(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    /// Bytes that decoding takes.
    pub(crate) fn decode_bytes(&self) -> u64 {
        self.pixels() * self.bytes_per_ten_pixels / 10
    }
}

/// Reads what a file is and walks it to its end, in one pass and without allocating.
///
/// # Errors
/// Every reason for which it is not worth to be decoded.
pub(crate) fn read_header(content: &[u8]) -> Result<Header, Unfit> {
    if content.is_empty() {
        return Err(Unfit::Empty);
    }
    if content.len() > CONTENT_BYTES_MAX as usize {
        return Err(Unfit::TooLarge);
    }
    let header = if content.starts_with(jpeg::MAGIC) {
        jpeg::read(content)
    } else if content.starts_with(png::MAGIC) {
        png::read(content)
    } else if webp::is_webp(content) {
        webp::read(content)
    } else {
        Err(Unfit::Unsupported("the bytes are none of these"))
    }?;
    check_size(&header)?;
    Ok(header)
}

/// Whether the pixels are within the bounds.
pub(super) fn check_size(header: &Header) -> Result<(), Unfit> {
    let Header { width, height, .. } = *header;
    if width == 0 || height == 0 {
        return Err(Unfit::Damaged("it has no pixels"));
    }
    if header.pixels() > PIXELS_MAX {
        return Err(Unfit::TooManyPixels { width, height });
    }
    Ok(())
}

/// Four bytes, the most significant one first.
pub(super) fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at.checked_add(4)?)?.try_into().ok().map(u32::from_be_bytes)
}

/// Two bytes, the most significant one first.
pub(super) fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at.checked_add(2)?)?.try_into().ok().map(u16::from_be_bytes)
}

/// Four bytes, the least significant one first.
pub(super) fn le32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at.checked_add(4)?)?.try_into().ok().map(u32::from_le_bytes)
}

/// Two bytes, the least significant one first.
pub(super) fn le16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at.checked_add(2)?)?.try_into().ok().map(u16::from_le_bytes)
}
