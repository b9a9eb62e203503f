//! The payment provider, in our words.

pub(crate) mod mercadopago;

use async_trait::async_trait;

use crate::model::settle::Seen;

/// Takes payments. Calls are idempotent by their key, and every one has a deadline.
#[async_trait]
pub(crate) trait Provider: Send + Sync {
    /// Prepares a payment and gives the address where the buyer pays.
    async fn prepare(&self, wanted: &Wanted) -> Result<String, Failed>;

    /// A payment; `None`: there is none of that id.
    async fn payment(&self, id: &str) -> Result<Option<Seen>, Failed>;

    /// The payments that say they are for an order, as far as they are known yet.
    async fn search(&self, reference: &str) -> Result<Vec<Seen>, Failed>;

    /// Gives money of a payment back, once per key: all of it, or an amount.
    async fn refund(&self, wanted: &WantedRefund) -> Result<(), Failed>;

    /// Judges a notification.
    fn verify(&self, notification: &Notification<'_>, now_ms: u64) -> Verdict;
}

/// A payment to be prepared.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// Key under which it is prepared once.
    pub(crate) key: String,
    /// The order, as text.
    pub(crate) reference: String,
    pub(crate) title: String,
    pub(crate) amount_minor: i64,
    pub(crate) currency: String,
    pub(crate) payer_email: Option<String>,
    /// After this nobody can pay.
    pub(crate) until_ms: u64,
}

/// A refund to be made.
#[derive(Clone, Debug)]
pub(crate) struct WantedRefund {
    pub(crate) key: String,
    pub(crate) payment: String,
    /// Absent: all of it.
    pub(crate) amount_minor: Option<i64>,
    pub(crate) currency: String,
}

/// What came in by the webhook.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Notification<'a> {
    pub(crate) body: &'a [u8],
    pub(crate) signature: &'a str,
    pub(crate) request_id: &'a str,
    /// What it is about.
    pub(crate) data_id: &'a str,
    /// Such as `payment`.
    pub(crate) kind: &'a str,
}

/// What a notification is worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The provider did not sign it.
    Forged,
    /// Signed, but too long ago to be trusted; a look-up does no harm.
    Stale {
        /// The payment.
        payment: String,
    },
    /// Signed and fresh, about this payment; the id tells it from others.
    Payment {
        /// The notification's own id.
        id: String,
        /// The payment.
        payment: String,
    },
    /// Signed and fresh, about something else.
    Other,
}

/// Why a call did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failed {
    /// It may have happened: to be made again under the same key, or looked up.
    #[error("the outcome is unknown: {0}")]
    Unknown(String),
    /// It certainly did not and will not happen.
    #[error("the provider refuses with status {status}: {detail}")]
    Refused {
        /// Of HTTP.
        status: u16,
        /// What the provider says, for the log.
        detail: String,
    },
}
