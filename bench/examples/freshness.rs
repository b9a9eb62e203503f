//! Is a write ever followed by an older read? Figures, nothing is asserted.
//!
//! `cargo xtask bench freshness` builds the programs and runs this; `WRITES` sets how many. It needs RabbitMQ for the second part.
//!
//! 1. Writers change titles and prices and read the page and the entity after each write, through the same edge, while other
//!    clients keep the same pages hot.
//! 2. Two edges: how long after a write's answer the last older byte comes from the other one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::join_all;
use vitrina_bench::freshness::{Subject, seen_elsewhere, write_then_read};
use vitrina_bench::load::Load;
use vitrina_bench::{Client, Options, Shop, Way, story};

/// Writers side by side, each on a publication of its own.
const WRITERS: usize = 16;

/// Requests a second of others for the same pages.
const OTHERS_PER_S: u64 = 2_000;

/// Writes whose way to another edge is measured.
const WRITES_ELSEWHERE: u64 = 500;

/// One client stands for many here.
const NO_RATES: &str = "[edge.rates]
read = { per_s = 0, burst = 1 }
write = { per_s = 0, burst = 1 }
";

#[tokio::main]
async fn main() {
    let writes =
        std::env::var("WRITES").map_or(100_000, |writes| writes.parse().expect("WRITES is a number"));
    same_edge(writes).await;
    two_edges().await;
}

async fn same_edge(writes: u64) {
    let (shop, subjects) = shop(Way::OneProcess).await;
    let client = shop.client();
    let others = tokio::spawn(others(&client, &subjects).run());
    let started = Instant::now();
    let each = writes / WRITERS as u64;
    let stale =
        join_all(subjects.iter().map(|subject| write_then_read(subject, &client, each))).await.concat();
    let lasted_s = started.elapsed().as_secs_f64();
    println!(
        "{} writes, each with two reads after it, in {lasted_s:.0} s: {} stale",
        each * WRITERS as u64,
        stale.len()
    );
    for answer in stale.iter().take(3) {
        println!("  {answer}");
    }
    others.abort();
}

async fn two_edges() {
    let (shop, subjects) = shop(Way::Processes).await;
    let load = tokio::spawn(others(&shop.other_client(), &subjects[1..]).run());
    let mut lags = seen_elsewhere(&subjects[0], &shop.other_client(), WRITES_ELSEWHERE).await;
    load.abort();
    lags.sort_unstable();
    let ms = |share: f64| lags[((lags.len() - 1) as f64 * share) as usize].as_secs_f64() * 1_000.0;
    println!(
        "the other edge, {WRITES_ELSEWHERE} writes: last older byte {:.1} ms after the answer in the median, p99 {:.1} ms, longest {:.1} ms",
        ms(0.5),
        ms(0.99),
        ms(1.0)
    );
}

async fn shop(way: Way) -> (Shop, Vec<Subject>) {
    let shop = Shop::start_with(way, Options { config: NO_RATES.to_owned(), ..Options::default() }).await;
    let client = shop.client();
    let seller = story::seller(&client, "bench").await;
    let mut subjects = Vec::new();
    for number in 0..WRITERS {
        let (product, publication) = story::publication(&seller, &format!("Auriculares {number}")).await;
        let subject = Subject { seller: seller.clone(), product, publication };
        client.get_until(&subject.page(), |page| page.json["product"].is_object()).await;
        subjects.push(subject);
    }
    (shop, subjects)
}

/// Others who look at the same pages all the time.
fn others(client: &Client, subjects: &[Subject]) -> Load {
    let pages: Vec<String> = subjects.iter().map(Subject::page).collect();
    let address = client.base().trim_start_matches("http://").to_owned();
    let ask = Arc::new(move |number: u64| (pages[number as usize % pages.len()].clone(), String::new()));
    Load { address, per_s: OTHERS_PER_S, connections: 32, lasts: Duration::from_secs(600), ask }
}
