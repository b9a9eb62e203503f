//! Sending: a worker for each channel takes up what is due.
//!
//! ```text
//! due ─▶ claim (attempt counted, on disk) ─▶ provider ─▶ sent
//!  ▲                                             │ not now          │ never, or out of attempts
//!  └──────────── put off, longer each time ◀─────┘                  └─▶ failed
//! ```
//! A crash after the claim leaves a delivery that is due again once the claim is over: whether the provider has taken it is not
//! known, so it goes again. A mail of which the provider has told meanwhile does not.

use std::time::Duration;

use futures::stream::{self, StreamExt};
use tokio::time::MissedTickBehavior;
use tracing::Instrument;
use vitrina_chassis::CancellationToken;
use vitrina_chassis::vault::devices_of;
use vitrina_storage::{Commit, Row};

use super::tell::add_pushes;
use super::{ATTEMPTS_MAX, App, committed, joined, next, pause};
use crate::error::Error;
use crate::model::contact::Contact;
use crate::model::delivery::{Channel, Delivery, Device, wait_ms};
use crate::model::kind::Kind;
use crate::model::{DeliveryId, UserId};
use crate::provider::Failed;
use crate::provider::fcm::Push;
use crate::provider::sendgrid::Mailbox;
use crate::store::rows::{BadRow, id};
use crate::text::Reader;
use crate::{events, store};

/// Deliveries that are read before the clock is asked again.
const AT_ONCE: usize = 100;
/// Added to the time of a call for the claim: the commits around it.
const CLAIM_MARGIN_MS: u64 = 10_000;

impl App {
    /// Sends mails until it is told to stop.
    pub(crate) async fn send_mails(&self, stop: CancellationToken) {
        let call_ms = self.mailer.as_ref().map(|mailer| mailer.timeout_ms());
        self.work(Channel::Email, call_ms, stop).await;
    }

    /// Sends pushes until it is told to stop.
    pub(crate) async fn send_pushes(&self, stop: CancellationToken) {
        let call_ms = self.pusher.as_ref().map(|pusher| pusher.timeout_ms());
        self.work(Channel::Push, call_ms, stop).await;
    }

