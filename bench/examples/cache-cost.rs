//! What a cached answer costs: CPU time a request of the shop's edge, of nginx's `proxy_cache` and of Varnish, on the same body, in
//! the same run, over the same kind of connections: figures, nothing is asserted.
//!
//! `cargo xtask bench cache-cost` builds the programs and runs this; `SECONDS` sets how long each server is kept busy. nginx and
//! varnishd are taken from the path and run in a temporary directory, in front of a small server with the edge's own body.
//! Counted is what the servers use, user and system, as `/proc` tells; the load generator is not.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio::time::Instant;
use vitrina_bench::process::cpu_s;
use vitrina_bench::{Options, Shop, Way, story};

/// The page that is asked for.
const TARGET: &str = "/v1/pages/home";

/// Publications on it.
const PUBLICATIONS: usize = 12;

/// Rounds over the three servers, so that what else the machine does meets all of them.
const ROUNDS: u32 = 3;

/// Connections that are kept busy.
const CONNECTIONS: usize = 32;

/// For a server to listen.
const START_LIMIT: Duration = Duration::from_secs(20);

/// What one server did in a run.
struct Run {
    requests: u64,
    cpu_s: f64,
    took: Duration,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let time = Duration::from_secs(std::env::var("SECONDS").map_or(Ok(5), |text| text.parse())?);
    let dir = tempfile::tempdir()?;
    let shop = shop().await;
    let edge = shop.client().base().trim_start_matches("http://").parse()?;
    let body = shop.client().get(TARGET).await.expect(200).text;
    println!("{} bytes, {CONNECTIONS} connections, {ROUNDS} times {} s each", body.len(), time.as_secs());

    let origin = origin(body.into_bytes()).await?;
    let (mut nginx, nginx_addr) = nginx(dir.path(), origin).await?;
    let (mut varnish, varnish_addr) = varnish(dir.path(), origin).await?;
    let servers = [
        ("edge", edge, shop.pid("shop")),
        ("nginx", nginx_addr, nginx.id().context("nginx has ended")?),
        ("varnish", varnish_addr, varnish.id().context("varnishd has ended")?),
    ];
    for _ in 0..ROUNDS {
        let mut costs = Vec::new();
        for (name, address, pid) in servers {
            load(address, Duration::from_secs(1), pid).await?;
            let run = load(address, time, pid).await?;
            let cost_us = run.cpu_s * 1e6 / run.requests as f64;
            let rate = run.requests as f64 / run.took.as_secs_f64();
            println!("{name:8} {cost_us:6.2} µs CPU/request  {rate:8.0} requests/s");
            costs.push(cost_us);
        }
        println!("edge / nginx {:.2}   edge / varnish {:.2}", costs[0] / costs[1], costs[0] / costs[2]);
    }
    end(&mut nginx).await?;
    end(&mut varnish).await
}

/// A shop with a page worth keeping. One client may ask for as much as it likes, since here it stands for many.
async fn shop() -> Shop {
    let config = "[edge.rates.read]\nper_s = 0\nburst = 1\n".to_owned();
    let shop = Shop::start_with(Way::OneProcess, Options { config, ..Options::default() }).await;
    let seller = story::seller(&shop.client(), "bench").await;
    for number in 0..PUBLICATIONS {
        story::publication(&seller, &format!("Auriculares {number}")).await;
    }
    let newest = |answer: &vitrina_bench::Answer| {
        answer.json["newest"].as_array().is_some_and(|cards| cards.len() >= PUBLICATIONS)
    };
    shop.client().get_until(TARGET, newest).await;
    shop
}

