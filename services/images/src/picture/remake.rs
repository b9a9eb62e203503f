//! Decodes a picture and encodes its variants from the pixels.

use std::io::Cursor;

use bytes::Bytes;
use image::codecs::jpeg::{JpegDecoder, JpegEncoder};
use image::codecs::png::PngDecoder;
use image::codecs::webp::WebPDecoder;
use image::error::{LimitError, LimitErrorKind};
use image::imageops::{self, FilterType};
use image::metadata::Orientation;
use image::{
    DynamicImage, ExtendedColorType, ImageBuffer, ImageDecoder, ImageEncoder, ImageError, ImageResult,
    Limits, Pixel, Rgb, RgbImage, RgbaImage,
};
use memmap2::MmapMut;
use sha2::{Digest, Sha256};

use super::Unfit;
use super::header::{Header, Kind};
use crate::model::{Encoding, Size, Variant};

/// The side to which a larger picture is reduced at once by averaging, which needs no memory beside its result: somewhat more
/// than the largest variant, so that the good filter, which needs some, has enough to work with.
const REDUCED_SIDE_PX: u32 = 1600;
/// Bytes that a PNG decoder may take for what is not pixels (profiles, texts).
const PNG_EXTRA_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Quality of JPEG: no artefacts to be seen at arm's length, half the bytes of 95.
const JPEG_QUALITY: u8 = 85;
/// Quality of WebP: looks like a JPEG of 85.
const WEBP_QUALITY: f32 = 80.0;

/// A variant with its bytes.
#[derive(Clone, Debug)]
pub(crate) struct File {
    pub(crate) variant: Variant,
    pub(crate) content: Bytes,
}

/// What was made of a picture.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    /// Pixels of the largest variant.
    pub(crate) width: u32,
    /// Pixels of the largest variant.
    pub(crate) height: u32,
    pub(crate) files: Vec<File>,
}

/// Decodes a picture whose header was read, and encodes every variant. Blocks: tens of milliseconds to some seconds.
///
/// # Errors
/// [`Unfit::Damaged`] and [`Unfit::Unsupported`] by what the decoder finds.
pub(crate) fn remake(content: &[u8], header: &Header) -> Result<Made, Unfit> {
    let (mut image, orientation) = decode(content, header).map_err(|error| unfit(&error))?;
    image.apply_orientation(orientation);
    let mut files = Vec::with_capacity(Size::ALL.len() * Encoding::ALL.len());
    let (mut width, mut height) = (0, 0);
    // From the largest on, each is made of the one before: a fraction of the work, and no difference to be seen.
    for size in Size::ALL.into_iter().rev() {
        image = fit(image, size.side_px());
        if size == Size::Page {
            (width, height) = (image.width(), image.height());
        }
        let content = webp(&image).ok_or(Unfit::Unsupported("its shape cannot be encoded"))?;
        files.push(file(size, Encoding::Webp, content));
        files.push(file(size, Encoding::Jpeg, jpeg(&image).map_err(|error| unfit(&error))?));
    }
    Ok(Made { width, height, files })
}

/// Decodes a picture and gives it reduced, with how it has to be turned.
fn decode(content: &[u8], header: &Header) -> ImageResult<(DynamicImage, Orientation)> {
    let input = Cursor::new(content);
    match header.kind {
        Kind::Jpeg => read_out(JpegDecoder::new(input)?, header),
        Kind::Png => {
            let mut limits = Limits::no_limits();
            limits.max_alloc = Some(header.decode_bytes() + PNG_EXTRA_BYTES_MAX);
            read_out(PngDecoder::with_limits(input, limits)?, header)
        }
        Kind::Webp => read_out(WebPDecoder::new(input)?, header),
    }
}

fn read_out(mut decoder: impl ImageDecoder, header: &Header) -> ImageResult<(DynamicImage, Orientation)> {
    let (width, height) = decoder.dimensions();
    let bytes = decoder.total_bytes();
    // Two readers of one header that do not agree: whichever is wrong, the bound was checked for another picture.
    if (width, height) != (header.width, header.height) || bytes > header.decode_bytes() {
        return Err(sizes_differ());
    }
    // Broken metadata is no reason to refuse a picture: it goes anyway.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let colour = decoder.color_type();
    // Pages of their own, which go back to the system at once: an allocator keeps what was freed for a while, and with
    // pictures of 160 MB one after the other that would be twice the memory.
    let mut pages = MmapMut::map_anon(usize::try_from(bytes).map_err(|_| sizes_differ())?)?;
    decoder.read_image(&mut pages)?;
    let channels = colour.channel_count();
    let pixels = if colour.bytes_per_pixel() > channels { narrow(&mut pages) } else { &mut pages[..] };
    Ok((reduced(pixels, channels, width, height).ok_or_else(sizes_differ)?, orientation))
}

fn sizes_differ() -> ImageError {
    ImageError::Limits(LimitError::from_kind(LimitErrorKind::DimensionError))
}

/// Makes 16 bits 8, in place.
fn narrow(pixels: &mut [u8]) -> &mut [u8] {
    let count = pixels.len() / 2;
    for at in 0..count {
        pixels[at] = (u16::from_ne_bytes([pixels[2 * at], pixels[2 * at + 1]]) >> 8) as u8;
    }
    &mut pixels[..count]
}

