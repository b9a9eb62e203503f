//! Pictures, good and bad, made here: each function says what is special about its file.

use std::io::Cursor;

use image::{DynamicImage, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage};

/// A text that must never leave the service again.
pub(crate) const SECRET: &[u8] = b"SECRET-PLACE";
pub(crate) const RED: Rgb<u8> = Rgb([220, 30, 30]);
pub(crate) const BLUE: Rgb<u8> = Rgb([30, 30, 220]);

/// Red on the left, blue on the right.
pub(crate) fn halves(width: u32, height: u32) -> DynamicImage {
    RgbImage::from_fn(width, height, |x, _| if x < width / 2 { RED } else { BLUE }).into()
}

/// A JPEG of [`halves`].
pub(crate) fn jpeg(width: u32, height: u32) -> Vec<u8> {
    encoded(&halves(width, height), ImageFormat::Jpeg)
}

/// A PNG of [`halves`].
pub(crate) fn png(width: u32, height: u32) -> Vec<u8> {
    encoded(&halves(width, height), ImageFormat::Png)
}

/// A lossless WebP of [`halves`].
pub(crate) fn webp(width: u32, height: u32) -> Vec<u8> {
    encoded(&halves(width, height), ImageFormat::WebP)
}

/// A lossy WebP of [`halves`].
pub(crate) fn lossy_webp(width: u32, height: u32) -> Vec<u8> {
    let pixels = halves(width, height).into_rgb8();
    webp::Encoder::from_rgb(pixels.as_raw(), width, height).encode(80.0).to_vec()
}

/// A PNG that is red, but its right half cannot be seen.
pub(crate) fn transparent_png(width: u32, height: u32) -> Vec<u8> {
    let pixel = |x, _| if x < width / 2 { Rgba([220, 30, 30, 255]) } else { Rgba([0, 0, 0, 0]) };
    encoded(&RgbaImage::from_fn(width, height, pixel).into(), ImageFormat::Png)
}

/// A PNG with 16 bits a colour.
pub(crate) fn deep_png(width: u32, height: u32) -> Vec<u8> {
    encoded(&DynamicImage::ImageRgb16(halves(width, height).into_rgb16()), ImageFormat::Png)
}

/// A grey PNG of one value: many pixels in few bytes.
pub(crate) fn grey_png(width: u32, height: u32) -> Vec<u8> {
    let pixels = image::GrayImage::from_pixel(width, height, image::Luma([90]));
    encoded(&pixels.into(), ImageFormat::Png)
}

/// A JPEG with everything that a phone writes beside the picture: orientation (6: the camera was held upright), where it was
/// taken, an XMP packet and a comment.
pub(crate) fn phone_jpeg(width: u32, height: u32) -> Vec<u8> {
    let mut tiff = b"II*\0\x08\0\0\0".to_vec();
    tiff.extend([2, 0]);
    tiff.extend(entry(0x0112, 3, 6));
    tiff.extend(entry(0x8825, 4, 38));
    tiff.extend([0; 4]);
    tiff.extend([1, 0]);
    tiff.extend(entry(0x0001, 2, u32::from(b'S')));
    tiff.extend([0; 4]);
    tiff.extend(SECRET);
    let mut segments = segment(0xE1, &[b"Exif\0\0", tiff.as_slice()].concat());
    segments.extend(segment(0xE1, &[b"http://ns.adobe.com/xap/1.0/\0", SECRET].concat()));
    segments.extend(segment(0xFE, SECRET));
    let mut content = jpeg(width, height);
    content.splice(2..2, segments);
    content
}

/// A JPEG of four colours, eight pixels in square, as printers make them.
pub(crate) fn cmyk_jpeg() -> Vec<u8> {
    jpeg_by_hand(0xC0, 4)
}

/// A JPEG whose coefficients come in scans, of which it has the first.
pub(crate) fn progressive_jpeg() -> Vec<u8> {
    jpeg_by_hand(0xC2, 3)
}