/// Keeps all connections busy for a time.
async fn load(address: SocketAddr, time: Duration, pid: u32) -> anyhow::Result<Run> {
    let before = cpu_s(pid)?;
    let started = Instant::now();
    let request = format!("GET {TARGET} HTTP/1.1\r\nHost: shop.test\r\nAccept: */*\r\n\r\n");
    let mut clients = JoinSet::new();
    for _ in 0..CONNECTIONS {
        clients.spawn(client(address, request.clone(), started + time));
    }
    let mut requests = 0;
    while let Some(done) = clients.join_next().await {
        requests += done??;
    }
    Ok(Run { requests, cpu_s: cpu_s(pid)? - before, took: started.elapsed() })
}

async fn client(address: SocketAddr, request: String, until: Instant) -> anyhow::Result<u64> {
    let mut stream = BufReader::with_capacity(64 * 1024, TcpStream::connect(address).await?);
    stream.get_ref().set_nodelay(true)?;
    let mut line = String::new();
    let mut body = Vec::new();
    let mut requests = 0;
    while Instant::now() < until {
        stream.get_mut().write_all(request.as_bytes()).await?;
        let mut length = 0;
        let mut is_first = true;
        loop {
            line.clear();
            stream.read_line(&mut line).await?;
            if std::mem::take(&mut is_first) && !line.starts_with("HTTP/1.1 200") {
                bail!("{address} answers {}", line.trim_end());
            }
            if line.trim_end().is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').unwrap_or_default();
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse()?;
            }
        }
        body.resize(length, 0);
        stream.read_exact(&mut body).await?;
        requests += 1;
    }
    Ok(requests)
}

/// A server with one answer, fresh for an hour.
async fn origin(body: Vec<u8>) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let header = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nCache-Control: public, max-age=3600\r\n\
         Connection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let answer = [header.into_bytes(), body].concat();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4_096];
            // Whoever goes away again needs no answer.
            if stream.read(&mut request).await.is_ok() {
                let _ = stream.write_all(&answer).await;
            }
        }
    });
    Ok(address)
}

async fn nginx(dir: &Path, origin: SocketAddr) -> anyhow::Result<(Child, SocketAddr)> {
    let address = free().await?;
    let at = dir.display();
    let config = format!(
        "worker_processes 2; pid {at}/nginx.pid; error_log {at}/error.log; events {{ worker_connections 1024; }}\n\
         http {{ access_log {at}/access.log combined buffer=64k flush=1s; keepalive_requests 1000000000;\n\
         proxy_cache_path {at}/nginx keys_zone=pages:10m; client_body_temp_path {at}/b; proxy_temp_path {at}/p;\n\
         fastcgi_temp_path {at}/f; uwsgi_temp_path {at}/u; scgi_temp_path {at}/s; sendfile on; tcp_nopush on;\n\
         server {{ listen {address}; location / {{ proxy_pass http://{origin}; proxy_cache pages; }} }} }}\n"
    );
    let file = dir.join("nginx.conf");
    std::fs::write(&file, config)?;
    let mut command = Command::new("nginx");
    command.arg("-p").arg(dir).arg("-c").arg(&file).args(["-g", "daemon off;"]);
    Ok((started(command, address).await?, address))
}

async fn varnish(dir: &Path, origin: SocketAddr) -> anyhow::Result<(Child, SocketAddr)> {
    let address = free().await?;
    let mut command = Command::new("varnishd");
    command.args(["-F", "-s", "malloc,64m", "-a", &address.to_string(), "-b", &origin.to_string()]);
    command.arg("-n").arg(dir.join("varnish"));
    Ok((started(command, address).await?, address))
}

async fn started(mut command: Command, address: SocketAddr) -> anyhow::Result<Child> {
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).spawn()?;
    let listening = async {
        while TcpStream::connect(address).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(START_LIMIT, listening).await.context("a server does not listen")?;
    Ok(child)
}

/// Ends a server by SIGTERM, so that it takes its workers with it.
async fn end(child: &mut Child) -> anyhow::Result<()> {
    if let Some(pid) = child.id() {
        Command::new("kill").args(["-TERM", &pid.to_string()]).status().await?;
    }
    child.wait().await?;
    Ok(())
}

async fn free() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0").await?.local_addr()?)
}
