//! `vitrina-edge`: the gateway as a process of its own. It starts and stops things and does nothing else.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Parser;
use tokio::signal::unix::{Signal, SignalKind, signal};
use vitrina_broker::Broker;
use vitrina_edge::{ConfigFile, Edge, EdgeConfig, Inherited, Running, Upstreams, Waiting};
use vitrina_otel::Telemetry;

/// The edge allocates for every request; mimalloc was measured with pingora's numbers in mind.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What this process logs unless told otherwise. pingora reports broken connections as errors; they are the clients'.
const LOG_FILTER: &str = "info,pingora_core=off,pingora_proxy=off";

/// The gateway of Vitrina.
#[derive(Debug, Parser)]
#[command(version)]
struct Flags {
    /// File with the sections [edge] and [telemetry].
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
    /// Takes the listeners over from a running edge: waits until that one gets SIGQUIT.
    #[arg(long)]
    upgrade: bool,
    /// Filter of the log [default: `info`, without what pingora says of broken connections].
    #[arg(long, env = "VITRINA_LOG")]
    log: Option<String>,
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
    if config.edge.threads > 0 {
        runtime.worker_threads(config.edge.threads);
    }
    runtime.enable_all().build().context("cannot start the runtime")?.block_on(run(config, flags))
}

/// What file, environment and flags say together.
struct Configured {
    edge: EdgeConfig,
    otlp: Option<String>,
    log: String,
}

/// How this process ends.
enum End {
    Drain,
    /// Another process has the listeners.
    Retire,
}

/// The signals that it listens to.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
    hang_up: Signal,
}

async fn run(configured: Configured, flags: Flags) -> anyhow::Result<()> {
    let Configured { edge: config, otlp, log } = configured;
    let telemetry = vitrina_otel::start(vitrina_otel::Config {
        service_name: "edge".to_owned(),
        otlp_endpoint: otlp.clone(),
        log_filter: log,
        ..vitrina_otel::Config::default()
    })
    .context("cannot start telemetry")?;
    let broker: Option<Arc<dyn Broker>> = match flags.broker.as_deref() {
        // The embedded broker lives in another process and cannot be heard from here.
        None | Some("embedded") => None,
        Some(url) => Some(vitrina_broker::rabbitmq(url, vitrina_broker::RabbitOptions::default()).await),
    };
    let inherited = if flags.upgrade { Some(inherit(&config).await?) } else { None };
    let mut signals = Signals::new()?;
    let upstreams = Upstreams::from_config(&config);
    let edge = match inherited {
        Some(inherited) => Edge::take_over(config, upstreams, broker.clone(), inherited).await,
        None => Edge::start(config, upstreams, broker.clone()).await,
    }
    .context("cannot start the edge")?;
    println!("vitrina-edge is ready on {}, admin on {}", edge.addr, edge.admin_addr);
    let reload = || reload(&edge, &telemetry, (&flags, otlp.as_deref()));
    match signals.obey(&edge, reload).await {
        End::Drain => edge.drain().await,
        End::Retire => edge.retire().await,
    }
    if let Some(broker) = broker {
        broker.close().await;
    }
    telemetry.shutdown();
    Ok(())
}

/// The listeners of the process that this one replaces.
async fn inherit(config: &EdgeConfig) -> anyhow::Result<Inherited> {
    let socket = config.upgrade_socket.clone().context("--upgrade needs edge.upgrade_socket")?;
    let waiting = Waiting::at(&socket)?;
    println!("vitrina-edge waits at {}: send SIGQUIT to the running one", socket.display());
    let waited = tokio::task::spawn_blocking(move || waiting.wait()).await?;
    waited.context("cannot take the listeners over")
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        let hear = |kind| signal(kind).context("cannot hear signals");
        Ok(Self {
            terminate: hear(SignalKind::terminate())?,
            interrupt: hear(SignalKind::interrupt())?,
            quit: hear(SignalKind::quit())?,
            hang_up: hear(SignalKind::hangup())?,
        })
    }

    /// Reloads and hands over as told, until the process is to end.
    async fn obey(&mut self, edge: &Running, reload: impl Fn()) -> End {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return End::Drain,
                _ = self.interrupt.recv() => return End::Drain,
                _ = self.quit.recv() => match edge.hand_over().await {
                    Ok(()) => return End::Retire,
                    Err(error) => tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "the listeners are not handed over, this process goes on"
                    ),
                },
                _ = self.hang_up.recv() => reload(),
            }
        }
    }
}

/// Reads the configuration anew. What was wrong with it, and what needs a restart, is in the log and in the numbers.
fn reload(edge: &Running, telemetry: &Telemetry, (flags, started_otlp): (&Flags, Option<&str>)) {
    let new = match configured(flags) {
        Ok(new) => new,
        Err(error) => return edge.refuse(&format!("{error:#}")),
    };
    if edge.reload(new.edge).is_err() {
        return;
    }
    if new.otlp.as_deref() != started_otlp {
        tracing::warn!(needs_restart = "telemetry.otlp", "the collector stays the same until a restart");
    }
    // The filter was checked with the rest, so this does not fail.
    if let Err(error) = telemetry.set_log_filter(&new.log) {
        tracing::error!(error = &error as &dyn std::error::Error, "the filter of the log stays the same");
    }
}

/// File, then environment and flags. Services named there replace the defaults: what is not named is not there.
fn configured(flags: &Flags) -> anyhow::Result<Configured> {
    let ConfigFile { edge: mut config, telemetry } = ConfigFile::read(flags.config.as_deref())?;
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
    Ok(Configured {
        edge: config,
        otlp: flags.otlp.clone().or(telemetry.otlp),
        log: flags.log.clone().or(telemetry.log).unwrap_or_else(|| LOG_FILTER.to_owned()),
    })
}
