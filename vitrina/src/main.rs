//! `vitrina`: the whole shop in one process, and the operator's commands.
//!
//! Exit codes: 0 done; 1 done, but some rows were refused; 2 it could not be done, and the message says what to do.

mod catalogue;
mod config;
mod connect;
mod coupon;
mod data;
mod keep;
mod outside;
mod sandbox;
mod seed;
mod signals;
mod up;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Where a running shop keeps its data unless told otherwise.
const DATA: &str = "./vitrina-data";

#[derive(Parser)]
#[command(name = "vitrina", version, about, args_conflicts_with_subcommands = true)]
#[command(after_help = "Examples:
  vitrina                                            the shop at http://127.0.0.1:8080, its data in ./vitrina-data
  vitrina up --demo                                  the same, with a generated shop when the data directory is empty
  vitrina import catalogue.csv --seller ana          every row becomes a product and an active publication
  vitrina backup /backups/monday                     of a stopped shop; `vitrina verify /backups/monday` reads it whole

Every option can also be set in the environment (VITRINA_…) or in vitrina.toml (see `vitrina check --help`).")]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    up: up::UpOptions,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the whole shop in this process (the default)
    Up(up::UpOptions),
    /// Imports a CSV catalogue into a running shop, with a progress bar and a report of what was refused
    Import(catalogue::ImportOptions),
    /// Writes a seller's products as CSV that `import` reads
    Export(catalogue::ExportOptions),
    /// Makes coupons of a running shop
    Coupon(coupon::CouponOptions),
    /// Fills a running shop with a generated one: products with pictures, people, orders in every state, reviews
    Seed(seed::SeedOptions),
    /// Runs the stand-ins of MercadoPago, SendGrid, FCM and S3 alone, for services that are processes of their own
    Sandbox(sandbox::SandboxOptions),
    /// Writes the stores and the keys of a stopped shop into an empty folder
    Backup(Folder),
    /// Reads a backup into an empty data directory
    Restore(Folder),
    /// Reads a backup whole and names every damaged file
    Verify(Backup),
    /// Reads a configuration and names every mistake at once
    Check(Check),
}

#[derive(Args)]
struct Folder {
    /// Folder of the backup; it holds the shop's keys: keep it as safe as the shop
    backup: PathBuf,
    /// Data directory of the shop
    #[arg(long, default_value = DATA, env = "VITRINA_DATA")]
    data: PathBuf,
}

#[derive(Args)]
struct Backup {
    /// Folder of the backup
    backup: PathBuf,
}

#[derive(Args)]
#[command(
    after_help = "Sections of outside services, whose keys are also read from the environment, where secrets belong:
  [s3]           VITRINA_S3_ENDPOINT (empty: AWS itself), …_REGION, …_BUCKET, …_ACCESS_KEY, …_SECRET_KEY
  [mercadopago]  VITRINA_MERCADOPAGO_URL, …_ACCESS_TOKEN, …_WEBHOOK_SECRET, …_NOTIFICATION_URL
  [sendgrid]     VITRINA_SENDGRID_URL, …_API_KEY, …_FROM_EMAIL, …_FROM_NAME, …_WEBHOOK_KEY
  [fcm]          VITRINA_FCM_URL, …_SERVICE_ACCOUNT (the account's JSON, or the path of its file)
What none of them names is the sandbox's. The others: [edge], [telemetry], [broker], [notifications]."
)]
struct Check {
    /// The file to check
    #[arg(long, default_value = "vitrina.toml", env = "VITRINA_CONFIG")]
    config: PathBuf,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli.command.unwrap_or(Command::Up(cli.up))) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("vitrina: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(command: Command) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match command {
            Command::Up(options) => up::run(options).await,
            Command::Import(options) => catalogue::import(options).await,
            Command::Export(options) => catalogue::export(options).await,
            Command::Coupon(options) => coupon::run(options).await,
            Command::Seed(options) => seed::run(options).await,
            Command::Sandbox(options) => sandbox::run(options).await,
            Command::Backup(folder) => keep::backup(&folder.backup, &folder.data),
            Command::Restore(folder) => keep::restore(&folder.backup, &folder.data).await,
            Command::Verify(backup) => keep::verify(&backup.backup),
            Command::Check(check) => config::check(&check.config),
        }
    })
}
