//! `vitrina sandbox`: the stand-ins of outside services as a process of their own, for services that are processes too.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;

use crate::data::Data;
use crate::{DATA, outside};

#[derive(Args)]
#[command(after_help = "Its keys are no secrets, they open nothing else:
  VITRINA_MERCADOPAGO_URL=http://127.0.0.1:7100  VITRINA_MERCADOPAGO_ACCESS_TOKEN=TEST-vitrina
  VITRINA_MERCADOPAGO_WEBHOOK_SECRET=vitrina-webhook-secret
  VITRINA_SENDGRID_URL=http://127.0.0.1:7100  VITRINA_SENDGRID_API_KEY=SG.vitrina
  VITRINA_SENDGRID_WEBHOOK_KEY: `key` of http://127.0.0.1:7100/sandbox/mail-events, where a POST of `url` says whom events go to
  VITRINA_FCM_URL=http://127.0.0.1:7100  VITRINA_FCM_SERVICE_ACCOUNT: http://127.0.0.1:7100/sandbox/service-account
`vitrina-svc images` finds its S3 at http://127.0.0.1:7101 without being told.")]
pub(crate) struct SandboxOptions {
    /// Where it listens; S3 on the next port
    #[arg(long, default_value = outside::SANDBOX, env = "VITRINA_SANDBOX")]
    listen: SocketAddr,
    /// Data directory; it uses `sandbox` in it
    #[arg(long, default_value = DATA, env = "VITRINA_DATA")]
    data: PathBuf,
}

/// Serves the stand-ins until it is told to stop.
pub(crate) async fn run(options: SandboxOptions) -> Result<ExitCode> {
    let stop = vitrina_chassis::stop_signal().context("can't listen for signals")?;
    let data = Data::at(&options.data);
    data.create()?;
    let sandbox = outside::sandbox(options.listen, &data).await?;
    println!(
        "the sandbox is ready: {0} (what it received: {0}/sandbox, S3: {1})",
        sandbox.url(),
        sandbox.s3_url()
    );
    stop.await;
    sandbox.stop().await;
    Ok(ExitCode::SUCCESS)
}
