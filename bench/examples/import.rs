//! What a real catalogue costs the shop in one process: figures, nothing is asserted.
//!
//! `cargo xtask bench import` builds the programs and runs this. `STARTS` sets how often it is started again.
//!
//! 1. The catalogue is imported: rows a second until they are durable, publications a second until the last one is found by
//!    a search.
//! 2. The shop is started again with it, after SIGTERM and SIGKILL in turn: how soon it is ready, how much memory it has then.

use std::time::{Duration, Instant};

use serde_json::Value;
use vitrina_bench::process::{cpu_s, memory};
use vitrina_bench::{Client, Shop, Way, catalogue, story};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(5);

/// Without requests for so long, the shop is idle.
const IDLE: Duration = Duration::from_secs(15);

#[tokio::main]
async fn main() {
    let mut shop = Shop::start(Way::OneProcess).await;
    remember(&shop, "a new shop");
    let seller = story::seller(&shop.client(), "import").await;
    import(&shop, &seller).await;
    tokio::time::sleep(IDLE).await;
    remember(&shop, "15 s after the import");

    let starts = std::env::var("STARTS").map_or(10, |starts| starts.parse().expect("STARTS is a number"));
    for start in 0..starts {
        let before = Instant::now();
        let end = if start % 2 == 0 {
            shop.stop("shop").await;
            format!("SIGTERM, which took {:.2} s", before.elapsed().as_secs_f64())
        } else {
            shop.kill("shop").await;
            "SIGKILL".to_owned()
        };
        let started = Instant::now();
        shop.restart("shop");
        until_ready(&shop.client()).await;
        println!("ready after {:.0} ms (after {end})", started.elapsed().as_secs_f64() * 1_000.0);
        let path = format!("/v1/publications?limit=1&seller={}", seller.id);
        println!("  {} publications found", shop.client().get(&path).await.json["total"]);
        remember(&shop, "after the start");
    }
    tokio::time::sleep(IDLE).await;
    remember(&shop, "15 s after the start");
}

async fn import(shop: &Shop, seller: &story::Person) {
    let file = catalogue().display().to_string();
    let data = shop.data().display().to_string();
    let rejects = shop.folder().join("rejects.csv").display().to_string();
    let pid = shop.pid("shop");
    let (before_s, started) = (cpu_s(pid).expect("the shop runs"), Instant::now());
    let arguments = ["import", &file, "--seller", &seller.username, "--data", &data, "--rejects", &rejects];
    let (_, report) = shop.vitrina(&arguments).await;
    let durable = started.elapsed().as_secs_f64();
    println!("{}", report.lines().last().unwrap_or_default());
    let path = format!("/v1/publications?limit=1&seller={}", seller.id);
    let (mut total, mut since) = (0, Instant::now());
    // The last one is there once nothing comes any more.
    while since.elapsed() < Duration::from_secs(3) {
        let now = shop.client().get(&path).await.json["total"].as_u64().unwrap_or_default();
        if now != total {
            (total, since) = (now, Instant::now());
        }
        tokio::time::sleep(PAUSE * 10).await;
    }
    let found = (since - started).as_secs_f64();
    let cpu_s = cpu_s(pid).expect("the shop runs") - before_s;
    println!("the command ended after {durable:.1} s");
    println!(
        "{total} publications, the last one found after {found:.1} s: {:.0}/s; {cpu_s:.1} s of CPU time",
        total as f64 / found
    );
}

async fn until_ready(client: &Client) {
    loop {
        let answer = client.try_send(client.request(reqwest::Method::GET, "/readyz")).await;
        if answer.is_ok_and(|answer| answer.status == 200 && answer.json != Value::Null) {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn remember(shop: &Shop, when: &str) {
    let memory = memory(shop.pid("shop")).expect("the shop runs");
    println!("  {when}: RSS {:.0} MB, {:.0} MB of it anonymous", memory.all_mb, memory.anonymous_mb);
}
