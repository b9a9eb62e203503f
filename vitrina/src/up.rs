//! `vitrina up`: the edge, the services and the broker in one process.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use tokio::net::TcpListener;
use tracing::{error, info, warn};
use vitrina_broker::Broker;
use vitrina_chassis::{Running, Transport};
use vitrina_edge::{Edge, EdgeConfig, Running as RunningEdge, Upstreams};
use vitrina_otel::Telemetry;
use vitrina_proto::Clients;
use vitrina_sandbox::Running as Sandbox;
use vitrina_svc::{Name, Outside, Parts};

use crate::DATA;
use crate::config::Config;
use crate::data::Data;
use crate::outside;
use crate::seed::Plan;
use crate::signals::Signals;

/// How long a drain may take before what is left is given up.
const DRAIN_WITHIN: Duration = Duration::from_secs(20);

/// What is logged unless told otherwise. pingora reports broken connections as errors; they are the clients'.
const LOG: &str = "info,pingora_core=off,pingora_proxy=off";

#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  vitrina up
  vitrina up --demo --data /tmp/demo
  vitrina up --listen 0.0.0.0:80 --broker amqp://guest:guest@queue:5672/%2f --otlp http://collector:4317

Ctrl-C or SIGTERM drains: running requests are answered, nothing acknowledged is lost.
SIGHUP reads the configuration file again, and names what needs a restart in the log; without a file it drains.")]
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
    /// Address of the stand-ins for MercadoPago, SendGrid, FCM and S3 (S3 on the next port). `off`: what vitrina.toml names
    #[arg(long, default_value = outside::SANDBOX, env = "VITRINA_SANDBOX")]
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
    /// Filter of the log, such as info or vitrina_edge=debug [default: info, without what pingora says of broken connections]
    #[arg(long, env = "VITRINA_LOG")]
    log: Option<String>,
    /// Fills an empty data directory with a generated shop, in the background once the shop serves
    #[arg(long)]
    demo: bool,
}

/// Where telemetry goes unless told otherwise; quietly nowhere when nothing listens there.
const OTLP: &str = "http://127.0.0.1:4317";