    /// Takes up what is due; what is under way at the stop is finished, since its call has an end.
    async fn work(&self, channel: Channel, call_ms: Option<u64>, stop: CancellationToken) {
        let Some(call_ms) = call_ms else { return };
        let claim_ms = call_ms.saturating_add(CLAIM_MARGIN_MS);
        let mut tick = tokio::time::interval(Duration::from_millis(self.config.send_interval_ms.max(1)));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !stop.is_cancelled() {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = tick.tick() => {}
            }
            if let Err(error) = self.round(channel, claim_ms, &stop).await {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(?channel, error, "what is due cannot be read, it is tried again");
            }
        }
    }

    /// Sends what is due now.
    async fn round(&self, channel: Channel, claim_ms: u64, stop: &CancellationToken) -> Result<(), Error> {
        let due = store::due(&self.store, channel, self.clock.now_ms(), AT_ONCE)?;
        stream::iter(due)
            .for_each_concurrent(self.config.sends_max.max(1), |id| async move {
                if stop.is_cancelled() {
                    return;
                }
                if let Err(error) = self.attempt(id, claim_ms).await {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(delivery_id = %id, error, "a delivery does not go on, it is tried again");
                }
            })
            .await;
        Ok(())
    }

    /// Claims a delivery, sends it and notes what came of it.
    async fn attempt(&self, id: DeliveryId, claim_ms: u64) -> Result<(), Error> {
        let Some(before) = store::delivery(&self.store, id)? else { return Ok(()) };
        let now_ms = self.clock.now_ms();
        if !before.value.is_open() || before.value.due_at_ms.is_none_or(|due_ms| due_ms > now_ms) {
            return Ok(());
        }
        let claimed = before.value.claimed(now_ms.saturating_add(claim_ms));
        let mut commit = Commit::new();
        store::put_delivery(&mut commit, id, Some(&before), &claimed);
        if !committed(&self.store, commit).await? {
            // Another process of this service was faster, or the provider has told.
            return Ok(());
        }
        let claimed = next(&before, claimed);
        let span = span(&claimed.value, id);
        async {
            let outcome = self.send(id, &claimed.value).await.unwrap_or_else(|error| defect(id, &error));
            self.settle(id, claimed, outcome).await
        }
        .instrument(span)
        .await
    }

    /// Sends a delivery as its user is reached now. An error is a defect of ours; what the provider says is in the result.
    async fn send(&self, id: DeliveryId, delivery: &Delivery) -> Result<Result<Sent, Failed>, Error> {
        if delivery.is_too_late(self.clock.now_ms()) {
            return Ok(Err(Failed::Refused("its time is over".to_owned())));
        }
        let kind = Kind::named(&delivery.kind).ok_or(BadRow("kind"))?;
        let contact = match self.recipient(delivery)? {
            Ok(contact) => contact,
            Err(failed) => return Ok(Err(failed)),
        };
        match delivery.channel() {
            Channel::Email => self.send_mail(id, delivery, kind, &contact).await,
            Channel::Push => self.send_push(delivery, kind, contact).await,
        }
    }

    async fn send_mail(
        &self,
        id: DeliveryId,
        delivery: &Delivery,
        kind: Kind,
        contact: &Contact,
    ) -> Result<Result<Sent, Failed>, Error> {
        let Some(mailer) = &self.mailer else { return Ok(Err(unconfigured())) };
        let is_guest = delivery.user.is_empty();
        let token = match delivery.sealed_token.as_str() {
            "" => None,
            sealed => Some(self.vault.open(&id.to_string(), sealed)?),
        };
        let language = self.language([contact.language.as_str()]);
        let reader = Reader { language, name: &contact.first_name, is_guest };
        let mail = self.texts.mail(kind, &delivery.facts, reader, token.as_deref())?;
        let to = Mailbox { email: &contact.email, name: &contact.first_name };
        let sent = mailer.send(id, to, &mail, (kind.name(), self.clock.now_ms())).await;
        Ok(sent.map(Sent::Taken))
    }

    async fn send_push(
        &self,
        delivery: &Delivery,
        kind: Kind,
        contact: Contact,
    ) -> Result<Result<Sent, Failed>, Error> {
        let Some(pusher) = &self.pusher else { return Ok(Err(unconfigured())) };
        let Some(device) = &delivery.device else { return Ok(Ok(Sent::Spread(contact))) };
        if !contact.devices.iter().any(|known| known.token == device.token) {
            return Ok(Err(Failed::Refused("the device was removed".to_owned())));
        }
        let told = self.texts.told(kind, &delivery.facts, self.language([contact.language.as_str()]))?;
        let device =
            Device { token: self.vault.open(&devices_of(&delivery.user), &device.token)?, ..*device };
        let push =
            Push { device: &device, notification: &delivery.notification, kind: kind.name(), told: &told };
        Ok(pusher.send(push, self.clock.now_ms()).await.map(Sent::Taken))
    }

    /// How the recipient is reached now.
    fn recipient(&self, delivery: &Delivery) -> Result<Result<Contact, Failed>, Error> {
        if delivery.user.is_empty() {
            return Ok(Ok(Contact { email: delivery.guest_email.clone(), ..Contact::default() }));
        }
        let user: UserId = id(&delivery.user, "user")?;
        Ok(match store::contact(&self.store, user)? {
            None => {
                Err(Failed::Later { reason: "nothing was heard of the user yet".to_owned(), wait_ms: None })
            }
            Some(row) if row.value.is_deleted => Err(Failed::Refused("the account is gone".to_owned())),
            Some(row) => Ok(row.value),
        })
    }

    /// Notes what came of an attempt. The provider's events may have said more meanwhile; then there is nothing to note.
    async fn settle(
        &self,
        id: DeliveryId,
        claimed: Row<Delivery>,
        outcome: Result<Sent, Failed>,
    ) -> Result<(), Error> {
        let mut row = claimed;
        for attempt in 0..ATTEMPTS_MAX {
            pause(attempt).await;
            let mut commit = Commit::new();
            match &outcome {
                Ok(Sent::Spread(contact)) => {
                    store::delete_delivery(&mut commit, id, &row);
                    add_pushes(&mut commit, &row.value, Some(contact), self.clock.now_ms());
                }
                Ok(Sent::Taken(provider_id)) => {
                    store::put_delivery(&mut commit, id, Some(&row), &row.value.sent(provider_id.clone()));
                }
                Err(failed) => {
                    if *failed == Failed::Unregistered {
                        self.remove_device(&mut commit, &row.value)?;
                    }
                    store::put_delivery(&mut commit, id, Some(&row), &self.after(id, &row.value, failed));
                }
            }
            if committed(&self.store, commit).await? {
                return Ok(());
            }
            match store::delivery(&self.store, id)? {
                Some(now) if now.value.is_open() => row = now,
                _ => return Ok(()),
            }
        }
        Err(Error::Outdated)
    }

    /// A delivery after an attempt that did not succeed.
    fn after(&self, id: DeliveryId, delivery: &Delivery, failed: &Failed) -> Delivery {
        let problem = failed.to_string();
        let (kind, attempts) = (delivery.kind.as_str(), delivery.attempts);
        let wait = match failed {
            Failed::Refused(_) | Failed::Unregistered => None,
            Failed::Later { wait_ms: wished_ms, .. } => {
                wait_ms(&self.config.retry_ms, attempts, rand::random(), *wished_ms)
            }
        };
        match wait {
            Some(wait_ms) => {
                tracing::info!(delivery_id = %id, kind, attempts, problem, wait_ms, "a delivery is put off");
                delivery.put_off(problem, self.clock.now_ms().saturating_add(wait_ms))
            }
            None => {
                tracing::warn!(delivery_id = %id, kind, attempts, problem, "a delivery has failed");
                delivery.failed(problem)
            }
        }
    }

    /// Lets go of a device that the provider does not know any more, and tells users.
    fn remove_device(&self, commit: &mut Commit, delivery: &Delivery) -> Result<(), Error> {
        let (Some(device), user) = (&delivery.device, id::<UserId>(&delivery.user, "user")?) else {
            return Ok(());
        };
        if let Some(before) = store::contact(&self.store, user)? {
            let after = before.value.without(&device.token);
            if after != before.value {
                store::put_contact(commit, user, Some(&before), &after);
                commit.emit(events::device_unregistered(user, &device.token));
            }
        }
        Ok(())
    }
}

/// What became of a call.
enum Sent {
    /// The provider has taken it; its id of it.
    Taken(String),
    /// It is for all of the devices, which are known now.
    Spread(Contact),
}

/// A delivery that cannot be made for a defect of ours climbs the ladder like any other, so that it has an end.
fn defect(id: DeliveryId, error: &Error) -> Result<Sent, Failed> {
    tracing::error!(delivery_id = %id, error = error as &dyn std::error::Error, "a delivery cannot be made");
    Err(Failed::Later { reason: error.to_string(), wait_ms: None })
}

fn unconfigured() -> Failed {
    Failed::Later { reason: "there is no provider".to_owned(), wait_ms: None }
}

/// The span of an attempt, child of the event that caused the delivery.
fn span(delivery: &Delivery, id: DeliveryId) -> tracing::Span {
    let channel = match delivery.channel() {
        Channel::Email => "email",
        Channel::Push => "push",
    };
    let span = tracing::info_span!(
        parent: None,
        "notification.send",
        otel.name = format!("send {channel}"),
        otel.kind = "client",
        delivery_id = %id,
        kind = delivery.kind,
        vitrina.attempt = delivery.attempts,
    );
    joined(span, &delivery.traceparent)
}
