//! What leaves afterwards. The service listens to nothing.
//!
//! | topic | when | payload |
//! |---|---|---|
//! | `user.registered` `user.changed` `user.deleted` | an account was opened, changed, anonymised | `UserChanged` |
//! | `user.contact_changed` | how a user is reached was set, changed or forgotten | `ContactChanged` |
//! | `user.verify_requested` `user.password_reset_requested` | a mail with a single-use token is wanted | `TokenRequested` |
//! | `session.ended` | a session, or all of a user, stands no more | `SessionEnded` |
//! | `seller.changed` | a profile was opened, changed, or went with its account | `SellerChanged` |
//! | `wishlist.added` `wishlist.removed` | a wish came or went | `WishlistChanged` |
//!
//! The single-use token is the one secret that leaves: it lies in the outbox row until that is relayed, ends at its first
//! use and by itself within a day.

use vitrina_chassis::event;
use vitrina_proto::Timestamp;
use vitrina_proto::events::v1::{
    ContactChanged, SellerChanged, SessionEnded, TokenRequested, UserChanged, WishlistChanged,
};
use vitrina_proto::users::v1::{Device, SellerStatus};
use vitrina_storage::OutboxMessage;

use crate::keys::{PublicationId, Purpose, SessionId, UserId};
use crate::store::rows::{SellerRow, UserRow};

/// `user.registered`.
pub(crate) fn user_registered(user_id: UserId, user: &UserRow) -> OutboxMessage {
    user_event("user.registered", user_id, user)
}

/// `user.changed`.
pub(crate) fn user_changed(user_id: UserId, user: &UserRow) -> OutboxMessage {
    user_event("user.changed", user_id, user)
}

/// `user.deleted`.
pub(crate) fn user_deleted(user_id: UserId, user: &UserRow) -> OutboxMessage {
    user_event("user.deleted", user_id, user)
}

/// `user.contact_changed`, with all devices as they are now.
pub(crate) fn contact_changed(user_id: UserId, user: &UserRow, devices: Vec<Device>) -> OutboxMessage {
    let payload = ContactChanged {
        user_id: user_id.to_string(),
        version: user.contact_version,
        email: user.email.clone(),
        first_name: user.first_name.clone(),
        language: user.language.clone(),
        devices,
    };
    event("user.contact_changed", &payload.user_id, &payload)
}

/// The event that asks for the mail of a purpose.
pub(crate) fn token_requested(
    user_id: UserId,
    purpose: Purpose,
    token: &str,
    expires_at_ms: u64,
) -> OutboxMessage {
    let topic = match purpose {
        Purpose::Verify => "user.verify_requested",
        Purpose::Reset => "user.password_reset_requested",
    };
    let payload = TokenRequested {
        user_id: user_id.to_string(),
        token: token.to_owned(),
        expires_at: Some(Timestamp::from_unix_ms(expires_at_ms)),
    };
    event(topic, &payload.user_id, &payload)
}

/// `session.ended` for one session.
pub(crate) fn session_ended(user_id: UserId, session_id: SessionId, now_ms: u64) -> OutboxMessage {
    ended(user_id, session_id.to_string(), now_ms)
}

/// `session.ended` for all sessions of a user.
pub(crate) fn sessions_ended(user_id: UserId, now_ms: u64) -> OutboxMessage {
    ended(user_id, String::new(), now_ms)
}

/// `seller.changed`.
pub(crate) fn seller_changed(user_id: UserId, seller: &SellerRow) -> OutboxMessage {
    let status = if seller.is_paused { SellerStatus::Paused } else { SellerStatus::Active };
    let payload = SellerChanged {
        id: user_id.to_string(),
        version: seller.version,
        display_name: seller.display_name.clone(),
        status: status.into(),
    };
    event("seller.changed", &payload.id, &payload)
}

/// `wishlist.added`.
pub(crate) fn wish_added(user_id: UserId, publication_id: PublicationId) -> OutboxMessage {
    wish_event("wishlist.added", user_id, publication_id)
}

/// `wishlist.removed`.
pub(crate) fn wish_removed(user_id: UserId, publication_id: PublicationId) -> OutboxMessage {
    wish_event("wishlist.removed", user_id, publication_id)
}

fn user_event(topic: &str, user_id: UserId, user: &UserRow) -> OutboxMessage {
    let payload = UserChanged {
        id: user_id.to_string(),
        version: user.version,
        username: user.username.clone(),
        language: user.language.clone(),
    };
    event(topic, &payload.id, &payload)
}

fn ended(user_id: UserId, session_id: String, now_ms: u64) -> OutboxMessage {
    let payload = SessionEnded {
        user_id: user_id.to_string(),
        session_id,
        ended_at: Some(Timestamp::from_unix_ms(now_ms)),
    };
    event("session.ended", &payload.user_id, &payload)
}

fn wish_event(topic: &str, user_id: UserId, publication_id: PublicationId) -> OutboxMessage {
    let payload =
        WishlistChanged { user_id: user_id.to_string(), publication_id: publication_id.to_string() };
    event(topic, &payload.user_id, &payload)
}
