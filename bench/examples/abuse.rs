//! What crowds and attackers cost the shop in one process: figures, nothing is asserted.
//!
//! `cargo xtask bench abuse` builds the programs and runs this. The shop has one processor, the clients another.
//!
//! 1. Many clients ask for the same page at once, which no cache holds: how often it is made.
//! 2. Connections send their headers a byte at a time: what the others notice, and when the slow ones are ended.
//! 3. Connections of HTTP/2 reset each request as soon as it is sent and come back when they are closed: what that takes from
//!    the shop and from the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures::future::join_all;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use vitrina_bench::load::{Ask, Load, Sample, percentile_ms};
use vitrina_bench::process::{cpu_s, keep_to};
use vitrina_bench::{Options, Shop, Way, story};

/// Clients of a cold page, and connections with slow headers.
const MANY: usize = 1_000;

/// Pages that are asked for cold, one after the other.
const PAGES: usize = 10;

/// For what the writes before set off to be over: an event of a write makes a page anew.
const SETTLED: Duration = Duration::from_secs(3);

/// Connections that reset what they ask for.
const FLOODS: usize = 8;

/// Requests a second of those who only want to buy.
const PER_S: u64 = 300;

/// How long each part lasts.
const PART: Duration = Duration::from_secs(8);

/// Longer than the shop gives a header.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a flood did.
#[derive(Default)]
struct Flood {
    resets: AtomicU64,
    connections: AtomicU64,
}

#[tokio::main]
async fn main() {
    // One client stands for many here.
    let rates = "[edge.rates.read]\nper_s = 0\nburst = 1\n[edge.rates.search]\nper_s = 0\nburst = 1\n";
    let config = format!("[edge.http2]\ncleartext = true\n{rates}");
    let shop =
        Shop::start_with(Way::OneProcess, Options { config, processor: Some(0), ..Options::default() }).await;
    keep_to(1).expect("there are two processors, and taskset");
    let seller = story::seller(&shop.client(), "abuse").await;
    let mut pages = Vec::new();
    for number in 0..PAGES {
        let (_, id) = story::publication(&seller, &format!("Auriculares {number}")).await;
        shop.client().get_until(&format!("/v1/publications/{id}"), |answer| answer.status == 200).await;
        pages.push(format!("/v1/pages/publications/{id}"));
    }
    tokio::time::sleep(SETTLED).await;
    cold(&shop, &pages).await;

    let token = format!("authorization: Bearer {}\r\n", seller.client.token().unwrap_or_default());
    let account: Ask = Arc::new(move |_| ("/v1/me".to_owned(), token.clone()));
    println!("{PER_S} accounts/s by themselves");
    let (before, cpu) = beside(&shop, &account, std::future::pending::<()>()).await;
    line(&before, cpu);
    slow_headers(&shop, &account).await;
    resets(&shop, &account).await;
}

async fn cold(shop: &Shop, pages: &[String]) {
    println!("{MANY} clients ask for a cold page at once");
    let address = address(shop);
    for page in pages {
        let before = number(shop, "vitrina_edge_cache_fills_total").await;
        let start = Arc::new(Barrier::new(MANY));
        let mut clients = JoinSet::new();
        for _ in 0..MANY {
            let (address, page, start) = (address.clone(), page.clone(), start.clone());
            clients.spawn(async move {
                let mut stream = TcpStream::connect(&address).await?;
                start.wait().await;
                let asked = Instant::now();
                let request = format!("GET {page} HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n");
                stream.write_all(request.as_bytes()).await?;
                let mut answer = Vec::new();
                stream.read_to_end(&mut answer).await?;
                std::io::Result::Ok((answer.starts_with(b"HTTP/1.1 200"), asked.elapsed()))
            });
        }
        let answers = clients.join_all().await;
        let served: Vec<Duration> =
            answers.into_iter().flatten().filter_map(|(is_good, took)| is_good.then_some(took)).collect();
        let last = served.iter().max().copied().unwrap_or_default();
        println!(
            "  {} served, {:.0} fills, the last after {:.0} ms",
            served.len(),
            number(shop, "vitrina_edge_cache_fills_total").await - before,
            last.as_secs_f64() * 1_000.0
        );
    }
}

