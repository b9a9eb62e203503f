//! What is true: kinds and what they are about, preferences, contacts, deliveries and how they move.
//!
//! Pure: no clock, no randomness, no wire type. The types are also the stored ones: a prost message is plain data, and a second
//! set of types would say the same twice. A number of a field is never given to another field: old rows stay readable. Ids of
//! other services' things are kept as their text, since they are only ever handed on.

pub(crate) mod contact;
pub(crate) mod delivery;
pub(crate) mod kind;
pub(crate) mod preference;
pub(crate) mod watch;

pub(crate) use vitrina_chassis::ids::UserId;

use crate::model::kind::Facts;

vitrina_chassis::id_type!(
    /// Which notification.
    NotificationId, "ntf_"
);
vitrina_chassis::id_type!(
    /// Which delivery of a notification.
    DeliveryId, "dlv_"
);
vitrina_chassis::id_type!(
    /// Which publication.
    PublicationId, "pub_"
);

/// An entry of an inbox.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Notification {
    /// Name of its [`kind::Kind`].
    #[prost(string, tag = "1")]
    pub(crate) kind: String,
    #[prost(message, required, tag = "2")]
    pub(crate) facts: Facts,
    #[prost(uint64, tag = "3")]
    pub(crate) created_at_ms: u64,
    /// Absent: unread.
    #[prost(uint64, optional, tag = "4")]
    pub(crate) read_at_ms: Option<u64>,
}