/// A grey-looking JPEG of eight pixels in square with so many colours.
fn jpeg_by_hand(frame: u8, colours: u8) -> Vec<u8> {
    let mut content = vec![0xFF, 0xD8];
    content.extend(segment(0xEE, b"Adobe\0\x64\0\0\0\0\0"));
    content.extend(segment(0xDB, &[&[0][..], &[1; 64]].concat()));
    let components = (1..=colours).flat_map(|id| [id, 0x11, 0]);
    content
        .extend(segment(frame, &[8, 0, 8, 0, 8, colours].into_iter().chain(components).collect::<Vec<_>>()));
    // One code of one bit each: "no difference" for the mean of a block, "end of block" for the rest.
    for class in [0x00, 0x10] {
        content.extend(segment(0xC4, &[&[class, 1][..], &[0; 15], &[0]].concat()));
    }
    // A scan of a progressive picture holds a band of coefficients, here the means alone.
    let band = if frame == 0xC2 { [0, 0, 0] } else { [0, 63, 0] };
    let selectors = (1..=colours).flat_map(|id| [id, 0]);
    content.extend(segment(0xDA, &[colours].into_iter().chain(selectors).chain(band).collect::<Vec<_>>()));
    content.extend([0x00, 0xFF, 0xD9]);
    content
}

/// The header of a PNG of so many pixels, and nearly no content.
pub(crate) fn bomb_png(width: u32, height: u32) -> Vec<u8> {
    png_by_hand(width, height, 8)
}

/// The same with 16 bits a colour.
pub(crate) fn deep_bomb_png(width: u32, height: u32) -> Vec<u8> {
    png_by_hand(width, height, 16)
}

fn png_by_hand(width: u32, height: u32, depth: u8) -> Vec<u8> {
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[depth, 6, 0, 0, 0]].concat();
    let mut content = b"\x89PNG\r\n\x1a\n".to_vec();
    content.extend(chunk(b"IHDR", &header));
    content.extend(chunk(b"IDAT", b"\x78\x9c\x03\0\0\0\0\x01"));
    content.extend(chunk(b"IEND", b""));
    content
}

/// A JPEG whose frame says that it has so many pixels.
pub(crate) fn bomb_jpeg(width: u16, height: u16) -> Vec<u8> {
    let mut content = cmyk_jpeg();
    let frame = content.windows(2).position(|pair| pair == [0xFF, 0xC0]).expect("it has a frame");
    content[frame + 5..frame + 7].copy_from_slice(&height.to_be_bytes());
    content[frame + 7..frame + 9].copy_from_slice(&width.to_be_bytes());
    content
}

/// A WebP whose canvas has few pixels and whose inner picture says that it has very many.
pub(crate) fn bomb_webp() -> Vec<u8> {
    let mut inner = lossy_webp(16, 16).split_off(12);
    // The 14 bits of width and height stand behind the chunk's header, the frame's tag and its start code.
    inner[14..18].copy_from_slice(&[0xFF, 0x3F, 0xFF, 0x3F]);
    let canvas = [&b"VP8X"[..], &10_u32.to_le_bytes(), &[0; 4], &[15, 0, 0, 15, 0, 0]].concat();
    let body = [b"WEBP", canvas.as_slice(), inner.as_slice()].concat();
    [b"RIFF", &(body.len() as u32).to_le_bytes()[..], body.as_slice()].concat()
}

fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut content = Cursor::new(Vec::new());
    image.write_to(&mut content, format).expect("it can be encoded");
    content.into_inner()
}

/// An entry of a TIFF directory with one value.
fn entry(tag: u16, kind: u16, value: u32) -> Vec<u8> {
    [&tag.to_le_bytes()[..], &kind.to_le_bytes(), &1_u32.to_le_bytes(), &value.to_le_bytes()].concat()
}

/// A segment of a JPEG.
fn segment(marker: u8, body: &[u8]) -> Vec<u8> {
    [&[0xFF, marker][..], &(body.len() as u16 + 2).to_be_bytes(), body].concat()
}

/// A chunk of a PNG. Its checksum is none: what is tested is refused before it is looked at.
fn chunk(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32).to_be_bytes()[..], kind, body, &[0; 4]].concat()
}
