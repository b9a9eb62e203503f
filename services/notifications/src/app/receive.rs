//! ReceiveMailEvents: the mail provider says what became of mails.

use std::collections::{HashMap, HashSet};

use vitrina_chassis::{Answer, Call, Fault};
use vitrina_proto::common::v1::Empty;
use vitrina_proto::notifications::v1 as pb;
use vitrina_storage::{Commit, Row};

use super::{ATTEMPTS_MAX, App, committed, pause};
use crate::error::Error;
use crate::model::DeliveryId;
use crate::model::delivery::Delivery;
use crate::provider::{MailEvent, Verdict, sendgrid};
use crate::store;

const SIGNATURE: &str = "x-twilio-email-event-webhook-signature";
const TIMESTAMP: &str = "x-twilio-email-event-webhook-timestamp";
/// Events of one commit: with a mark and a delivery each, about half of what a commit may hold.
const AT_ONCE: usize = 100;
/// Longest id of an event; the provider's have about 40 characters.
const EVENT_ID_CHARS_MAX: usize = 128;

impl App {
    /// Takes signed events in; each counts once, however often it comes.
    pub(crate) async fn receive_mail_events(
        &self,
        call: &Call<pb::SignedEvent>,
    ) -> Result<Answer<Empty>, Error> {
        let mailer = self.mailer.as_ref().ok_or(Error::Unknown("webhook"))?;
        let request = &call.request;
        let header = |name: &str| request.headers.get(name).map_or("", String::as_str);
        match mailer.verify(&request.body, header(SIGNATURE), header(TIMESTAMP), call.now_ms) {
            Verdict::Signed => {}
            Verdict::Forged => {
                tracing::warn!("events of mails have a wrong signature");
                return Err(Error::Forged);
            }
            Verdict::Stale => return Err(Error::Stale),
        }
        let events = sendgrid::events(&request.body)
            .map_err(|_| Fault::invalid_field("body", "malformed", "must be a list of events"))?;
        for events in events.chunks(AT_ONCE) {
            self.take_in(events).await?;
        }
        Ok(Answer::new(Empty {}))
    }

    async fn take_in(&self, events: &[MailEvent]) -> Result<(), Error> {
        for attempt in 0..ATTEMPTS_MAX {
            pause(attempt).await;
            if committed(&self.store, self.effect(events)?).await? {
                return Ok(());
            }
        }
        Err(Error::Outdated)
    }

    /// The commit of what events say.
    fn effect(&self, events: &[MailEvent]) -> Result<Commit, Error> {
        let mut commit = Commit::new();
        let mut marks = HashSet::new();
        let mut moved: HashMap<DeliveryId, (Row<Delivery>, Delivery)> = HashMap::new();
        for event in events {
            let mark: String = event.id.chars().take(EVENT_ID_CHARS_MAX).collect();
            let mark = format!("mail-event:{mark}");
            // Of another program that sends by the same account.
            let Ok(id) = event.delivery.parse::<DeliveryId>() else { continue };
            if self.store.is_handled(&mark)? || !marks.insert(mark.clone()) {
                continue;
            }
            commit.mark_handled(&mark);
            let (before, now) = match moved.remove(&id) {
                Some(moved) => moved,
                None => match store::delivery(&self.store, id)? {
                    Some(row) => (row.clone(), row.value),
                    None => continue,
                },
            };
            let after =
                now.fated(event.fate).map(|after| Delivery { problem: event.reason.clone(), ..after });
            moved.insert(id, (before, after.unwrap_or(now)));
        }
        for (id, (before, after)) in moved {
            if after != before.value {
                store::put_delivery(&mut commit, id, Some(&before), &after);
            }
        }
        Ok(commit)
    }
}
