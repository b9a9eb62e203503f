//! JPEG (ITU-T T.81, annex B): markers, each with a segment, and coded data between them.

use super::Unfit;
use super::header::{Header, Kind, be16, check_size};

pub(super) const MAGIC: &[u8] = &[0xFF, 0xD8, 0xFF];

/// Most scans. A progressive picture has some ten; each scan is a pass over all pixels, so thousands of tiny ones would keep
/// a core busy for minutes.
const SCANS_MAX: u64 = 64;
/// Most pixels times scans, with the same aim: 20 scans of the largest picture.
const SCANNED_PIXELS_MAX: u64 = 800_000_000;

const CUT_OFF: Unfit = Unfit::Damaged("it is cut off");

/// What the start of the frame says.
struct Frame {
    is_progressive: bool,
    width: u16,
    height: u16,
    /// Factors of sampling of each component, horizontal and vertical.
    sampling: Vec<(u64, u64)>,
}

/// Walks the markers up to the end of the picture. What lies behind it is nobody's business: it is not taken over.
pub(super) fn read(content: &[u8]) -> Result<Header, Unfit> {
    let mut frame: Option<Frame> = None;
    let mut scans = 0;
    let mut at = 2;
    loop {
        let marker = next_marker(content, &mut at).ok_or(CUT_OFF)?;
        match marker {
            0xD9 => break,
            // A start within, and a marker of no meaning: both stand alone.
            0xD8 | 0x01 => continue,
            _ => {}
        }
        let length = usize::from(be16(content, at).ok_or(CUT_OFF)?);
        let segment = content.get(at..at + length).ok_or(CUT_OFF)?;
        let Some(body) = segment.get(2..) else { return Err(Unfit::Damaged("a segment has no length")) };
        match marker {
            0xC0..=0xC2 if frame.is_some() => return Err(Unfit::Damaged("it has two frames")),
            0xC0..=0xC2 => frame = Some(read_frame(marker, body)?),
            // C4, C8 and CC are no frames but tables and an extension.
            0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF => {
                return Err(Unfit::Unsupported("it is a lossless, hierarchical or arithmetic JPEG"));
            }
            0xDA => scans += 1,
            _ => {}
        }
        at += length;
    }
    let frame = frame.ok_or(Unfit::Damaged("it has no frame"))?;
    if scans == 0 {
        return Err(Unfit::Damaged("it has no picture"));
    }
    let header = Header {
        kind: Kind::Jpeg,
        width: frame.width.into(),
        height: frame.height.into(),
        bytes_per_ten_pixels: cost(&frame, scans),
    };
    // First, as a picture that is too large is that, however many scans it has.
    check_size(&header)?;
    if scans > SCANS_MAX || scans * header.pixels() > SCANNED_PIXELS_MAX {
        return Err(Unfit::Unsupported("it has too many scans"));
    }
    Ok(header)
}

/// The next marker and the place behind it. Coded data is passed over: there, 0xFF is followed by a zero or is a restart.
fn next_marker(content: &[u8], at: &mut usize) -> Option<u8> {
    loop {
        let found = content.get(*at..)?.iter().position(|byte| *byte == 0xFF)?;
        *at += found + 1;
        match *content.get(*at)? {
            // Any number of 0xFF may stand before a marker.
            0xFF => {}
            0x00 | 0xD0..=0xD7 => *at += 1,
            marker => {
                *at += 1;
                return Some(marker);
            }
        }
    }
}

fn read_frame(marker: u8, body: &[u8]) -> Result<Frame, Unfit> {
    let (Some(8), Some(height), Some(width), Some(count)) =
        (body.first().copied(), be16(body, 1), be16(body, 3), body.get(5).copied())
    else {
        return Err(Unfit::Unsupported("it does not have 8 bits"));
    };
    if !matches!(count, 1 | 3 | 4) {
        return Err(Unfit::Unsupported("it has an unusual number of colours"));
    }
    let components = body.get(6..6 + usize::from(count) * 3).ok_or(CUT_OFF)?;
    let sampling: Vec<(u64, u64)> = components
        .chunks_exact(3)
        .map(|component| (u64::from(component[1] >> 4), u64::from(component[1] & 0x0F)))
        .collect();
    if sampling.iter().any(|(h, v)| !(1..=4).contains(h) || !(1..=4).contains(v)) {
        return Err(Unfit::Damaged("its sampling is none"));
    }
    Ok(Frame { is_progressive: marker == 0xC2, width, height, sampling })
}

/// The pixels (a byte each or three), and for a picture in several scans the coefficients of all of them, two bytes each.
fn cost(frame: &Frame, scans: u64) -> u64 {
    let pixels = if frame.sampling.len() == 1 { 10 } else { 30 };
    if !frame.is_progressive && scans == 1 {
        return pixels;
    }
    let h_max = frame.sampling.iter().map(|(h, _)| *h).max().unwrap_or(1);
    let v_max = frame.sampling.iter().map(|(_, v)| *v).max().unwrap_or(1);
    let samples: u64 = frame.sampling.iter().map(|(h, v)| (10 * h * v).div_ceil(h_max * v_max)).sum();
    pixels + 2 * samples
}
