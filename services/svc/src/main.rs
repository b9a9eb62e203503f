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
use vitrina_otel as otel;
use vitrina_svc::{Parts, build};

use crate::settings::{Args, LogFormat, Settings};

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
    let stop = vitrina_chassis::stop_signal().context("cannot listen for signals")?;
    let listener = TcpListener::bind(settings.listen)
        .await
        .with_context(|| format!("cannot listen on {}", settings.listen))?;
    if settings.broker == "embedded" {
        // Good for a look at one service; the events of the others never come here.
        tracing::warn!("the embedded broker reaches this process only");
    }
    let folder = settings.data.join(format!("{name}-broker"));
    let broker = vitrina_broker::open(Some(&settings.broker), &folder).await;
    let broker = broker.context("cannot open the broker's store")?;
    let parts = Parts {
        data: &settings.data,
        master_key_file: &settings.master_key_file,
        broker: Arc::clone(&broker),
        outside: &settings.outside,
    };
    let (ctx, service) = build(settings.name, &parts, || settings.clients())?;
    let mut running = vitrina_chassis::start(ctx, service)?;
    let address = running.serve(listener)?;
    println!("vitrina-svc {name} is ready on {address}");
    stop.await;
    tracing::info!(name, "told to stop");
    running.drain(Duration::from_secs(settings.drain_s)).await;
    broker.close().await;
    Ok(())
}
