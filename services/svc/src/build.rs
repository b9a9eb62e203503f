//! From a name to a service.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use vitrina_broker::Broker;
use vitrina_chassis::{Clock, Context, Service, Transport};
use vitrina_notifications::{Fcm, SendGrid};
use vitrina_orders::MercadoPago;
use vitrina_proto::Clients;
use vitrina_storage::{Options, Store};
use vitrina_users::master_key;

use crate::{Name, Outside};

/// What a service is built on.
pub struct Parts<'a> {
    /// Directory for the data; a service uses its name in it.
    pub data: &'a Path,
    /// File with the master key, made at the first start; see [`master_key::load`].
    pub master_key_file: &'a Path,
    /// The way of its events.
    pub broker: Arc<dyn Broker>,
    /// What it is told of the outside.
    pub outside: &'a Outside,
}

/// Makes a service on its store.
type Start = Box<dyn FnOnce(Context) -> Result<Service>>;

/// Opens the store of a service and makes the service on it. `clients` gives the ways to the others; only orders asks.
///
/// # Errors
/// When the key, the store or a setting is not good; of a provider every missing or wrong key is named. A store in use is [`vitrina_storage::Error::Locked`] among the causes.
pub fn build(
    name: Name,
    parts: &Parts<'_>,
    clients: impl FnOnce() -> Result<Clients<Transport>>,
) -> Result<(Context, Service)> {
    let dir = parts.data.join(name.as_str());
    // Before the store is made: its being there is what tells a first start from a lost key.
    let key = || master_key::load(parts.master_key_file, &dir);
    let start: Start = match name {
        Name::Users => {
            let config = vitrina_users::Config::new(key()?);
            Box::new(move |ctx| Ok(vitrina_users::start(ctx, config)?))
        }
        Name::Products => {
            Box::new(|ctx| Ok(vitrina_products::start(ctx, vitrina_products::Config::default())))
        }
        Name::Publications => {
            let config = vitrina_publications::Config { index_dir: dir.join("index"), ..Default::default() };
            Box::new(move |ctx| Ok(vitrina_publications::start(ctx, config)?))
        }
        Name::Images => {
            let config = vitrina_images::Config { s3: parts.outside.s3.clone(), ..Default::default() };
            Box::new(move |ctx| Ok(vitrina_images::start(ctx, config)))
        }
        Name::Notifications => {
            let mails = parts.outside.sendgrid.as_ref().map(SendGrid::mistakes).unwrap_or_default();
            let pushes = parts.outside.fcm.as_ref().map(Fcm::mistakes).unwrap_or_default();
            none([mails, pushes].concat()).context("mails and pushes can't be sent")?;
            let defaults = vitrina_notifications::Config::new(key()?);
            let config = vitrina_notifications::Config {
                sendgrid: parts.outside.sendgrid.clone(),
                fcm: parts.outside.fcm.clone(),
                link_base: parts.outside.link_base.clone().unwrap_or_else(|| defaults.link_base.clone()),
                ..defaults
            };
            Box::new(move |ctx| Ok(vitrina_notifications::start(ctx, config)?))
        }
        Name::Orders => {
            let mistakes = parts.outside.mercadopago.as_ref().map(MercadoPago::mistakes);
            none(mistakes.unwrap_or_default()).context("payments can't be taken")?;
            let config = vitrina_orders::Config {
                mercadopago: parts.outside.mercadopago.clone(),
                ..vitrina_orders::Config::new(key()?, clients()?)
            };
            Box::new(move |ctx| Ok(vitrina_orders::start(ctx, config)?))
        }
    };
    let store = Store::open(&dir, Options::default())
        .with_context(|| format!("the store of {} can't be opened", name.as_str()))?;
    let ctx = Context::new(store, Clock::system(), Arc::clone(&parts.broker));
    let service = start(ctx.clone())?;
    Ok((ctx, service))
}

/// Fails with every mistake.
fn none(mistakes: Vec<String>) -> Result<()> {
    if mistakes.is_empty() { Ok(()) } else { bail!("\n  {}", mistakes.join("\n  ")) }
}

/// The clients for these ways to services, by name. A service without a way of its own is one that is never called; its client
/// leads to the first.
///
/// # Errors
/// When there is no way at all.
pub fn clients(ways: &[(&str, Transport)]) -> Result<Clients<Transport>> {
    let (_, first) = ways.first().context("there is no way to any service")?;
    Ok(Clients::new(|service| {
        let way = ways.iter().find(|(name, _)| *name == service.name());
        way.map_or_else(|| first.clone(), |(_, way)| way.clone())
    }))
}
