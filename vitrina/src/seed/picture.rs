//! Generated pictures: a gradient with some discs on it, as a PNG. The same name gives the same picture.

use std::io::Cursor;

use anyhow::{Context, Result};
use image::{ImageFormat, Rgb, RgbImage};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Pixels of a product's picture: as many as its card has.
const PRODUCT: (u32, u32) = (480, 360);
/// Pixels of an avatar.
const AVATAR: (u32, u32) = (256, 256);
/// Discs on a picture.
const DISCS: usize = 5;

type Colour = [f32; 3];

/// A disc as parts of the picture's height.
struct Disc {
    x: f32,
    y: f32,
    radius: f32,
    colour: Colour,
}

/// A picture of a product.
pub(super) async fn product(name: &str) -> Result<Vec<u8>> {
    drawn(name, PRODUCT).await
}

/// A picture of a person.
pub(super) async fn avatar(name: &str) -> Result<Vec<u8>> {
    drawn(name, AVATAR).await
}

/// Draws away from the async threads: it takes some milliseconds.
async fn drawn(name: &str, size: (u32, u32)) -> Result<Vec<u8>> {
    let name = name.to_owned();
    tokio::task::spawn_blocking(move || draw(&name, size)).await?
}

fn draw(name: &str, (width, height): (u32, u32)) -> Result<Vec<u8>> {
    let mut random = StdRng::seed_from_u64(super::number_of(name));
    let (from, to) = (colour(&mut random), colour(&mut random));
    let scale = 1.0 / height as f32;
    let discs: Vec<Disc> = (0..DISCS)
        .map(|_| Disc {
            x: random.gen_range(0.0..width as f32 * scale),
            y: random.gen_range(0.0..1.0),
            radius: random.gen_range(0.08..0.35),
            colour: colour(&mut random),
        })
        .collect();
    let picture = RgbImage::from_fn(width, height, |x, y| {
        let (x, y) = (x as f32 * scale, y as f32 * scale);
        let ground = mix(from, to, (x * height as f32 / width as f32 + y) / 2.0);
        let colour = discs.iter().fold(ground, |below, disc| {
            let is_in = (x - disc.x).powi(2) + (y - disc.y).powi(2) < disc.radius.powi(2);
            if is_in { mix(below, disc.colour, 0.45) } else { below }
        });
        Rgb(colour.map(|part| part as u8))
    });
    let mut png = Cursor::new(Vec::new());
    picture.write_to(&mut png, ImageFormat::Png).context("a picture can't be made")?;
    Ok(png.into_inner())
}

fn colour(random: &mut StdRng) -> Colour {
    [(); 3].map(|()| random.gen_range(40.0..235.0))
}

fn mix(from: Colour, to: Colour, part: f32) -> Colour {
    [0, 1, 2].map(|index| from[index] + (to[index] - from[index]) * part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_name_gives_the_same_picture() {
        let drawn = |name| draw(name, AVATAR).unwrap();
        assert_eq!(drawn("demo-1-1-1"), drawn("demo-1-1-1"));
        assert_ne!(drawn("demo-1-1-1"), drawn("demo-1-1-2"));
        let read = image::load_from_memory(&drawn("seller1")).unwrap();
        assert_eq!((read.width(), read.height()), AVATAR);
    }
}
