//! `vitrina up`: the edge, the services and the broker in one process.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use indicatif::ProgressBar;
use tracing::info;
use vitrina_broker::Broker;
use vitrina_chassis::{Clock, Service};
use vitrina_edge::{Edge, EdgeConfig, Upstreams};
use vitrina_storage::{Options, Store};

use crate::DATA;
use crate::config::Config;
use crate::connect::Shop;
use crate::data::{Data, SERVICES};
use crate::seed::Plan;

/// How long a drain may take before what is left is given up.
const DRAIN_WITHIN: Duration = Duration::from_secs(20);

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
    /// RabbitMQ instead of the embedded broker, such as amqp://guest:guest@127.0.0.1:5672/%2f
    #[arg(long, env = "VITRINA_BROKER", hide_env_values = true)]
    broker: Option<String>,
    /// OpenTelemetry collector, OTLP over gRPC [default: http://127.0.0.1:4317, quietly off when nothing listens]
    #[arg(long, env = "VITRINA_OTLP")]
    otlp: Option<String>,
    /// Configuration file; what it sets, flags and environment override
    #[arg(long, env = "VITRINA_CONFIG")]
    config: Option<PathBuf>,
    /// Fills an empty data directory with a generated shop
    #[arg(long)]
    demo: bool,
}

/// Runs the shop until it is told to stop.
pub(crate) async fn run(options: UpOptions) -> Result<ExitCode> {
    let started = Instant::now();
    let config = match &options.config {
        Some(path) => Config::read(path)?,
        None => Config::default(),
    };
    let telemetry = vitrina_otel::start(vitrina_otel::Config {
        service_name: "vitrina".to_owned(),
        otlp_endpoint: options.otlp.clone().or(config.telemetry.otlp.clone()),
        ..vitrina_otel::Config::default()
    })?;
    let data = Data::at(&options.data);
    data.create()?;
    let is_new = data.is_empty();
    let broker = broker(&options, &config, &data).await?;
    let mut running = Vec::new();
    let mut upstreams = Upstreams::new();
    for (index, service) in services(&data, &broker)?.into_iter().enumerate() {
        let (name, context, service) = service;
        let listen = grpc_address(&options.grpc, index)?;
        let service = vitrina_chassis::start(context, service, listen)
            .await
            .with_context(|| format!("the service {name} does not start"))?;
        upstreams.add(name, service.in_process());
        running.push(service);
    }
    let edge =
        Edge::start(edge_config(&options, &config, &data)?, upstreams, Some(Arc::clone(&broker))).await?;
    let (url, admin) = (format!("http://{}", edge.addr()), format!("http://{}", edge.admin_addr()));
    data.write_urls(&url, &admin)?;
    info!(ready_ms = started.elapsed().as_millis() as u64, url, "the shop is ready");
    println!("vitrina is ready: {url} (reference: {url}/docs, operators: {admin})");
    if options.demo && is_new {
        Plan::demo()
            .fill(&Shop::at(&url)?, &ProgressBar::hidden())
            .await
            .context("the demo can't be made")?;
        println!("the demo shop is filled: log in as seller1 or buyer, password vitrina-demo");
    }
    stop_signal().await?;
    println!("draining");
    edge.drain().await;
    for service in running {
        service.drain(DRAIN_WITHIN).await;
    }
    broker.close().await;
    telemetry.shutdown();
    Ok(ExitCode::SUCCESS)
}

type Started = (&'static str, vitrina_chassis::Context, Service);

fn services(data: &Data, broker: &Arc<dyn Broker>) -> Result<Vec<Started>> {
    let master_key = data.master_key()?;
    let mut services = Vec::new();
    for name in SERVICES {
        let store = open(data, name)?;
        let context = vitrina_chassis::Context::new(store, Clock::system(), Arc::clone(broker));
        let service = match name {
            "users" => vitrina_users::start(
                context.clone(),
                vitrina_users::Config { master_key, ..Default::default() },
            )?,
            "products" => vitrina_products::start(context.clone(), vitrina_products::Config::default())?,
            _ => {
                let index_dir = data.store(name).join("index");
                let config = vitrina_publications::Config { index_dir, ..Default::default() };
                vitrina_publications::start(context.clone(), config)?
            }
        };
        services.push((name, context, service));
    }
    Ok(services)
}

fn open(data: &Data, name: &str) -> Result<Store> {
    let folder = data.store(name);
    Store::open(&folder, Options::default()).with_context(|| format!("the store of {name} can't be opened"))
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
    if edge.admin_token.is_none() {
        edge.admin_token = Some(data.admin_token()?);
    }
    Ok(edge)
}

/// Waits for Ctrl-C or SIGTERM.
async fn stop_signal() -> Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => result?,
        _ = terminate.recv() => {}
    }
    Ok(())
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
