//! `vitrina-edge`: the gateway as a process of its own. It starts and stops things and does nothing else.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use vitrina_broker::Broker;
use vitrina_edge::{Edge, EdgeConfig, Upstreams};

/// The edge allocates for every request; mimalloc was measured with pingora's numbers in mind.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What this process logs unless told otherwise. pingora reports broken connections as errors; they are the clients'.
const LOG_FILTER: &str = "info,pingora_core=off,pingora_proxy=off";

/// The gateway of Vitrina.
#[derive(Debug, Parser)]
#[command(version)]
struct Flags {
    /// File with a section [edge].
    #[arg(long, env = "VITRINA_CONFIG")]
    config: Option<PathBuf>,
    /// Where clients are served.
    #[arg(long, env = "VITRINA_LISTEN")]
    listen: Option<SocketAddr>,
    /// Where operators are served.
    #[arg(long, env = "VITRINA_ADMIN")]
    admin: Option<SocketAddr>,
    /// Bearer token of the admin listener.
    #[arg(long, env = "VITRINA_ADMIN_TOKEN", hide_env_values = true)]
    admin_token: Option<String>,
    /// Worker threads; 0: one for each core.
    #[arg(long, env = "VITRINA_THREADS")]
    threads: Option<usize>,
    /// Broker, such as amqp://127.0.0.1:5672; without one, log-outs at other edges are not heard.
    #[arg(long, env = "VITRINA_BROKER", hide_env_values = true)]
    broker: Option<String>,
    /// OTLP endpoint, such as http://127.0.0.1:4317.
    #[arg(long, env = "VITRINA_OTLP")]
    otlp: Option<String>,
    /// Filter of the log.
    #[arg(long, env = "VITRINA_LOG", default_value = LOG_FILTER)]
    log: String,
    /// Addresses of the users service; several are parted by commas.
    #[arg(long, env = "VITRINA_USERS", value_delimiter = ',')]
    users: Vec<String>,
    /// Addresses of the products service.
    #[arg(long, env = "VITRINA_PRODUCTS", value_delimiter = ',')]
    products: Vec<String>,
    /// Addresses of the publications service.
    #[arg(long, env = "VITRINA_PUBLICATIONS", value_delimiter = ',')]
    publications: Vec<String>,
    /// Addresses of the images service.
    #[arg(long, env = "VITRINA_IMAGES", value_delimiter = ',')]
    images: Vec<String>,
    /// Addresses of the notifications service.
    #[arg(long, env = "VITRINA_NOTIFICATIONS", value_delimiter = ',')]
    notifications: Vec<String>,
    /// Addresses of the orders service.
    #[arg(long, env = "VITRINA_ORDERS", value_delimiter = ',')]
    orders: Vec<String>,
}

fn main() -> anyhow::Result<()> {
    let flags = Flags::parse();
    let config = configured(&flags)?;
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if config.threads > 0 {
        runtime.worker_threads(config.threads);
    }
    runtime.enable_all().build().context("cannot start the runtime")?.block_on(run(config, flags))
}

async fn run(config: EdgeConfig, flags: Flags) -> anyhow::Result<()> {
    let telemetry = vitrina_otel::start(vitrina_otel::Config {
        service_name: "edge".to_owned(),
        otlp_endpoint: flags.otlp,
        log_filter: flags.log,
        ..vitrina_otel::Config::default()
    })
    .context("cannot start telemetry")?;
    let broker: Option<Arc<dyn Broker>> = match flags.broker.as_deref() {
        // The embedded broker lives in another process and cannot be heard from here.
        None | Some("embedded") => None,
        Some(url) => Some(vitrina_broker::rabbitmq(url, vitrina_broker::RabbitOptions::default()).await),
    };
    let upstreams = Upstreams::from_config(&config);
    let edge = Edge::start(config, upstreams, broker.clone()).await.context("cannot start the edge")?;
    println!("vitrina-edge is ready on {}, admin on {}", edge.addr, edge.admin_addr);
    stopped().await?;
    edge.drain().await;
    if let Some(broker) = broker {
        broker.close().await;
    }
    telemetry.shutdown();
    Ok(())
}

/// File, then environment and flags. Services named there replace the defaults: what is not named is not there.
fn configured(flags: &Flags) -> anyhow::Result<EdgeConfig> {
    let mut config = EdgeConfig::load(flags.config.as_deref())?;
    if let Some(listen) = flags.listen {
        config.listen = listen;
    }
    if let Some(admin) = flags.admin {
        config.admin_listen = admin;
    }
    if let Some(threads) = flags.threads {
        config.threads = threads;
    }
    if flags.admin_token.is_some() {
        config.admin_token.clone_from(&flags.admin_token);
    }
    let named = [
        ("users", &flags.users),
        ("products", &flags.products),
        ("publications", &flags.publications),
        ("images", &flags.images),
        ("notifications", &flags.notifications),
        ("orders", &flags.orders),
    ];
    if named.iter().any(|(_, addresses)| !addresses.is_empty()) {
        config.upstreams = named
            .into_iter()
            .filter(|(_, addresses)| !addresses.is_empty())
            .map(|(name, addresses)| (name.to_owned(), addresses.clone()))
            .collect();
    }
    Ok(config)
}

async fn stopped() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot hear SIGTERM")?;
    tokio::select! {
        _ = terminate.recv() => {}
        interrupted = tokio::signal::ctrl_c() => interrupted.context("cannot hear SIGINT")?,
    }
    Ok(())
}
