//! `vitrina up`: the edge, the services and the broker in one process.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use indicatif::ProgressBar;
use tokio::net::TcpListener;
use tracing::info;
use vitrina_broker::Broker;
use vitrina_chassis::{Clock, Running, Transport};
use vitrina_edge::{Edge, EdgeConfig, Upstreams};
use vitrina_proto::Clients;
use vitrina_storage::{Options, Store};

use crate::DATA;
use crate::config::Config;
use crate::connect::Shop;
use crate::data::{Data, SERVICES};
use crate::outside::{self, Outside};
use crate::seed::Plan;

/// How long a drain may take before what is left is given up.
const DRAIN_WITHIN: Duration = Duration::from_secs(20);

/// What is logged unless told otherwise. pingora reports broken connections as errors; they are the clients'.
const LOG: &str = "info,pingora_core=off,pingora_proxy=off";

#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  vitrina up
  vitrina up --demo --data /tmp/demo
  vitrina up --listen 0.0.0.0:80 --broker amqp://guest:guest@queue:5672/%2f --otlp http://collector:4317

Ctrl-C or SIGTERM drains: running requests are answered, nothing acknowledged is lost.")]
pub(crate) struct UpOptions {
    /// Where the data lies; made when it is not there
    #[arg(long, default_value = DATA, env = "VITRINA_DATA")]
    data: PathBuf,
    /// Where clients are served [default: 127.0.0.1:8080]
    #[arg(long, env = "VITRINA_LISTEN")]
    listen: Option<SocketAddr>,
    /// Where operators are served [default: 127.0.0.1:9901]
    #[arg(long, env = "VITRINA_ADMIN")]
    admin: Option<SocketAddr>,
    /// First address for gRPC; the services follow on the next ports. `off`: in process only
    #[arg(long, default_value = "127.0.0.1:7001", env = "VITRINA_GRPC")]
    grpc: String,
    /// Address of the stand-ins for MercadoPago and S3 (S3 on the next port). `off`: what vitrina.toml names
    #[arg(long, default_value = "127.0.0.1:7100", env = "VITRINA_SANDBOX")]
    sandbox: String,
    /// RabbitMQ instead of the embedded broker, such as amqp://guest:guest@127.0.0.1:5672/%2f
    #[arg(long, env = "VITRINA_BROKER", hide_env_values = true)]
    broker: Option<String>,
    /// OpenTelemetry collector, OTLP over gRPC [default: `http://127.0.0.1:4317`, quietly off when nothing listens]
    #[arg(long, env = "VITRINA_OTLP")]
    otlp: Option<String>,
    /// Configuration file; what it sets, flags and environment override
    #[arg(long, env = "VITRINA_CONFIG")]
    config: Option<PathBuf>,
    /// Filter of the log, such as info or vitrina_edge=debug
    #[arg(long, default_value = LOG, env = "VITRINA_LOG")]
    log: String,
    /// Fills an empty data directory with a generated shop
    #[arg(long)]
    demo: bool,
}

/// Where telemetry goes unless told otherwise; quietly nowhere when nothing listens there.
const OTLP: &str = "http://127.0.0.1:4317";

/// Runs the shop until it is told to stop.
pub(crate) async fn run(options: UpOptions) -> Result<ExitCode> {
    let started = Instant::now();
    // Asked for before anything is opened, so that a signal during the start is not lost.
    let stop = stop_signal()?;
    let config = match &options.config {
        Some(path) => Config::read(path)?,
        None => Config::default(),
    };
    let telemetry = vitrina_otel::start(vitrina_otel::Config {
        service_name: "vitrina".to_owned(),
        otlp_endpoint: options.otlp.clone().or(config.telemetry.otlp.clone()).or(Some(OTLP.to_owned())),
        log_filter: options.log.clone(),
        ..vitrina_otel::Config::default()
    })?;
    let data = Data::at(&options.data);
    let is_new = data.is_empty();
    data.create()?;
    let broker = broker(&options, &config, &data).await?;
    let edge_config = edge_config(&options, &config, &data)?;
    let sandbox = outside::sandbox(&options.sandbox, &data).await?;
    let outside = Outside::of(&config, sandbox.as_ref(), edge_config.listen);
    let services = start_services(&options, &data, &broker, &outside).await?;
    let upstreams = services.iter().fold(Upstreams::new(), |upstreams, service| {
        upstreams.in_process(service.name(), service.in_process())
    });
    let edge = Edge::start(edge_config, upstreams, Some(Arc::clone(&broker))).await?;
    let (url, admin) = (format!("http://{}", edge.addr), format!("http://{}", edge.admin_addr));
    data.write_urls(&url, &admin)?;
    info!(
        ready_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        url, "the shop is ready"
    );
    println!("vitrina is ready: {url} (reference: {url}/docs, operators: {admin})");
    if let Some(sandbox) = &sandbox {
        println!("stand-ins of outside services, with what they received: {}/sandbox", sandbox.url());
    }
    if options.demo && is_new {
        Plan::demo()
            .fill(&Shop::at(&url)?, &ProgressBar::hidden())
            .await
            .context("the demo can't be made")?;
        println!("the demo shop is filled: log in as seller1 or buyer, password vitrina-demo");
    }
    stop.await;
    println!("draining");
    edge.drain().await;
    futures::future::join_all(services.into_iter().map(|service| service.drain(DRAIN_WITHIN))).await;
    if let Some(sandbox) = sandbox {
        sandbox.stop().await;
    }
    broker.close().await;
    telemetry.shutdown();
    Ok(ExitCode::SUCCESS)
}