/// Runs the shop until it is told to stop.
pub(crate) async fn run(options: UpOptions) -> Result<ExitCode> {
    let started = Instant::now();
    let mut signals = Signals::new()?;
    let config = options.read()?;
    let telemetry = vitrina_otel::start(vitrina_otel::Config {
        service_name: "vitrina".to_owned(),
        otlp_endpoint: options.otlp.clone().or(config.telemetry.otlp.clone()).or(Some(OTLP.to_owned())),
        log_filter: options.log_filter(&config),
        ..vitrina_otel::Config::default()
    })?;
    let data = Data::at(&options.data);
    let is_demo = options.demo && (data.is_empty() || data.has_unfinished_demo());
    data.create()?;
    if is_demo {
        data.begin_demo()?;
    }
    let broker_url = options.broker.as_ref().or(config.broker.url.as_ref()).map(String::as_str);
    let broker = vitrina_broker::open(broker_url, &data.store("broker")).await;
    let broker =
        broker.context("the broker's store can't be opened").map_err(|error| in_use(error, &data))?;
    let mut edge_config = edge_config(&options, &config, &data)?;
    edge_config.listen = a_port_of_its_own(edge_config.listen)?;
    let sandbox = sandbox(&options.sandbox, &data).await?;
    let outside = outside::named(&config, sandbox.as_ref(), edge_config.listen);
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
    let demo = is_demo.then(|| tokio::spawn(fill(url, data.clone())));
    let reread = options.config.as_ref().map(|_| || reload(&options, (&edge, &telemetry), (&config, &data)));
    signals.obey(reread).await;
    if let Some(demo) = demo {
        // What is not made yet is made by the next start.
        demo.abort();
    }
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

/// Reads the file anew and puts in force what can be changed while the shop runs. What was wrong, and what needs a restart,
/// is in the log.
fn reload(
    options: &UpOptions,
    (edge, telemetry): (&RunningEdge, &Telemetry),
    (started, data): (&Config, &Data),
) {
    let read = options.read().and_then(|new| Ok((edge_config(options, &new, data)?, new)));
    let (mut edge_config, new) = match read {
        Ok(read) => read,
        Err(error) => return edge.refuse(&format!("{error:#}")),
    };
    if edge_config.listen.port() == 0 {
        edge_config.listen = edge.addr;
    }
    if edge.reload(edge_config).is_err() {
        return;
    }
    let needs_restart = new.needs_restart(started);
    if !needs_restart.is_empty() {
        warn!(?needs_restart, "these take effect at the next start");
    }
    // The filter was checked with the rest, so this does not fail.
    if let Err(error) = telemetry.set_log_filter(&options.log_filter(&new)) {
        error!(error = &error as &dyn std::error::Error, "the filter of the log stays the same");
    }
}

/// Makes the demo beside the running shop and tells of it on standard error.
async fn fill(url: String, data: Data) {
    eprintln!("demo: the shop serves; it is being filled in the background");
    let filled = Plan::demo().fill_beside(&url, &data).await;
    match filled.and_then(|summary| data.end_demo().map(|()| summary)) {
        Ok(summary) => eprintln!("{summary}"),
        Err(error) => {
            eprintln!("demo: the shop is not complete: {error:#}\nthe next `up --demo` goes on with it")
        }
    }
}

/// Starts every service and waits until each of them listens to its events: one that was published before would be lost to it.
async fn start_services(
    options: &UpOptions,
    data: &Data,
    broker: &Arc<dyn Broker>,
    outside: &Outside,
) -> Result<Vec<Running>> {
    let mut running: Vec<Running> = Vec::new();
    let parts =
        Parts { data: data.folder(), master_key_file: &data.key_file(), broker: Arc::clone(broker), outside };
    for name in Name::ALL {
        let address = grpc_address(&options.grpc, name.port_offset())?;
        let built = vitrina_svc::build(name, &parts, || clients(&running));
        let (context, service) = built.map_err(|error| in_use(error, data))?;
        let name = name.as_str();
        let mut service = vitrina_chassis::start(context, service)
            .with_context(|| format!("the service {name} does not start"))?;
        if let Some(address) = address {
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
    let ways = running.iter().map(|service| (service.name(), Transport::from(service.in_process())));
    vitrina_svc::clients(&ways.collect::<Vec<_>>())
}

/// Says what a store that is locked means here.
fn in_use(error: anyhow::Error, data: &Data) -> anyhow::Error {
    use vitrina_storage::Error;
    let is_locked =
        error.chain().any(|cause| matches!(cause.downcast_ref::<Error>(), Some(Error::Locked { .. })));
    if is_locked { anyhow!("another shop runs on the data in {}", data.folder().display()) } else { error }
}

/// Starts the stand-ins of outside services; none when they are off.
async fn sandbox(address: &str, data: &Data) -> Result<Option<Sandbox>> {
    if address == "off" {
        return Ok(None);
    }
    let listen: SocketAddr = address.parse().with_context(|| {
        format!("--sandbox must be an address such as {}, or off, not {address:?}", outside::SANDBOX)
    })?;
    let started = outside::sandbox(listen, data).await.context("choose another address by --sandbox, or off");
    started.map(Some)
}

/// The address that lies `offset` ports behind the first; none when gRPC is off.
fn grpc_address(first: &str, offset: u16) -> Result<Option<SocketAddr>> {
    if first == "off" {
        return Ok(None);
    }
    let mut address: SocketAddr = first.parse().with_context(|| {
        format!("--grpc must be an address such as 127.0.0.1:7001, or off, not {first:?}")
    })?;
    let Some(port) = address.port().checked_add(offset) else {
        bail!("--grpc {first}: there is no port for every service behind it")
    };
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

/// The address with a port of its own in the place of 0: payment notifications come to it, so it has to be known before the
/// edge listens.
fn a_port_of_its_own(listen: SocketAddr) -> Result<SocketAddr> {
    if listen.port() != 0 {
        return Ok(listen);
    }
    std::net::TcpListener::bind(listen)
        .and_then(|listener| listener.local_addr())
        .with_context(|| format!("can't listen on {listen}"))
}

impl UpOptions {
    /// The configuration as the file has it now.
    fn read(&self) -> Result<Config> {
        match &self.config {
            Some(path) => Config::read(path),
            None => Ok(Config::default()),
        }
    }

    /// Flag or environment, then the file.
    fn log_filter(&self, config: &Config) -> String {
        let named = self.log.clone().or(config.telemetry.log.clone());
        named.unwrap_or_else(|| LOG.to_owned())
    }
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
