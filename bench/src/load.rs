//! A load generator for HTTP/1.1 on kept connections, light enough to share two cores with what it drives.
//!
//! The load is open: requests are due at fixed times, whether earlier ones are answered or not, and their time counts from
//! then on. A closed loop would slow down together with the server and hide how long its clients wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// What is asked for: the path and header lines of the request with that number.
pub type Ask = Arc<dyn Fn(u64) -> (String, String) + Send + Sync>;

/// A load on one address.
#[derive(Clone)]
pub struct Load {
    /// Such as `127.0.0.1:8080`.
    pub address: String,
    /// Requests a second; 0: as many as the connections take, one after the other.
    pub per_s: u64,
    /// Connections; when all of them wait for an answer, requests that are due are sent later.
    pub connections: usize,
    /// For how long.
    pub lasts: Duration,
    /// The requests.
    pub ask: Ask,
}

/// One answer.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// When the request was due, from the start of the load.
    pub due: Duration,
    /// From then until the answer was there.
    pub took: Duration,
    /// From when it was sent.
    pub answered_in: Duration,
    /// HTTP status; 0 when the connection broke.
    pub status: u16,
}

impl Load {
    /// Drives the load and gives every answer, in the order of the requests' times.
    pub async fn run(self) -> Vec<Sample> {
        let started = Instant::now();
        let next = Arc::new(AtomicU64::new(0));
        let mut tasks = JoinSet::new();
        for _ in 0..self.connections {
            tasks.spawn(drive(self.clone(), started, next.clone()));
        }
        let mut samples: Vec<Sample> = tasks.join_all().await.into_iter().flatten().collect();
        samples.sort_by_key(|sample| sample.due);
        samples
    }
}

async fn drive(load: Load, started: Instant, next: Arc<AtomicU64>) -> Vec<Sample> {
    let mut samples = Vec::new();
    let mut connection = None;
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let due = match load.per_s {
            0 => started.elapsed(),
            per_s => Duration::from_secs_f64(number as f64 / per_s as f64),
        };
        if due >= load.lasts || started.elapsed() >= load.lasts {
            return samples;
        }
        tokio::time::sleep_until((started + due).into()).await;
        let sent = Instant::now();
        let status = match exchange(&load, &mut connection, number).await {
            Ok(status) => status,
            Err(_) => {
                connection = None;
                0
            }
        };
        let took = started.elapsed().saturating_sub(due);
        samples.push(Sample { due, took, answered_in: sent.elapsed(), status });
    }
}

async fn exchange(load: &Load, kept: &mut Option<BufReader<TcpStream>>, number: u64) -> Result<u16> {
    let mut connection = match kept.take() {
        Some(connection) => connection,
        None => {
            let stream = TcpStream::connect(&load.address).await?;
            stream.set_nodelay(true)?;
            BufReader::new(stream)
        }
    };
    let (path, headers) = (load.ask)(number);
    let request = format!("GET {path} HTTP/1.1\r\nhost: shop\r\n{headers}\r\n");
    connection.get_mut().write_all(request.as_bytes()).await?;
    let (status, is_kept) = answer(&mut connection).await?;
    *kept = is_kept.then_some(connection);
    Ok(status)
}

/// Reads an answer with its body; gives its status and whether the connection goes on.
async fn answer(connection: &mut BufReader<TcpStream>) -> Result<(u16, bool)> {
    let mut line = String::new();
    let mut body_bytes = 0;
    let mut is_kept = true;
    connection.read_line(&mut line).await?;
    let status = line.split(' ').nth(1).and_then(|word| word.parse().ok()).context("no status line")?;
    loop {
        line.clear();
        if connection.read_line(&mut line).await? == 0 {
            bail!("the header broke off");
        }
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        if name.eq_ignore_ascii_case("content-length") {
            body_bytes = value.trim().parse()?;
        }
        is_kept &= !(name.eq_ignore_ascii_case("connection") && value.trim().eq_ignore_ascii_case("close"));
    }
    tokio::io::copy(&mut connection.take(body_bytes), &mut tokio::io::sink()).await?;
    Ok((status, is_kept))
}

/// The duration below which that share of some durations lie, in ms; 0 when there are none.
pub fn percentile_ms(samples: &[Sample], share: f64) -> f64 {
    let mut sorted: Vec<Duration> = samples.iter().map(|sample| sample.took).collect();
    sorted.sort_unstable();
    let index = (sorted.len() as f64 * share) as usize;
    sorted.get(index.min(sorted.len().saturating_sub(1))).map_or(0.0, |took| took.as_secs_f64() * 1_000.0)
}
