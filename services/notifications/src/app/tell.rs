//! Telling somebody something: the part of a commit that puts it into his inbox and on its way outside.

use vitrina_otel::propagate;
use vitrina_storage::Commit;

use super::App;
use crate::error::Error;
use crate::model::contact::Contact;
use crate::model::delivery::{Channel, Delivery};
use crate::model::kind::{Facts, Kind};
use crate::model::{DeliveryId, Notification, NotificationId, UserId};
use crate::store;

/// Whom it is told to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum To<'a> {
    User(UserId),
    /// By mail only: a guest has no inbox.
    Guest(&'a str),
}

/// The token of a mail; it has no `Debug`.
#[derive(Clone, Copy)]
pub(crate) struct OneTime<'a> {
    pub(crate) token: &'a str,
    pub(crate) expires_at_ms: Option<u64>,
}

/// What is told.
pub(crate) struct News<'a> {
    pub(crate) kind: Kind,
    pub(crate) facts: Facts,
    /// What tells it from other news of the kind: an order, a question, an event.
    pub(crate) about: &'a str,
    /// Only in the mail.
    pub(crate) one_time: Option<OneTime<'a>>,
}

impl App {
    /// Adds to a commit that somebody is told; nothing when he was told before or has left.
    pub(crate) fn tell(
        &self,
        commit: &mut Commit,
        to: To<'_>,
        news: &News<'_>,
        now_ms: u64,
    ) -> Result<(), Error> {
        let (user, recipient) = match to {
            To::User(user) => (Some(user), user.to_string()),
            To::Guest(_) => (None, "guest".to_owned()),
        };
        let told = format!("{}/{}/{recipient}", news.kind.name(), news.about);
        let contact = user.map(|user| store::contact(&self.store, user)).transpose()?.flatten();
        let contact = contact.map(|row| row.value);
        let has_left = contact.as_ref().is_some_and(|contact| contact.is_deleted);
        if has_left || store::is_told(&self.store, &told)? {
            return Ok(());
        }
        let id = NotificationId::at(now_ms);
        let entry = Notification {
            kind: news.kind.name().to_owned(),
            facts: news.facts.clone(),
            created_at_ms: now_ms,
            read_at_ms: None,
        };
        store::add_notification(commit, (id, user), &entry, &told);
        let draft = Delivery {
            notification: id.to_string(),
            user: user.map(|user| user.to_string()).unwrap_or_default(),
            kind: entry.kind,
            facts: entry.facts,
            due_at_ms: Some(now_ms),
            created_at_ms: now_ms,
            expires_at_ms: news.one_time.and_then(|one_time| one_time.expires_at_ms),
            traceparent: propagate::current_traceparent().unwrap_or_default(),
            ..Delivery::default()
        };
        if self.goes_by(Channel::Email, to, news.kind)? {
            self.add_mail(commit, draft.clone(), to, news.one_time)?;
        }
        if self.goes_by(Channel::Push, to, news.kind)? {
            let push = Delivery { channel: Channel::Push.into(), ..draft };
            add_pushes(commit, &push, contact.as_ref(), now_ms);
        }
        Ok(())
    }

    /// Whether a kind goes to somebody by a channel.
    fn goes_by(&self, channel: Channel, to: To<'_>, kind: Kind) -> Result<bool, Error> {
        Ok(self.has(channel)
            && match to {
                To::User(user) => store::preferences(&self.store, user)?.value.wants(kind, channel),
                To::Guest(_) => channel == Channel::Email,
            })
    }

    fn add_mail(
        &self,
        commit: &mut Commit,
        draft: Delivery,
        to: To<'_>,
        one_time: Option<OneTime<'_>>,
    ) -> Result<(), Error> {
        let id = DeliveryId::at(draft.created_at_ms);
        let sealed = one_time.map(|one_time| self.vault.seal(&id.to_string(), one_time.token));
        let guest_email = match to {
            To::User(_) => String::new(),
            To::Guest(email) => email.to_owned(),
        };
        let mail = Delivery {
            channel: Channel::Email.into(),
            sealed_token: sealed.unwrap_or_default(),
            guest_email,
            ..draft
        };
        store::put_delivery(commit, id, None, &mail);
        Ok(())
    }
}

/// Adds a push for each device; one that is to be spread later when nothing is known of the user yet.
pub(super) fn add_pushes(commit: &mut Commit, draft: &Delivery, contact: Option<&Contact>, now_ms: u64) {
    let Some(contact) = contact else {
        return store::put_delivery(commit, DeliveryId::at(now_ms), None, draft);
    };
    for device in &contact.devices {
        let push =
            Delivery { device: Some(device.clone()), attempts: 0, due_at_ms: Some(now_ms), ..draft.clone() };
        store::put_delivery(commit, DeliveryId::at(now_ms), None, &push);
    }
}
