//! ReceivePayment: the provider says that something happened to a payment, but not what.
//!
//! ```text
//! signature ─▶ seen before? ─▶ a row says "look this payment up" ─▶ 200
//!                                        │ driver
//!                                        ▼
//!                    the payment at the provider ─▶ the order that it names, if amount and currency are right
//! ```

use vitrina_chassis::{Answer, Call};
use vitrina_proto::common::v1::Empty;
use vitrina_proto::orders::v1 as pb;
use vitrina_storage::Commit;

use super::{ATTEMPTS_MAX, App, pause};
use crate::error::Error;
use crate::model::OrderId;
use crate::model::step::backoff_ms;
use crate::provider::{Notification, Verdict};
use crate::store;
use crate::store::rows::LookupRow;

/// Longest id of a payment; the provider's have about twelve digits.
const PAYMENT_ID_BYTES_MAX: usize = 64;
/// Longest id of a notification.
const NOTIFICATION_ID_BYTES_MAX: usize = 128;

impl App {
    /// Takes a notification in. What it is about is looked up afterwards, so the sender never waits for the provider.
    pub(crate) async fn receive_payment(
        &self,
        call: &Call<pb::PaymentNotification>,
    ) -> Result<Answer<Empty>, Error> {
        let provider = self.provider.as_ref().ok_or(Error::Unknown("webhook"))?;
        let request = &call.request;
        let header = |name: &str| request.headers.get(name).map_or("", String::as_str);
        let notification = Notification {
            body: &request.body,
            signature: header("x-signature"),
            request_id: header("x-request-id"),
            data_id: request.data_id(),
            kind: request.r#type(),
        };
        if request.data_id().len() > PAYMENT_ID_BYTES_MAX {
            return Err(Error::Forged);
        }
        match provider.verify(&notification, call.now_ms) {
            Verdict::Forged => {
                tracing::warn!("a payment notification has a wrong signature");
                Err(Error::Forged)
            }
            Verdict::Other => Ok(Answer::new(Empty {})),
            Verdict::Stale { payment } => {
                self.ask_for(&payment, None, call.now_ms).await?;
                Err(Error::Stale)
            }
            Verdict::Payment { id, payment } => {
                let id: String = id.chars().take(NOTIFICATION_ID_BYTES_MAX).collect();
                let mark = format!("payment-notification:{payment}:{id}");
                self.ask_for(&payment, Some(&mark), call.now_ms).await?;
                Ok(Answer::new(Empty {}))
            }
        }
    }

    /// Has a payment looked up, once for each mark.
    async fn ask_for(&self, payment: &str, mark: Option<&str>, now_ms: u64) -> Result<(), Error> {
        for attempt in 0..ATTEMPTS_MAX {
            pause(attempt).await;
            if let Some(mark) = mark
                && self.store.is_handled(mark)?
            {
                return Ok(());
            }
            let before = store::lookup(&self.store, payment)?;
            let mut commit = Commit::new();
            // The row is written anew also when it is there: a look-up under way may have seen the payment before its change.
            let row = LookupRow { due_at_ms: now_ms, tries: 0 };
            store::put_lookup(&mut commit, payment, before.as_ref(), Some(&row));
            if let Some(mark) = mark {
                commit.mark_handled(mark);
            }
            match self.store.commit(commit).await {
                Ok(_) => {
                    self.wake.notify_one();
                    return Ok(());
                }
                Err(vitrina_storage::Error::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Outdated)
    }

    /// Looks a payment up and takes in what it says.
    pub(super) async fn look_up_payment(&self, payment: &str) -> Result<(), Error> {
        let Some(before) = store::lookup(&self.store, payment)? else { return Ok(()) };
        let Some(provider) = &self.provider else { return Ok(()) };
        let mut commit = Commit::new();
        match provider.payment(payment).await {
            Ok(seen) => {
                let order = seen.as_ref().and_then(|seen| seen.reference.parse::<OrderId>().ok());
                match (seen, order) {
                    (Some(seen), Some(id)) if store::order(&self.store, id)?.is_some() => {
                        self.settle(id, &seen).await?;
                        self.advance(id).await?;
                    }
                    _ => tracing::warn!(payment_id = payment, "a payment is of no order of this shop"),
                }
                store::put_lookup(&mut commit, payment, Some(&before), None);
            }
            Err(failed) => {
                tracing::warn!(payment_id = payment, error = %failed, "a payment is looked up again later");
                let row = LookupRow {
                    due_at_ms: self.clock.now_ms() + backoff_ms(before.value.tries),
                    tries: before.value.tries.saturating_add(1),
                };
                store::put_lookup(&mut commit, payment, Some(&before), Some(&row));
            }
        }
        match self.store.commit(commit).await {
            // Asked for again meanwhile: the new row stays.
            Ok(_) | Err(vitrina_storage::Error::Conflict) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
