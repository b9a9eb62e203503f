//! What a cached answer costs: CPU time a request of a running edge, of nginx's `proxy_cache` and of Varnish, on the same body, in
//! the same run, over the same kind of connections.
//!
//! `cache-cost URL PID [SECONDS]`: the URL of a page that the edge keeps, and the edge's process. nginx and varnishd are taken
//! from the path and run in a temporary directory, in front of a small server with the edge's own body. Counted is what the
//! servers use, user and system, as `/proc` tells; the load generator is not.

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

/// Connections that are kept busy.
const CONNECTIONS: usize = 32;

/// Clock ticks a second of `/proc/PID/stat`, the same on every Linux of today.
const TICKS_A_SECOND: f64 = 100.0;

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
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: cache-cost URL PID [SECONDS]";
    let url: reqwest::Url = arguments.next().context(usage)?.parse()?;
    let pid: u32 = arguments.next().context(usage)?.parse()?;
    let seconds: u64 = arguments.next().map_or(Ok(5), |text| text.parse())?;
    let edge = url.socket_addrs(|| None)?.into_iter().next().context("the URL has no address")?;
    let target = url.path().to_owned();
    let body = reqwest::get(url).await?.error_for_status()?.bytes().await?;
    println!("{} bytes, {CONNECTIONS} connections, {seconds} s each", body.len());

    let dir = tempfile::tempdir()?;
    let origin = origin(body.to_vec()).await?;
    let (mut nginx, nginx_addr) = nginx(dir.path(), origin).await?;
    let (mut varnish, varnish_addr) = varnish(dir.path(), origin).await?;
    let servers = [
        ("edge", edge, pid),
        ("nginx", nginx_addr, nginx.id().context("nginx has ended")?),
        ("varnish", varnish_addr, varnish.id().context("varnishd has ended")?),
    ];
    let mut costs = Vec::new();
    for (name, address, pid) in servers {
        load(address, &target, Duration::from_secs(1), pid).await?;
        let run = load(address, &target, Duration::from_secs(seconds), pid).await?;
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        let (cost_us, rate) =
            (run.cpu_s * 1e6 / run.requests as f64, run.requests as f64 / run.took.as_secs_f64());
        println!("{name:8} {cost_us:6.2} µs CPU/request  {rate:8.0} requests/s");
        costs.push(cost_us);
    }
    println!("edge / nginx   {:.2}", costs[0] / costs[1]);
    println!("edge / varnish {:.2}", costs[0] / costs[2]);
    nginx.kill().await?;
    varnish.kill().await?;
    Ok(())
}

/// Keeps all connections busy for a time.
async fn load(address: SocketAddr, target: &str, time: Duration, pid: u32) -> anyhow::Result<Run> {
    let before = cpu_s(pid)?;
    let started = Instant::now();
    let request = format!("GET {target} HTTP/1.1\r\nHost: shop.test\r\nAccept: */*\r\n\r\n");
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

/// CPU time of a process and its children so far, user and system.
fn cpu_s(pid: u32) -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in parentheses may hold anything; the numbers begin after it.
    let fields: Vec<&str> =
        stat.rsplit_once(')').context("/proc/PID/stat has no name")?.1.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<f64>().ok()).unwrap_or_default();
    let mut total = (ticks(11) + ticks(12)) / TICKS_A_SECOND;
    for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let children = std::fs::read_to_string(task?.path().join("children")).unwrap_or_default();
        for child in children.split_whitespace() {
            total += cpu_s(child.parse()?)?;
        }
    }
    Ok(total)
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

async fn free() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0").await?.local_addr()?)
}