/// Starts every service and waits until each of them listens to its events: one that was published before would be lost to it.
async fn start_services(
    options: &UpOptions,
    data: &Data,
    broker: &Arc<dyn Broker>,
    outside: &Outside,
) -> Result<Vec<Running>> {
    let mut running: Vec<Running> = Vec::new();
    // Before a store is made: its being there is what tells a first start from a lost key.
    let master_key = data.master_key()?;
    for (index, name) in SERVICES.into_iter().enumerate() {
        let store = open(data, name)?;
        let context = vitrina_chassis::Context::new(store, Clock::system(), Arc::clone(broker));
        let service = match name {
            "users" => vitrina_users::start(context.clone(), vitrina_users::Config::new(master_key))?,
            "products" => vitrina_products::start(context.clone(), vitrina_products::Config::default()),
            "publications" => {
                let index_dir = data.store(name).join("index");
                let config = vitrina_publications::Config { index_dir, ..Default::default() };
                vitrina_publications::start(context.clone(), config)?
            }
            "images" => vitrina_images::start(context.clone(), outside.images()),
            _ => vitrina_orders::start(context.clone(), outside.orders(master_key, clients(&running)?))?,
        };
        let mut service = vitrina_chassis::start(context, service)
            .with_context(|| format!("the service {name} does not start"))?;
        if let Some(address) = grpc_address(&options.grpc, index)? {
            let listener = TcpListener::bind(address).await.with_context(|| {
                format!("{name} can't listen on {address}: choose another by --grpc, or off")
            })?;
            service.serve(listener)?;
        }
        running.push(service);
    }
    for service in &running {
        service.listening().await;
    }
    Ok(running)
}

/// The way of the orders service to those that run already; it calls no others.
fn clients(running: &[Running]) -> Result<Clients<Transport>> {
    let first = running.first().context("there are services before the orders")?;
    Ok(Clients::new(|name| {
        let service = running.iter().find(|service| service.name() == name.name()).unwrap_or(first);
        Transport::from(service.in_process())
    }))
}

fn open(data: &Data, name: &str) -> Result<Store> {
    let folder = data.store(name);
    Store::open(&folder, Options::default()).map_err(|error| match error {
        vitrina_storage::Error::Locked { .. } => {
            anyhow!("another shop runs on the data in {}", data.folder().display())
        }
        error => anyhow::Error::from(error).context(format!("the store of {name} can't be opened")),
    })
}

async fn broker(options: &UpOptions, config: &Config, data: &Data) -> Result<Arc<dyn Broker>> {
    match options.broker.as_ref().or(config.broker.url.as_ref()) {
        Some(url) => Ok(vitrina_broker::rabbitmq(url, vitrina_broker::RabbitOptions::default()).await),
        None => Ok(vitrina_broker::embedded(open(data, "broker")?)),
    }
}

/// The address of the service with this `index`; none when gRPC is off.
fn grpc_address(first: &str, index: usize) -> Result<Option<SocketAddr>> {
    if first == "off" {
        return Ok(None);
    }
    let mut address: SocketAddr = first.parse().with_context(|| {
        format!("--grpc must be an address such as 127.0.0.1:7001, or off, not {first:?}")
    })?;
    let port = u16::try_from(index).ok().and_then(|index| address.port().checked_add(index));
    let Some(port) = port else { bail!("--grpc {first}: there is no port for every service behind it") };
    if address.port() != 0 {
        address.set_port(port);
    }
    Ok(Some(address))
}

fn edge_config(options: &UpOptions, config: &Config, data: &Data) -> Result<EdgeConfig> {
    let mut edge = config.edge.clone();
    if let Some(listen) = options.listen {
        edge.listen = listen;
    }
    if let Some(admin) = options.admin {
        edge.admin_listen = admin;
    }
    if edge.listen.port() == 0 {
        // Payment notifications come to this address, so it has to be known before the edge listens.
        edge.listen = std::net::TcpListener::bind(edge.listen)
            .and_then(|listener| listener.local_addr())
            .with_context(|| format!("can't listen on {}", edge.listen))?;
    }
    if edge.admin_token.is_none() {
        edge.admin_token = Some(data.admin_token()?);
    }
    Ok(edge)
}

/// Ends with Ctrl-C or SIGTERM.
fn stop_signal() -> Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("can't listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("can't listen for Ctrl-C")?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_listen_on_the_ports_behind_the_first() {
        assert_eq!(grpc_address("127.0.0.1:7001", 2).unwrap().unwrap().port(), 7003);
        assert_eq!(grpc_address("127.0.0.1:0", 2).unwrap().unwrap().port(), 0);
        assert!(grpc_address("off", 0).unwrap().is_none());
        assert!(grpc_address("here", 0).is_err());
        assert!(grpc_address("127.0.0.1:65535", 1).is_err());
    }
}
