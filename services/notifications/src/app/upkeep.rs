//! What the service does by itself beside sending: news go out to those who watch, and what is old or of somebody who left is
//! removed. A crash at any point is taken up at the next start: how far it came stands in the commit of what was done.

use std::time::Duration;

use tokio::time::MissedTickBehavior;
use tracing::Instrument;
use vitrina_chassis::CancellationToken;
use vitrina_storage::{Commit, Row};

use super::tell::{News, To};
use super::{App, committed, joined};
use crate::error::Error;
use crate::keys::AlertKey;
use crate::model::UserId;
use crate::model::kind::{Facts, Kind};
use crate::model::watch::Alert;
use crate::store::rows::{BadRow, id};
use crate::store::{self, upkeep};

/// News of publications that are taken up in one round.
const ALERTS_AT_ONCE: usize = 16;
/// Watchers of one commit: with 20 devices each, nearly what it may hold.
const WATCHERS_AT_ONCE: usize = 20;
/// Rows that are removed by one commit: each takes up to four rows with it.
const REMOVED_AT_ONCE: usize = 100;
/// How long it is remembered that somebody ceased to watch: an event is not late by more.
const REMEMBERED_MS: u64 = 24 * 60 * 60 * 1000;

impl App {
    /// Keeps up until it is told to stop.
    pub(crate) async fn keep_up(&self, stop: CancellationToken) {
        let mut tick = tokio::time::interval(Duration::from_millis(self.config.upkeep_interval_ms.max(1)));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = tick.tick() => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                done = self.upkeep() => if let Err(error) = done {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "the upkeep fails, it is tried again");
                },
            }
        }
    }

    async fn upkeep(&self) -> Result<(), Error> {
        for key in upkeep::alerts(&self.store, ALERTS_AT_ONCE)? {
            while self.spread_alert(&key).await? {}
        }
        for user in upkeep::purges(&self.store, ALERTS_AT_ONCE)? {
            let commit = upkeep::purge(&self.store, user, REMOVED_AT_ONCE)?;
            committed(&self.store, commit).await?;
        }
        self.forget().await
    }

    /// Tells the next of those who watch; whether there may be more.
    async fn spread_alert(&self, key: &AlertKey) -> Result<bool, Error> {
        let Some(before) = upkeep::alert(&self.store, key)? else { return Ok(false) };
        let span = tracing::info_span!(parent: None, "notification.alert", kind = before.value.kind);
        let span = joined(span, &before.value.traceparent);
        self.spread_page(key, before).instrument(span).await
    }

    async fn spread_page(&self, key: &AlertKey, before: Row<Alert>) -> Result<bool, Error> {
        let (publication, now_ms) = (key.0, self.clock.now_ms());
        let mut alert = before.value.clone();
        let kind = Kind::named(&alert.kind).ok_or(BadRow("kind"))?;
        let after = match alert.last_user.as_str() {
            "" => None,
            user => Some(id::<UserId>(user, "last_user")?),
        };
        let rows = upkeep::watches(&self.store, publication, after, WATCHERS_AT_ONCE)?;
        let facts = Facts {
            publication_id: publication.to_string(),
            title: alert.title.clone(),
            amount_minor: alert.price_minor,
            currency: alert.currency.clone(),
            ..Facts::default()
        };
        let news = News { kind, facts, about: &before.value.event, one_time: None };
        let mut commit = Commit::new();
        for (user, watch) in &rows {
            alert.last_user = user.to_string();
            let told = watch.value.told(kind, alert.price_minor, now_ms, self.config.watch_pause_ms);
            if let Some(told) = told {
                upkeep::put_watch(&mut commit, (publication, *user), Some(watch), &told);
                self.tell(&mut commit, To::User(*user), &news, now_ms)?;
            } else if watch.value.over_at_ms.is_some_and(|over_ms| over_ms + REMEMBERED_MS < now_ms) {
                upkeep::delete_watch(&mut commit, (publication, *user), watch);
            }
        }
        let has_more = rows.len() == WATCHERS_AT_ONCE;
        upkeep::put_alert(&mut commit, key, Some(&before), has_more.then_some(&alert));
        // After a conflict, with a newer alert or somebody who has just begun to watch, it is read anew.
        Ok(!committed(&self.store, commit).await? || has_more)
    }

    /// Removes what was kept for long enough.
    async fn forget(&self) -> Result<(), Error> {
        let until_ms = self.clock.now_ms().saturating_sub(self.config.keep_ms);
        let mut commit = Commit::new();
        for (notification, age) in upkeep::old_notifications(&self.store, until_ms, REMOVED_AT_ONCE)? {
            upkeep::forget(&mut commit, notification, &age)?;
        }
        for (delivery, row) in upkeep::old_deliveries(&self.store, until_ms, REMOVED_AT_ONCE)? {
            store::delete_delivery(&mut commit, delivery, &row);
        }
        if !commit.is_empty() {
            committed(&self.store, commit).await?;
        }
        Ok(())
    }
}
