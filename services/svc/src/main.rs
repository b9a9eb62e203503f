//! `vitrina-svc NAME`: one service of Vitrina as a process of its own.
//!
//! It starts and stops things only: settings ─▶ telemetry ─▶ store and broker ─▶ service ─▶ serve ─▶ drain. One line on
//! standard output says that it is ready and where; the log goes to standard error.

mod settings;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use tokio::net::TcpListener;
use vitrina_broker::{Broker, RabbitOptions};
use vitrina_chassis::{Clock, Context, Service};
use vitrina_otel as otel;
use vitrina_storage::{Options, Store};

use crate::settings::{Args, LogFormat, Name, Settings};

// Many small buffers live and die with each rpc, on several threads; mimalloc is the allocator of the edge for that reason.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let settings = Args::parse().settings()?;
    let telemetry = otel::start(otel::Config {
        service_name: format!("vitrina-{}", settings.name.as_str()),
        otlp_endpoint: settings.otlp.clone(),
        log_format: match settings.log_format {
            LogFormat::Text => otel::LogFormat::Text,
            LogFormat::Json => otel::LogFormat::Json,
        },
        log_filter: settings.log.clone(),
    })
    .context("telemetry does not start")?;
    let outcome = run(&settings).await;
    telemetry.shutdown();
    outcome
}

async fn run(settings: &Settings) -> anyhow::Result<()> {
    let name = settings.name.as_str();
    // Asked for before anything is opened, so that a signal during the start is not lost.
    let stop = stop_signal()?;
    let listener = TcpListener::bind(settings.listen)
        .await
        .with_context(|| format!("cannot listen on {}", settings.listen))?;
    let broker = broker(settings).await?;
    let (ctx, service) = build(settings, Arc::clone(&broker))?;
    let mut running = vitrina_chassis::start(ctx, service)?;
    let address = running.serve(listener)?;
    println!("vitrina-svc {name} is ready on {address}");
    stop.await;
    tracing::info!(name, "told to stop");
    running.drain(Duration::from_secs(settings.drain_s)).await;
    broker.close().await;
    Ok(())
}

/// Opens the store and makes the service on it.
fn build(settings: &Settings, broker: Arc<dyn Broker>) -> anyhow::Result<(Context, Service)> {
    let dir = settings.data.join(settings.name.as_str());
    // Before the store is made: its being there is what tells a first start from a lost key.
    let users = match settings.name {
        Name::Users => Some(vitrina_users::Config::new(vitrina_users::master_key::load(
            &settings.master_key_file,
            &dir,
        )?)),
        Name::Products | Name::Publications => None,
    };
    let store = Store::open(&dir, Options::default()).context("cannot open the store")?;
    let ctx = Context::new(store, Clock::system(), broker);
    let service = match users {
        Some(config) => vitrina_users::start(ctx.clone(), config)?,
        None if settings.name == Name::Products => {
            vitrina_products::start(ctx.clone(), vitrina_products::Config::default())
        }
        None => {
            let config = vitrina_publications::Config { index_dir: dir.join("index"), ..Default::default() };
            vitrina_publications::start(ctx.clone(), config)?
        }
    };
    Ok((ctx, service))
}

async fn broker(settings: &Settings) -> anyhow::Result<Arc<dyn Broker>> {
    if settings.broker != "embedded" {
        return Ok(vitrina_broker::rabbitmq(&settings.broker, RabbitOptions::default()).await);
    }
    // Good for a look at one service; the events of the others never come here.
    tracing::warn!("the embedded broker reaches this process only");
    let dir = settings.data.join(format!("{}-broker", settings.name.as_str()));
    let store = Store::open(&dir, Options::default()).context("cannot open the broker's store")?;
    Ok(vitrina_broker::embedded(store))
}

/// Ends with SIGTERM or Ctrl-C.
fn stop_signal() -> anyhow::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for Ctrl-C")?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
