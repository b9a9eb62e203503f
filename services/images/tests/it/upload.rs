//! Pictures come in, are made anew and are given out.

use image::{GenericImageView, ImageFormat};
use vitrina_chassis::{UserId, metadata};
use vitrina_proto::images::v1 as pb;

use crate::corpus::{self, BLUE, RED, SECRET};
use crate::harness::{Shop, by, keyed, listen, next_event, reason, said, sha256_hex};

const VARIANTS: [&str; 6] = ["thumb.webp", "thumb.jpg", "card.webp", "card.jpg", "page.webp", "page.jpg"];

/// Uploads a picture and gives its id, after it was seen to have every variant in the right size.
async fn check_taken(content: Vec<u8>, width: u32, height: u32) {
    let shop = Shop::open().await;
    let ana = UserId::generate();
    let product = shop.product(ana).await;
    let image = shop.upload(ana, &product, content).await.expect("the picture is fine");
    assert_eq!((image.width, image.height), (width, height));
    for (name, side) in [("thumb", 160), ("card", 480), ("page", 1200)] {
        let pixels = shop.pixels(&image.id, &format!("{name}.webp")).await;
        assert_eq!(pixels.width().max(pixels.height()), side.min(width.max(height)), "{name}");
        assert_eq!(pixels.dimensions(), shop.pixels(&image.id, &format!("{name}.jpg")).await.dimensions());
    }
    assert_eq!(shop.list(&product).await.expect("it is known"), [image]);
}

