//! What cannot be taken is refused, with a reason that a program can tell apart.

use vitrina_chassis::UserId;

use crate::corpus;
use crate::harness::{Shop, reason};

/// Uploads each file and compares the reason of its refusal.
async fn check_refused(cases: Vec<(&str, Vec<u8>, &str)>) {
    let shop = Shop::open().await;
    let ana = UserId::generate();
    for (name, content, wanted) in cases {
        assert_eq!(reason(shop.put_avatar(ana, content).await), wanted, "{name}");
    }
    assert_eq!(shop.batch(&[&ana.to_string()]).await, []);
    assert_eq!(shop.objects().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_picture_is_refused() {
    let svg = b"<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>";
    let jpeg = corpus::progressive_jpeg();
    let scan = jpeg.windows(2).position(|pair| pair == [0xFF, 0xDA]).expect("it has a scan");
    let many_scans = [&jpeg[..scan], &jpeg[scan..jpeg.len() - 2].repeat(200), &[0xFF, 0xD9]].concat();
    check_refused(vec![
        ("a JPEG of very many scans", many_scans, "image_unsupported"),
        ("nothing", Vec::new(), "image_empty"),
        ("a text that is named .png", b"just some words".to_vec(), "image_unsupported"),
        ("SVG", svg.to_vec(), "image_unsupported"),
        ("SVG with a declaration", [b"<?xml version=\"1.0\"?>", &svg[..]].concat(), "image_unsupported"),
        ("GIF", b"GIF89a\x01\0\x01\0\0\0\0;".to_vec(), "image_unsupported"),
        ("BMP", b"BM\x3a\0\0\0\0\0\0\0\x36\0\0\0".to_vec(), "image_unsupported"),
        ("HTML before a JPEG", [b"<html>", &corpus::jpeg(8, 8)[..]].concat(), "image_unsupported"),
        ("a sound in RIFF", b"RIFF\x04\0\0\0WAVE".to_vec(), "image_unsupported"),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_is_refused_before_it_is_decoded() {
    let mut long = corpus::jpeg(8, 8);
    long.resize(10 * 1024 * 1024 + 1, 0);
    check_refused(vec![
        ("too many bytes", long, "image_too_large"),
        ("PNG of 50,000 × 50,000", corpus::bomb_png(50_000, 50_000), "image_too_many_pixels"),
        ("PNG of one pixel too many", corpus::bomb_png(8001, 5000), "image_too_many_pixels"),
        ("PNG with the largest numbers", corpus::bomb_png(u32::MAX, u32::MAX), "image_too_many_pixels"),
        ("PNG that would take too much memory", corpus::deep_bomb_png(8000, 5000), "image_too_many_pixels"),
        ("JPEG of 65,500 × 65,500", corpus::bomb_jpeg(65_500, 65_500), "image_too_many_pixels"),
        ("WebP with a large picture inside a small one", corpus::bomb_webp(), "image_damaged"),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_cut_off_or_broken_is_refused() {
    let cut = |mut content: Vec<u8>, share: usize| {
        content.truncate(content.len() * share / 100);
        content
    };
    let mut cases = Vec::new();
    for share in [5, 50, 95, 99] {
        cases.push(("JPEG", cut(corpus::jpeg(640, 480), share), "image_damaged"));
        cases.push(("phone's JPEG", cut(corpus::phone_jpeg(640, 480), share), "image_damaged"));
        cases.push(("PNG", cut(corpus::png(640, 480), share), "image_damaged"));
        cases.push(("WebP", cut(corpus::webp(640, 480), share), "image_damaged"));
        cases.push(("lossy WebP", cut(corpus::lossy_webp(640, 480), share), "image_damaged"));
    }
    cases.push(("PNG with wrong checksums", corpus::bomb_png(10, 10), "image_damaged"));
    cases.push(("PNG without pixels", corpus::bomb_png(0, 10), "image_damaged"));
    cases.push(("start of a JPEG", vec![0xFF, 0xD8, 0xFF], "image_damaged"));
    check_refused(cases).await;
}

/// Flips, cuts and doubles bytes of good pictures: whatever comes of it, it is an answer, and the service goes on.
#[tokio::test(flavor = "multi_thread")]
async fn no_damage_is_a_defect_of_ours() {
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0x5EED_u64);
    println!("SEED={seed}");
    let mut state = seed | 1;
    let mut random = |below: usize| {
        // xorshift64: enough to spread over bytes, and the same everywhere.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let shop = Shop::open().await;
    let ana = UserId::generate();
    let good = [
        corpus::phone_jpeg(40, 30),
        corpus::png(40, 30),
        corpus::transparent_png(40, 30),
        corpus::webp(40, 30),
        corpus::lossy_webp(40, 30),
        corpus::cmyk_jpeg(),
    ];
    for round in 0..180 {
        let mut content = good[round % good.len()].clone();
        for _ in 0..=random(4) {
            let at = random(content.len());
            match random(4) {
                0 => content.truncate(at.max(1)),
                1 => content.extend_from_within(at..),
                _ => content[at] ^= 1 << random(8),
            }
        }
        if let Err(status) = shop.put_avatar(ana, content).await {
            assert_eq!(status.code(), tonic::Code::InvalidArgument, "round {round}: {status:?}");
        }
    }
    shop.put_avatar(ana, corpus::png(8, 8)).await.expect("the service goes on");
}