/// Reduces a large picture, and makes it one of three channels, or of four whose colours are multiplied by their opacity.
/// Only so may they be averaged: else the colour of what cannot be seen would shine through at the edges.
fn reduced(pixels: &mut [u8], channels: u8, width: u32, height: u32) -> Option<DynamicImage> {
    Some(match channels {
        1 => DynamicImage::ImageLuma8(averaged(pixels, width, height)?).into_rgb8().into(),
        2 => {
            let mut small = DynamicImage::ImageLumaA8(averaged(pixels, width, height)?).into_rgba8();
            multiply(&mut small);
            small.into()
        }
        3 => DynamicImage::ImageRgb8(averaged(pixels, width, height)?),
        _ => {
            multiply(pixels);
            DynamicImage::ImageRgba8(averaged(pixels, width, height)?)
        }
    })
}

/// The pixels as a picture of its own, reduced by averaging when it is large. `None` when there are too few pixels.
fn averaged<P: Pixel<Subpixel = u8> + 'static>(
    pixels: &[u8],
    width: u32,
    height: u32,
) -> Option<ImageBuffer<P, Vec<u8>>> {
    let size = fitted(width, height, REDUCED_SIDE_PX);
    if size == (width, height) {
        return ImageBuffer::from_raw(width, height, pixels.to_vec());
    }
    let view = ImageBuffer::<P, &[u8]>::from_raw(width, height, pixels)?;
    Some(imageops::thumbnail(&view, size.0, size.1))
}

/// Shrinks a picture until it fits a square of `side_px`; a smaller one stays as it is.
fn fit(image: DynamicImage, side_px: u32) -> DynamicImage {
    let (width, height) = fitted(image.width(), image.height(), side_px);
    if (width, height) == (image.width(), image.height()) {
        return image;
    }
    image.resize_exact(width, height, FilterType::Lanczos3)
}

/// The size with the same shape whose longer side is `side_px`; the same size when it is smaller already.
fn fitted(width: u32, height: u32, side_px: u32) -> (u32, u32) {
    let longer = width.max(height);
    if longer <= side_px {
        return (width, height);
    }
    let scaled = |px: u32| {
        let exact = (u64::from(px) * u64::from(side_px) + u64::from(longer) / 2) / u64::from(longer);
        u32::try_from(exact).unwrap_or(side_px).max(1)
    };
    (scaled(width), scaled(height))
}

/// Multiplies the colours of RGBA pixels by their opacity.
fn multiply(pixels: &mut [u8]) {
    for pixel in pixels.chunks_exact_mut(4) {
        let alpha = u16::from(pixel[3]);
        if alpha < u16::from(u8::MAX) {
            for colour in &mut pixel[..3] {
                *colour = ((u16::from(*colour) * alpha + 127) / 255) as u8;
            }
        }
    }
}

/// The inverse of [`multiply`], but for what rounding took.
fn divided(pixels: &RgbaImage) -> RgbaImage {
    let mut plain = pixels.clone();
    for pixel in plain.pixels_mut() {
        let [r, g, b, a] = pixel.0;
        if a > 0 && a < u8::MAX {
            let full =
                |colour: u8| ((u32::from(colour) * 255 + u32::from(a) / 2) / u32::from(a)).min(255) as u8;
            pixel.0 = [full(r), full(g), full(b), a];
        }
    }
    plain
}

fn webp(image: &DynamicImage) -> Option<Vec<u8>> {
    let (width, height) = (image.width(), image.height());
    let memory = match image {
        DynamicImage::ImageRgba8(pixels) if pixels.pixels().any(|pixel| pixel.0[3] < u8::MAX) => {
            let plain = divided(pixels);
            ::webp::Encoder::from_rgba(plain.as_raw(), width, height).encode_simple(false, WEBP_QUALITY)
        }
        other => {
            let plain = other.to_rgb8();
            ::webp::Encoder::from_rgb(plain.as_raw(), width, height).encode_simple(false, WEBP_QUALITY)
        }
    };
    memory.ok().map(|memory| memory.to_vec())
}

/// JPEG has no transparency: what can be seen through stands on white.
fn jpeg(image: &DynamicImage) -> ImageResult<Vec<u8>> {
    let pixels = match image {
        DynamicImage::ImageRgba8(pixels) => RgbImage::from_fn(pixels.width(), pixels.height(), |x, y| {
            let [r, g, b, a] = pixels.get_pixel(x, y).0;
            let paper = u8::MAX - a;
            // The colours are multiplied by their opacity already. Rounding of a filter may take them above it.
            Rgb([r, g, b].map(|colour| colour.saturating_add(paper)))
        }),
        other => other.to_rgb8(),
    };
    let mut content = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut content, JPEG_QUALITY);
    encoder.write_image(pixels.as_raw(), pixels.width(), pixels.height(), ExtendedColorType::Rgb8)?;
    Ok(content)
}

fn file(size: Size, encoding: Encoding, content: Vec<u8>) -> File {
    let sha256 = Sha256::digest(&content).into();
    let bytes = u32::try_from(content.len()).unwrap_or(u32::MAX);
    File { variant: Variant { size, encoding, sha256, bytes }, content: content.into() }
}

fn unfit(error: &ImageError) -> Unfit {
    tracing::debug!(%error, "a decoder refuses a picture");
    match error {
        ImageError::Unsupported(_) => Unfit::Unsupported("its kind of colours or coding is not taken"),
        _ => Unfit::Damaged("its content does not decode"),
    }
}
