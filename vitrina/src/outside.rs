//! The outside: S3 and MercadoPago, real ones from `vitrina.toml` or the sandbox's stand-ins.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use vitrina_chassis::Transport;
use vitrina_images::S3Config;
use vitrina_orders::MercadoPago;
use vitrina_proto::Clients;
use vitrina_sandbox::{Running, Sandbox, SandboxConfig};

use crate::config::Config;
use crate::data::Data;

/// What the services are told about the outside.
pub(crate) struct Outside {
    s3: S3Config,
    /// Absent: manual payment only.
    mercadopago: Option<MercadoPago>,
}

/// Starts the stand-ins at `address`, S3 on the port behind it; none when it is `off`.
///
/// # Errors
/// When the address is none or can't be listened on.
pub(crate) async fn sandbox(address: &str, data: &Data) -> Result<Option<Running>> {
    if address == "off" {
        return Ok(None);
    }
    let listen: SocketAddr = address.parse().with_context(|| {
        format!("--sandbox must be an address such as 127.0.0.1:7100, or off, not {address:?}")
    })?;
    let mut s3_listen = listen;
    if listen.port() != 0 {
        s3_listen.set_port(listen.port().saturating_add(1));
    }
    let config = SandboxConfig { listen, s3_listen, ..SandboxConfig::new(data.store("sandbox")) };
    let running = Sandbox::start(config).await;
    running.map(Some).with_context(|| {
        format!("the sandbox does not start on {listen}: choose another by --sandbox, or off")
    })
}

impl Outside {
    /// What the file names, else the sandbox.
    pub(crate) fn of(config: &Config, sandbox: Option<&Running>, edge: SocketAddr) -> Outside {
        let keys = SandboxConfig::new("");
        let s3 = config.s3.clone().unwrap_or_else(|| S3Config {
            endpoint: sandbox.map(Running::s3_url).or(S3Config::default().endpoint),
            ..S3Config::default()
        });
        let mercadopago = match (&config.mercadopago, sandbox) {
            (Some(real), _) => Some(MercadoPago::new(
                real.url.clone(),
                real.access_token.clone(),
                real.webhook_secret.clone(),
                real.notification_url.clone(),
            )),
            (None, Some(sandbox)) => Some(MercadoPago::new(
                sandbox.url(),
                keys.mercadopago_token,
                keys.webhook_secret,
                format!("http://{edge}/v1/webhooks/mercadopago"),
            )),
            (None, None) => None,
        };
        Outside { s3, mercadopago }
    }

    /// The configuration of the images service.
    pub(crate) fn images(&self) -> vitrina_images::Config {
        vitrina_images::Config { s3: self.s3.clone(), ..vitrina_images::Config::default() }
    }

    /// The configuration of the orders service.
    pub(crate) fn orders(&self, master_key: [u8; 32], clients: Clients<Transport>) -> vitrina_orders::Config {
        vitrina_orders::Config {
            mercadopago: self.mercadopago.clone(),
            ..vitrina_orders::Config::new(master_key, clients)
        }
    }
}
