//! What a failing service and too much load do to the shop: figures, nothing is asserted.
//!
//! `cargo xtask bench resilience` builds the programs and runs this. It needs RabbitMQ for the first part.
//!
//! 1. A service is killed under load, and started again: how its own routes answer meanwhile, and what the routes of the
//!    others notice.
//! 2. The whole shop in one process gets three times the load that it can serve: what is served of it, who is turned away
//!    first, and when all is as before. It has one processor and the load another, so that the load takes nothing from it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use vitrina_bench::load::{Ask, Load, Sample, percentile_ms};
use vitrina_bench::process::{cpu_s, keep_to};
use vitrina_bench::{Client, Options, Shop, Way, story};

/// Requests a second of each part of the first load.
const PER_S: u64 = 200;

/// How long each part of a measurement lasts.
const PART: Duration = Duration::from_secs(6);

/// Floods, one after the other.
const ROUNDS: usize = 3;

/// An answer later than this is of no use to a visitor.
const USEFUL: Duration = Duration::from_secs(1);

#[tokio::main]
async fn main() {
    let only = std::env::args().nth(1);
    let is_wanted = |part: &str| only.as_deref().is_none_or(|only| only == part);
    if is_wanted("kill") {
        killed().await;
    }
    if is_wanted("overload") {
        overloaded().await;
    }
}

async fn killed() {
    let mut shop = Shop::start(Way::Processes).await;
    let client = shop.client();
    let seller = story::seller(&client, "bench").await;
    let (_, publication) = story::publication(&seller, "Auriculares").await;
    client.get_until(&format!("/v1/publications/{publication}"), |answer| answer.status == 200).await;

    // Both ask for what no cache holds.
    let searches = |lasts| load(&client, PER_S, lasts, search());
    let accounts = |lasts| load(&client, PER_S, lasts, account(&seller.client));
    println!("a service is killed under load ({PER_S} searches/s, {PER_S} accounts/s)");
    let (own, others) = tokio::join!(searches(PART).run(), accounts(PART).run());
    line("before: searches", &own);
    line("before: accounts", &others);

    let during = async { tokio::join!(searches(PART * 2).run(), accounts(PART * 2).run()) };
    let chaos = async {
        tokio::time::sleep(PART / 3).await;
        shop.kill("publications").await;
        tokio::time::sleep(PART).await;
        shop.restart("publications");
    };
    let ((own, others), ()) = tokio::join!(during, chaos);
    let (away_from, away_to) = (PART / 3, PART / 3 + PART);
    let within = |samples: &[Sample], from: Duration, to: Duration| -> Vec<Sample> {
        samples.iter().copied().filter(|sample| sample.due >= from && sample.due < to).collect()
    };
    line("away: searches", &within(&own, away_from, away_to));
    line("away: accounts", &within(&others, away_from, away_to));
    line("back: accounts", &within(&others, away_to, PART * 2));
    let back = own.iter().find(|sample| sample.due >= away_to && sample.status == 200);
    match back {
        Some(sample) => println!(
            "  served again {:.0} ms after its process was started",
            (sample.due.saturating_sub(away_to)).as_secs_f64() * 1_000.0
        ),
        None => println!("  not served again within {PART:?}"),
    }
}

async fn overloaded() {
    let options = Options { processor: Some(0), ..Options::default() };
    let shop = Shop::start_with(Way::OneProcess, options).await;
    keep_to(1).expect("there are two processors, and taskset");
    let client = shop.client();
    let seller = story::seller(&client, "bench").await;
    for number in 0..20 {
        story::publication(&seller, &format!("Auriculares {number}")).await;
    }
    client.get_until("/v1/publications?q=auriculares", |answer| answer.status == 200).await;

    println!("three times the load that the shop in one process can serve");
    let mut calm = 0;
    for _ in 0..ROUNDS {
        // What the machine can do changes by the minute, so it is read before and after.
        let before = capacity(&shop).await;
        let flood = load(&client, (before * 3.0) as u64, PART * 2, page()).run();
        let used = used_s(&shop);
        let beside = load(&client, 20, PART * 2, account(&seller.client)).run();
        let (flood, beside) = tokio::join!(flood, beside);
        let used = (used_s(&shop) - used) / (PART * 2).as_secs_f64();
        let after = capacity(&shop).await;
        let (goodput, capacity) = (served(&flood) / (PART * 2).as_secs_f64(), (before + after) / 2.0);
        line("three times the capacity", &flood);
        println!("  the load itself took {:.0} % of its processor", used * 100.0);
        line("reads that matter more beside it", &beside);
        println!(
            "  goodput {goodput:.0} pages/s, {:.0} % of the capacity, which was {before:.0} before and {after:.0} after",
            goodput / capacity * 100.0
        );
        calm = (capacity * 0.5) as u64;
    }

    // The last flood is over only now.
    load(&client, calm * 6, PART, page()).run().await;
    let after = load(&client, calm, PART * 2, page()).run().await;
    line("half the capacity, at once after a flood", &after);
    let last_bad = after.iter().rev().find(|sample| sample.status != 200 || sample.took > USEFUL / 4);
    let back = last_bad.map_or(0.0, |sample| sample.due.as_secs_f64());
    println!("  back to normal after {back:.1} s");
}

/// Pages a second that the shop can serve.
async fn capacity(shop: &Shop) -> f64 {
    let peak = Load { connections: 64, ..load(&shop.client(), 0, PART, page()) }.run().await;
    served(&peak) / PART.as_secs_f64()
}

/// CPU time of the load alone, in seconds: the shop is a child of this process.
fn used_s(shop: &Shop) -> f64 {
    let cpu_s = |pid| cpu_s(pid).expect("it runs");
    cpu_s(std::process::id()) - cpu_s(shop.pid("shop"))
}

fn load(client: &Client, per_s: u64, lasts: Duration, ask: Ask) -> Load {
    let address = client.base().trim_start_matches("http://").to_owned();
    Load { address, per_s, connections: 512, lasts, ask }
}

/// Searches that no cache has: each load asks for others.
fn search() -> Ask {
    static LOADS: AtomicU64 = AtomicU64::new(1);
    let load = LOADS.fetch_add(1, Ordering::Relaxed);
    Arc::new(move |number| {
        (format!("/v1/publications?q=auriculares&maxPrice={load}{number:08}"), String::new())
    })
}

/// Pages that no cache has: each load asks for others.
fn page() -> Ask {
    static LOADS: AtomicU64 = AtomicU64::new(1);
    let load = LOADS.fetch_add(1, Ordering::Relaxed);
    Arc::new(move |number| {
        (format!("/v1/pages/search?q=auriculares&maxPrice={load}{number:08}"), String::new())
    })
}

fn account(client: &Client) -> Ask {
    let token = format!("authorization: Bearer {}\r\n", client.token().unwrap_or_default());
    Arc::new(move |_| ("/v1/me".to_owned(), token.clone()))
}

/// Answers that were of use.
fn served(samples: &[Sample]) -> f64 {
    samples.iter().filter(|sample| sample.status == 200 && sample.answered_in <= USEFUL).count() as f64
}

fn line(name: &str, samples: &[Sample]) {
    let count = |wanted: fn(u16) -> bool| samples.iter().filter(|sample| wanted(sample.status)).count();
    let (good, refused) = (count(|status| status == 200), count(|status| status == 503));
    println!(
        "  {name}: {} sent, {good} served, {refused} refused, {} failed; p50 {:.1} ms, p99 {:.1} ms",
        samples.len(),
        samples.len() - good - refused,
        percentile_ms(samples, 0.5),
        percentile_ms(samples, 0.99),
    );
}