fn is_near(pixel: image::Rgba<u8>, wanted: image::Rgb<u8>) -> bool {
    pixel.0.iter().zip(wanted.0).all(|(is, wanted)| is.abs_diff(wanted) < 40)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_picture_is_taken() {
    check_taken(corpus::jpeg(1600, 800), 1200, 600).await;
    check_taken(corpus::png(300, 600), 300, 600).await;
    check_taken(corpus::webp(500, 200), 500, 200).await;
    check_taken(corpus::lossy_webp(500, 200), 500, 200).await;
    check_taken(corpus::transparent_png(2600, 130), 1200, 60).await;
    check_taken(corpus::deep_png(64, 32), 64, 32).await;
    check_taken(corpus::cmyk_jpeg(), 8, 8).await;
    check_taken(corpus::progressive_jpeg(), 8, 8).await;
    check_taken(corpus::png(1, 1), 1, 1).await;
    check_taken(corpus::png(3000, 1), 1200, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_of_forty_megapixels_is_taken() {
    check_taken(corpus::grey_png(8000, 5000), 1200, 750).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_variant_says_what_it_is() {
    let shop = Shop::open().await;
    let ana = UserId::generate();
    let image = shop.put_avatar(ana, corpus::jpeg(64, 64)).await.expect("it is fine");
    for name in VARIANTS {
        let variant = shop.variant(&image.id, name).await.expect("it is there");
        let wanted = if name.ends_with("webp") { ImageFormat::WebP } else { ImageFormat::Jpeg };
        assert_eq!(image::guess_format(&variant.content).expect("it is a picture"), wanted, "{name}");
        assert_eq!(variant.content_type, wanted.to_mime_type());
        assert_eq!(variant.sha256, sha256_hex(&variant.content));
    }
    let paths = image.variants.expect("they are there");
    assert_eq!(paths.card, format!("/v1/images/{}/card.webp", image.id));
    assert_eq!(
        shop.variant(&image.id, "page").await.expect("it is there").content_type,
        "image/jpeg",
        "without an encoding it is what everything shows"
    );
    assert_eq!(reason(shop.variant(&image.id, "huge.webp").await), "not_found");
    assert_eq!(reason(shop.variant("img_x", "page.webp").await), "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_photo_is_turned_upright_and_tells_nothing_more() {
    let shop = Shop::open().await;
    let content = corpus::phone_jpeg(60, 40);
    assert!(content.windows(SECRET.len()).any(|bytes| bytes == SECRET));
    let image = shop.put_avatar(UserId::generate(), content).await.expect("it is fine");
    assert_eq!((image.width, image.height), (40, 60));
    for name in VARIANTS {
        let content = shop.variant(&image.id, name).await.expect("it is there").content;
        for secret in [SECRET, b"Exif", b"xap", b"ICC_PROFILE"] {
            assert!(!content.windows(secret.len()).any(|bytes| bytes == secret), "{name}");
        }
        let pixels = image::load_from_memory(&content).expect("it decodes");
        assert!(is_near(pixels.get_pixel(20, 5), RED) && is_near(pixels.get_pixel(20, 55), BLUE), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_be_seen_through_stays_so_or_stands_on_white() {
    let shop = Shop::open().await;
    let content = corpus::transparent_png(200, 100);
    let image = shop.put_avatar(UserId::generate(), content).await.expect("it is fine");
    let webp = shop.pixels(&image.id, "thumb.webp").await;
    assert_eq!((webp.get_pixel(10, 40).0[3], webp.get_pixel(150, 40).0[3]), (255, 0));
    let jpeg = shop.pixels(&image.id, "thumb.jpg").await;
    assert!(is_near(*jpeg.get_pixel(10, 40), RED));
    assert!(is_near(*jpeg.get_pixel(150, 40), image::Rgb([255, 255, 255])));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_behind_a_picture_is_gone() {
    let shop = Shop::open().await;
    let script = b"<script>alert(1)</script>";
    for (at, mut content) in
        [corpus::jpeg(64, 64), corpus::png(64, 64), corpus::lossy_webp(64, 64)].into_iter().enumerate()
    {
        content.extend(script);
        let image = shop.put_avatar(UserId::generate(), content).await.expect("the picture itself is fine");
        for name in VARIANTS {
            let content = shop.variant(&image.id, name).await.expect("it is there").content;
            assert!(!content.windows(7).any(|bytes| bytes == b"<script"), "{at} {name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_adds_one_picture() {
    let shop = Shop::open().await;
    let ana = UserId::generate();
    let product = shop.product(ana).await;
    let upload = |content| {
        let request = pb::UploadProductImageRequest { product_id: product.clone(), content };
        let mut client = shop.client();
        async move { client.upload_product_image(keyed(by(ana, request), "k")).await }
    };
    let first = upload(corpus::jpeg(64, 64)).await.expect("it is fine");
    let tags = format!("images:{product},product:{product}");
    assert_eq!(said(&first, metadata::CHANGED), Some(tags));
    let again = upload(corpus::jpeg(64, 64)).await.expect("it is fine");
    assert_eq!(said(&again, metadata::REPLAYED).as_deref(), Some("true"));
    assert_eq!(again.into_inner(), first.into_inner());
    assert_eq!(shop.ids(&product).await.len(), 1);
    assert_eq!(reason(upload(corpus::jpeg(65, 64)).await), "idempotency_key_reused");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_uploads_at_once_wait_for_each_other() {
    let shop = Shop::open().await;
    let ana = UserId::generate();
    let product = shop.product(ana).await;
    let uploads = (0..12).map(|_| shop.upload(ana, &product, corpus::jpeg(300, 200)));
    for uploaded in futures::future::join_all(uploads).await {
        uploaded.expect("its turn comes");
    }
    assert_eq!(shop.ids(&product).await.len(), 12);
    assert_eq!(reason(shop.upload(ana, &product, corpus::jpeg(300, 200)).await), "too_many");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_avatar_takes_the_place_of_the_old_one() {
    let shop = Shop::open().await;
    let mut events = listen(&shop.ctx, &["image.*"]).await;
    let ana = UserId::generate();
    let first = shop.put_avatar(ana, corpus::png(20, 20)).await.expect("it is fine");
    let second = shop.put_avatar(ana, corpus::png(30, 30)).await.expect("it is fine");
    assert_eq!(reason(shop.variant(&first.id, "thumb.webp").await), "not_found");
    assert_eq!(shop.batch(&[&ana.to_string()]).await[0].images, std::slice::from_ref(&second));
    for (version, image) in [(1, first), (2, second)] {
        let (topic, event) = next_event(&mut events).await;
        assert_eq!((topic.as_str(), event.version), ("image.ready", version));
        assert_eq!((event.owner_id, event.avatar), (ana.to_string(), Some(image.id)));
    }
}
