//! WebP (RFC 9649): a RIFF file with chunks.

use super::Unfit;
use super::header::{Header, Kind, le16, le32};

const CUT_OFF: Unfit = Unfit::Damaged("it is cut off");
const SIZES_DIFFER: Unfit = Unfit::Damaged("its sizes differ");

/// The pixels of a lossy one (three bytes) and the planes that they are made of (a byte and two quarters).
const LOSSY_COST: u64 = 45;
/// With transparency: the pixels have a byte more, and the plane of it is decoded as a lossless picture of its own.
const LOSSY_ALPHA_COST: u64 = 105;
/// A lossless one is decoded with four bytes a pixel, from which three are taken.
const LOSSLESS_COST: u64 = 70;

pub(super) fn is_webp(content: &[u8]) -> bool {
    content.starts_with(b"RIFF") && content.get(8..12) == Some(b"WEBP")
}

/// Walks the chunks of the file. What lies behind it is not taken over.
pub(super) fn read(content: &[u8]) -> Result<Header, Unfit> {
    let riff_bytes = usize::try_from(le32(content, 4).ok_or(CUT_OFF)?).map_err(|_| CUT_OFF)?;
    let end = riff_bytes.checked_add(8).ok_or(CUT_OFF)?;
    let chunks = content.get(12..end).ok_or(CUT_OFF)?;
    let mut canvas = None;
    let mut picture = None;
    let mut has_alpha = false;
    let mut at = 0;
    while at < chunks.len() {
        let kind = chunks.get(at..at + 4).ok_or(CUT_OFF)?;
        let length = usize::try_from(le32(chunks, at + 4).ok_or(CUT_OFF)?).map_err(|_| CUT_OFF)?;
        let body_end = (at + 8).checked_add(length).ok_or(CUT_OFF)?;
        let body = chunks.get(at + 8..body_end).ok_or(CUT_OFF)?;
        match kind {
            b"VP8X" if at == 0 => canvas = Some(read_canvas(body, &mut has_alpha)?),
            b"VP8 " | b"VP8L" if picture.is_some() => return Err(Unfit::Damaged("it has two pictures")),
            b"VP8 " => picture = Some((read_lossy(body)?, LOSSY_COST)),
            b"VP8L" => picture = Some((read_lossless(body)?, LOSSLESS_COST)),
            b"ALPH" => has_alpha = true,
            b"ANIM" | b"ANMF" => return Err(Unfit::Unsupported("it is animated")),
            _ => {}
        }
        // A chunk of odd length is followed by a byte of nothing.
        at = body_end + length % 2;
    }
    let ((width, height), cost) = picture.ok_or(Unfit::Damaged("it has no picture"))?;
    // A decoder takes its memory by the size of the inner picture, before it compares.
    if canvas.is_some_and(|canvas| canvas != (width, height)) {
        return Err(SIZES_DIFFER);
    }
    let is_lossy_alpha = has_alpha && cost == LOSSY_COST;
    let bytes_per_ten_pixels = if is_lossy_alpha { LOSSY_ALPHA_COST } else { cost };
    Ok(Header { kind: Kind::Webp, width, height, bytes_per_ten_pixels })
}

fn read_canvas(body: &[u8], has_alpha: &mut bool) -> Result<(u32, u32), Unfit> {
    let (Some(flags), Some(width), Some(low), Some(high)) =
        (body.first(), le32(body, 4), le16(body, 7), body.get(9))
    else {
        return Err(CUT_OFF);
    };
    if flags & 0b0000_0010 != 0 {
        return Err(Unfit::Unsupported("it is animated"));
    }
    *has_alpha |= flags & 0b0001_0000 != 0;
    let height = u32::from(low) | u32::from(*high) << 16;
    Ok(((width & 0x00FF_FFFF) + 1, height + 1))
}

fn read_lossy(body: &[u8]) -> Result<(u32, u32), Unfit> {
    if body.get(3..6) != Some(&[0x9D, 0x01, 0x2A]) {
        return Err(Unfit::Damaged("it does not begin with a key frame"));
    }
    let (Some(width), Some(height)) = (le16(body, 6), le16(body, 8)) else { return Err(CUT_OFF) };
    Ok((u32::from(width & 0x3FFF), u32::from(height & 0x3FFF)))
}

fn read_lossless(body: &[u8]) -> Result<(u32, u32), Unfit> {
    let (Some(0x2F), Some(bits)) = (body.first().copied(), le32(body, 1)) else {
        return Err(Unfit::Damaged("it does not begin with its signature"));
    };
    Ok(((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1))
}
