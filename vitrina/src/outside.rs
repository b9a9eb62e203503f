//! The outside: what `vitrina.toml` and the environment name, else the sandbox's stand-ins.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use vitrina_images::S3Config;
use vitrina_notifications::{Fcm, SendGrid};
use vitrina_orders::MercadoPago;
use vitrina_sandbox::{Running, Sandbox, SandboxConfig};
use vitrina_svc::Outside;

use crate::config::Config;
use crate::data::Data;

/// Where the stand-ins are served unless told otherwise; S3 on the port behind it.
pub(crate) const SANDBOX: &str = "127.0.0.1:7100";

/// Where mails to the sandbox come from.
const SANDBOX_FROM: &str = "no-reply@vitrina.example";

/// Starts the stand-ins at `listen`, S3 on the port behind it.
///
/// # Errors
/// When the addresses can't be listened on, or the data is not good.
pub(crate) async fn sandbox(listen: SocketAddr, data: &Data) -> Result<Running> {
    let mut s3_listen = listen;
    if listen.port() != 0 {
        s3_listen.set_port(listen.port().saturating_add(1));
    }
    let config = SandboxConfig { listen, s3_listen, ..SandboxConfig::new(data.store("sandbox")) };
    Sandbox::start(config).await.with_context(|| format!("the sandbox does not start on {listen}"))
}

/// What the services are told: what is named, else the stand-ins of `sandbox`, else nothing.
pub(crate) fn named(config: &Config, sandbox: Option<&Running>, edge: SocketAddr) -> Outside {
    let url = format!("http://{edge}");
    let stand_in = sandbox.map_or_else(Outside::default, |sandbox| stand_in(sandbox, &url));
    let link_base = config.notifications.link_base.clone().or(Some(url));
    Outside::named(config.outside().with_environment(None), Outside { link_base, ..stand_in })
}

fn stand_in(sandbox: &Running, shop_url: &str) -> Outside {
    let keys = SandboxConfig::new("");
    let mercadopago = MercadoPago::new(
        sandbox.url(),
        keys.mercadopago_token,
        keys.webhook_secret,
        MercadoPago::notification_url(shop_url),
    );
    sandbox.send_mail_events_to(Some(format!("{shop_url}/v1/webhooks/sendgrid")));
    let mail = SendGrid::new(sandbox.url(), keys.sendgrid_key, SANDBOX_FROM, sandbox.mail_events_key());
    Outside {
        sendgrid: Some(mail),
        fcm: Some(Fcm::new(sandbox.url(), sandbox.service_account())),
        link_base: None,
        s3: S3Config { endpoint: Some(sandbox.s3_url()), ..S3Config::default() },
        mercadopago: Some(mercadopago),
    }
}