async fn slow_headers(shop: &Shop, account: &Ask) {
    println!("{MANY} connections send a header, a byte a second");
    let address = address(shop);
    let mut slow = JoinSet::new();
    for _ in 0..MANY {
        let address = address.clone();
        slow.spawn(async move {
            let opened = Instant::now();
            let mut stream = TcpStream::connect(&address).await?;
            for byte in
                b"GET / HTTP/1.1\r\nhost: shop\r\nx-slow: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa".iter().cycle()
            {
                if stream.write_all(&[*byte]).await.is_err() {
                    break;
                }
                let ended = tokio::time::timeout(Duration::from_secs(1), stream.read(&mut [0; 512])).await;
                if ended.is_ok_and(|read| !matches!(read, Ok(1..))) || opened.elapsed() > PATIENCE {
                    break;
                }
            }
            std::io::Result::Ok(opened.elapsed())
        });
    }
    let (meanwhile, cpu) = beside(shop, account, std::future::pending::<()>()).await;
    line(&meanwhile, cpu);
    let lasted = slow.join_all().await.into_iter().flatten();
    let ended: Vec<Duration> = lasted.filter(|lasted| *lasted < PATIENCE).collect();
    let (first, last) = (ended.iter().min(), ended.iter().max());
    println!(
        "  {} were ended after {:.1} to {:.1} s",
        ended.len(),
        first.map_or(0.0, Duration::as_secs_f64),
        last.map_or(0.0, Duration::as_secs_f64)
    );
}

async fn resets(shop: &Shop, account: &Ask) {
    println!("{FLOODS} connections reset each request and come back when they are closed");
    let flood = Arc::new(Flood::default());
    let floods = join_all((0..FLOODS).map(|_| async {
        loop {
            // The end of a connection is what this is about.
            let _ = reset(&address(shop), &flood).await;
        }
    }));
    let (meanwhile, cpu) = beside(shop, account, floods).await;
    line(&meanwhile, cpu);
    let (resets, opened) = (flood.resets.load(Ordering::Relaxed), flood.connections.load(Ordering::Relaxed));
    println!(
        "  {} connections were closed, after {:.0} resets each; {:.0} resets/s",
        opened.saturating_sub(FLOODS as u64),
        resets as f64 / opened.max(1) as f64,
        resets as f64 / PART.as_secs_f64()
    );
}

/// Opens a connection and resets requests on it until it is closed.
async fn reset(address: &str, flood: &Flood) -> Result<(), h2::Error> {
    let Ok(stream) = TcpStream::connect(address).await else {
        return Ok(());
    };
    let (mut requests, connection) = h2::client::handshake(stream).await?;
    let driven = tokio::spawn(connection);
    flood.connections.fetch_add(1, Ordering::Relaxed);
    let ended = loop {
        requests = match requests.ready().await {
            Ok(requests) => requests,
            Err(ended) => break ended,
        };
        let number = flood.resets.fetch_add(1, Ordering::Relaxed);
        let target = format!("http://shop/v1/pages/search?q=auriculares&maxPrice={number:08}");
        let request = http::Request::builder().uri(target).body(()).expect("it is a request");
        match requests.send_request(request, true) {
            Ok((_, mut stream)) => stream.send_reset(h2::Reason::CANCEL),
            Err(ended) => break ended,
        }
    };
    driven.abort();
    Err(ended)
}

/// Accounts are asked for beside something else. Gives the answers and the share of its processor that the shop used.
async fn beside(shop: &Shop, account: &Ask, other: impl Future) -> (Vec<Sample>, f64) {
    let pid = shop.pid("shop");
    let load =
        Load { address: address(shop), per_s: PER_S, connections: 64, lasts: PART, ask: account.clone() };
    let (before, started) = (cpu_s(pid).expect("the shop runs"), Instant::now());
    let samples = tokio::select! {
        samples = load.run() => samples,
        _ = other => Vec::new(),
    };
    let used = cpu_s(pid).expect("the shop runs") - before;
    (samples, used / started.elapsed().as_secs_f64())
}

async fn number(shop: &Shop, name: &str) -> f64 {
    let text = shop.admin().get("/metrics").await.expect(200).text;
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
        .unwrap_or_else(|| panic!("no {name}"))
}

fn address(shop: &Shop) -> String {
    shop.client().base().trim_start_matches("http://").to_owned()
}

fn line(samples: &[Sample], cpu: f64) {
    let failed = samples.iter().filter(|sample| sample.status != 200).count();
    println!(
        "  {} accounts asked for, {failed} failed; p50 {:.1} ms, p99 {:.1} ms; the shop uses {:.0} % of its processor",
        samples.len(),
        percentile_ms(samples, 0.5),
        percentile_ms(samples, 0.99),
        cpu * 100.0
    );
}
