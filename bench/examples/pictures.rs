//! How much memory the shop in one process needs for pictures, good and bad: figures, nothing is asserted.
//!
//! `cargo xtask bench pictures` builds the programs and runs this. The files are those of the images service's own tests. Each is
//! uploaded by itself, then all of them several times over by many clients at once.

use std::time::{Duration, Instant};

use futures::stream::{self, StreamExt as _};
use reqwest::Method;
use vitrina_bench::process::{Peak, memory};
use vitrina_bench::{Answer, Client, Shop, Way, story};

#[path = "../../services/images/tests/it/corpus.rs"]
mod corpus;

/// Without requests for so long, the shop is idle.
const IDLE: Duration = Duration::from_secs(15);

/// Clients that upload at once.
const CLIENTS: usize = 16;

/// How often each file is uploaded by them.
const ROUNDS: usize = 3;

#[tokio::main]
async fn main() {
    let shop = Shop::start(Way::OneProcess).await;
    let seller = story::seller(&shop.client(), "pictures").await;
    let files = files();
    tokio::time::sleep(IDLE).await;
    let pid = shop.pid("shop");
    let idle = memory(pid).expect("the shop runs").all_mb;
    println!("idle: {idle:.0} MB");

    let mut most: f64 = 0.0;
    for (name, content) in &files {
        let product = story::product(&seller, name).await;
        let peak = Peak::of(pid).expect("the shop runs");
        let started = Instant::now();
        let answer = upload(&seller.client, &product, content).await;
        let took_ms = started.elapsed().as_secs_f64() * 1_000.0;
        let above = peak.mb().expect("the shop runs") - idle;
        most = most.max(above);
        println!(
            "  {name}, {:.1} KB: {}; {took_ms:.0} ms, {above:.0} MB above idle",
            content.len() as f64 / 1e3,
            outcome(&answer)
        );
    }

    let peak = Peak::of(pid).expect("the shop runs");
    let again = files.iter().cycle().take(files.len() * ROUNDS);
    let answers: Vec<Answer> = stream::iter(again)
        .map(|(name, content)| {
            let seller = &seller;
            async move {
                let product = story::product(seller, name).await;
                upload(&seller.client, &product, content).await
            }
        })
        .buffer_unordered(CLIENTS)
        .collect()
        .await;
    let above = peak.mb().expect("the shop runs") - idle;
    let count = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
    println!(
        "{} uploads by {CLIENTS} clients: {} taken, {} told to come back; {above:.0} MB above idle",
        answers.len(),
        count(201),
        count(503)
    );
    println!("most above idle: {:.0} MB", most.max(above));
}

/// Every kind of file, the taken ones as large as they may be.
fn files() -> Vec<(&'static str, Vec<u8>)> {
    let mut truncated = corpus::jpeg(4_000, 3_000);
    truncated.truncate(truncated.len() / 2);
    let script = [&corpus::jpeg(640, 480)[..], b"<script>alert(1)</script>"].concat();
    vec![
        ("PNG of 50,000 x 50,000", corpus::bomb_png(50_000, 50_000)),
        ("deep PNG of 8,000 x 5,000", corpus::deep_bomb_png(8_000, 5_000)),
        ("JPEG of 65,500 x 65,500", corpus::bomb_jpeg(65_500, 65_500)),
        ("WebP with a large one inside", corpus::bomb_webp()),
        ("truncated JPEG", truncated),
        ("CMYK JPEG", corpus::cmyk_jpeg()),
        ("progressive JPEG", corpus::progressive_jpeg()),
        ("JPEG of a phone, with GPS", corpus::phone_jpeg(4_000, 3_000)),
        ("JPEG with a script behind it", script),
        ("SVG", b"<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>".to_vec()),
        ("zero bytes", Vec::new()),
        ("a text named .png", b"just some words".to_vec()),
        ("JPEG of 40 megapixels", corpus::jpeg(8_000, 5_000)),
        ("PNG of 40 megapixels", corpus::png(8_000, 5_000)),
        ("PNG of 40 megapixels with transparency", corpus::transparent_png(8_000, 5_000)),
        ("grey PNG of 40 megapixels", corpus::grey_png(8_000, 5_000)),
        ("deep PNG of 20 megapixels", corpus::deep_png(5_000, 4_000)),
        ("WebP of 26 megapixels", corpus::webp(5_200, 5_000)),
        ("lossy WebP of 40 megapixels", corpus::lossy_webp(8_000, 5_000)),
    ]
}

async fn upload(client: &Client, product: &str, content: &[u8]) -> Answer {
    let request = client
        .request(Method::POST, &format!("/v1/products/{product}/images"))
        .header("content-type", "application/octet-stream")
        .body(content.to_vec());
    client.send(request).await
}

fn outcome(answer: &Answer) -> String {
    match answer.json["code"].as_str() {
        Some(code) => format!("{} {code}", answer.status),
        None => answer.status.to_string(),
    }
}
