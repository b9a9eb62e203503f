//! What happens on a request, on an event and by itself, in a file per feature.

mod inbox;
mod preferences;
mod receive;
mod send;
mod tell;
#[cfg(test)]
mod tests;
mod upkeep;

use std::time::Duration;

use tracing::Span;
use vitrina_chassis::{Clock, Context, Vault};
use vitrina_otel::propagate;
use vitrina_storage::{Commit, Row, Store};

use crate::config::Config;
use crate::error::Error;
use crate::model::delivery::{Channel, Delivery};
use crate::provider::fcm::Fcm;
use crate::provider::sendgrid::SendGrid;
use crate::text::{Language, Texts};

pub(crate) use tell::{News, OneTime, To};

/// Attempts of a commit that conflicts: of a delivery only its worker and the provider's events write.
const ATTEMPTS_MAX: u32 = 16;

/// The service's state: handles only, everything else is in the store.
pub(crate) struct App {
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    config: Config,
    mailer: Option<SendGrid>,
    pusher: Option<Fcm>,
    texts: Texts,
    pub(crate) vault: Vault,
}

impl App {
    pub(crate) fn new(ctx: &Context, config: Config) -> Result<App, Error> {
        let http = vitrina_outgoing::client().build().map_err(Error::Client)?;
        let mailer = config.sendgrid.clone().map(|config| SendGrid::new(http.clone(), config)).transpose()?;
        let pusher = config.fcm.clone().map(|config| Fcm::new(http, config)).transpose()?;
        Ok(App {
            store: ctx.store.clone(),
            clock: ctx.clock.clone(),
            mailer,
            pusher,
            texts: Texts::new(&config.link_base),
            vault: Vault::new(&config.master_key),
            config,
        })
    }

    /// Whether there is a provider for a channel.
    fn has(&self, channel: Channel) -> bool {
        match channel {
            Channel::Email => self.mailer.is_some(),
            Channel::Push => self.pusher.is_some(),
        }
    }

    /// The first of these languages that there are words in, else the shop's.
    fn language<'a>(&self, tags: impl IntoIterator<Item = &'a str>) -> Language {
        let known = tags.into_iter().find_map(Language::of);
        known.or_else(|| Language::of(&self.config.language)).unwrap_or(Language::Spanish)
    }
}

/// What was read of a delivery, as it is once `after` is committed in its place.
fn next(before: &Row<Delivery>, after: Delivery) -> Row<Delivery> {
    Row { value: after, version: before.version + 1 }
}

/// Whether a commit stands; a conflict is `false`.
async fn committed(store: &Store, commit: Commit) -> Result<bool, Error> {
    match store.commit(commit).await {
        Ok(_) => Ok(true),
        Err(vitrina_storage::Error::Conflict) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// A span as a child of what was going on when something was queued.
fn joined(span: Span, traceparent: &str) -> Span {
    let context = propagate::extract(|name| (name == propagate::TRACEPARENT).then(|| traceparent.to_owned()));
    propagate::parent(&span, context);
    span
}

/// Waits a little before another attempt, more with each.
async fn pause(attempt: u32) {
    if attempt > 0 {
        let range_ms = f64::from(1 << attempt.min(5));
        tokio::time::sleep(Duration::from_secs_f64(rand::random::<f64>() * range_ms / 1000.0)).await;
    }
}
