//! PNG (W3C, third edition): a signature and chunks.

use super::Unfit;
use super::header::{Header, Kind, be32};

pub(super) const MAGIC: &[u8] = b"\x89PNG\r\n\x1a\n";

const CUT_OFF: Unfit = Unfit::Damaged("it is cut off");
/// Length, kind and checksum of a chunk.
const FRAME_BYTES: usize = 12;

/// Walks the chunks up to the last. The checksums are the decoder's to check.
pub(super) fn read(content: &[u8]) -> Result<Header, Unfit> {
    let mut at = MAGIC.len();
    let mut header = None;
    let mut has_transparency = false;
    let mut has_data = false;
    loop {
        let length = usize::try_from(be32(content, at).ok_or(CUT_OFF)?).map_err(|_| CUT_OFF)?;
        let kind = content.get(at + 4..at + 8).ok_or(CUT_OFF)?;
        let end = at.checked_add(FRAME_BYTES).and_then(|at| at.checked_add(length)).ok_or(CUT_OFF)?;
        let body = content.get(at + 8..end).and_then(|body| body.get(..length)).ok_or(CUT_OFF)?;
        match kind {
            b"IHDR" if header.is_none() => header = Some(body),
            b"IHDR" => return Err(Unfit::Damaged("it has two headers")),
            _ if header.is_none() => return Err(Unfit::Damaged("it does not begin with its header")),
            b"tRNS" => has_transparency = true,
            b"IDAT" => has_data = true,
            b"IEND" => break,
            _ => {}
        }
        at = end;
    }
    let header = header.filter(|header| header.len() == 13).ok_or(Unfit::Damaged("its header is none"))?;
    if !has_data {
        return Err(Unfit::Damaged("it has no picture"));
    }
    let (Some(width), Some(height)) = (be32(header, 0), be32(header, 4)) else { return Err(CUT_OFF) };
    let (depth, colours) = (header[8], header[9]);
    let channels: u64 = match colours {
        0 => 1,
        2 | 3 => 3,
        4 => 2,
        6 => 4,
        _ => return Err(Unfit::Damaged("its colours are none")),
    };
    let channels = channels + u64::from(has_transparency && matches!(colours, 0 | 2 | 3));
    let bytes = if depth == 16 { 2 } else { 1 };
    Ok(Header { kind: Kind::Png, width, height, bytes_per_ten_pixels: 10 * channels * bytes })
}
