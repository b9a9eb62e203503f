//! What leaves afterwards, and what it listens to.
//!
//! | topic | when | payload |
//! |---|---|---|
//! | `user.registered` `user.changed` `user.deleted` | an account was opened, changed, anonymised | `UserChanged` |
//! | `user.contact_changed` | how a user is reached was set, changed or forgotten | `ContactChanged` |
//! | `user.verify_requested` `user.password_reset_requested` | a mail with a single-use token is wanted | `TokenRequested` |
//! | `session.ended` | a session, or all of a user, stands no more | `SessionEnded` |
//! | `seller.changed` | a profile was opened, changed, or went with its account | `SellerChanged` |
//! | `seller.scored` | a review changed the score | `SellerChanged` |
//! | `wishlist.added` `wishlist.removed` | a wish came or went | `WishlistChanged` |
//!
//! Listens to `review.created`, for the seller's score, to `image.ready` and `image.deleted`, for the avatar, and to
//! `device.unregistered`, for devices that are no more. They may come twice and in any order: a score of no more reviews than are
//! known, and an album that is not newer, is dropped.
//!
//! Single-use tokens and the tokens of devices leave sealed: neither an outbox nor the broker holds one that could be used.

use vitrina_chassis::{Fault, Message, decode, event};
use vitrina_proto::Timestamp;
use vitrina_proto::events::v1::{
    ContactChanged, DeviceUnregistered, ImagesChanged, ReviewCreated, SellerChanged, SessionEnded,
    TokenRequested, UserChanged, WishlistChanged,
};
use vitrina_proto::users::v1::{Device, SellerStatus};
use vitrina_storage::{Commit, OutboxMessage, Store};

use crate::app::device;
use crate::error::Error;
use crate::keys::{PublicationId, Purpose, SELLERS, SessionId, USERS, UserId};
use crate::store::rows::{SellerRow, UserRow};
use crate::{store, wire};

/// The queue of this service at the broker.
pub(crate) const INBOX: &str = "users.inbox";
/// What the queue is bound to.
pub(crate) const TOPICS: [&str; 4] = [REVIEW_CREATED, DEVICE_UNREGISTERED, "image.ready", "image.deleted"];
/// Messages that may be in work at once: enough to fill a group commit, few enough to start again with after a crash.
pub(crate) const PREFETCH: u16 = 64;

const REVIEW_CREATED: &str = "review.created";
const DEVICE_UNREGISTERED: &str = "device.unregistered";

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

/// `user.contact_changed`, with all devices as they are now, their tokens sealed.
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

/// The event that asks for the mail of a purpose, with the sealed token.
pub(crate) fn token_requested(
    user_id: UserId,
    purpose: Purpose,
    sealed: &str,
    expires_at_ms: u64,
) -> OutboxMessage {
    let topic = match purpose {
        Purpose::Verify => "user.verify_requested",
        Purpose::Reset => "user.password_reset_requested",
    };
    let payload = TokenRequested {
        user_id: user_id.to_string(),
        expires_at: Some(Timestamp::from_unix_ms(expires_at_ms)),
        sealed_token: sealed.to_owned(),
        ..TokenRequested::default()
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
    seller_event("seller.changed", user_id, seller)
}

/// `wishlist.added`.
pub(crate) fn wish_added(user_id: UserId, publication_id: PublicationId) -> OutboxMessage {
    wish_event("wishlist.added", user_id, publication_id)
}

/// `wishlist.removed`.
pub(crate) fn wish_removed(user_id: UserId, publication_id: PublicationId) -> OutboxMessage {
    wish_event("wishlist.removed", user_id, publication_id)
}

/// Takes over what happened elsewhere; `None` when it is known already, or is about nobody.
pub(crate) fn heard(store: &Store, message: &Message, now_ms: u64) -> Result<Option<Commit>, Error> {
    match message.topic.as_str() {
        REVIEW_CREATED => reviewed(store, decode(message)?),
        DEVICE_UNREGISTERED => {
            let payload: DeviceUnregistered = decode(message)?;
            let user_id = payload.user_id.parse().map_err(|_| malformed("userId"))?;
            device::without(store, &(user_id, payload.token))
        }
        _ => pictured(store, decode(message)?, now_ms),
    }
}

fn reviewed(store: &Store, payload: ReviewCreated) -> Result<Option<Commit>, Error> {
    let user_id: UserId = payload.seller_id.parse().map_err(|_| malformed("sellerId"))?;
    let Some(seller) = store::seller(store, user_id)? else { return Ok(None) };
    if payload.count <= seller.value.score_count {
        return Ok(None);
    }
    let new = SellerRow {
        version: seller.value.version + 1,
        score_mean: payload.mean,
        score_count: payload.count,
        ..seller.value
    };
    let mut commit = Commit::new();
    commit.expect(&SELLERS, &user_id, seller.version).put(&SELLERS, &user_id, &new);
    commit.emit(seller_event("seller.scored", user_id, &new));
    Ok(Some(commit))
}

fn pictured(store: &Store, payload: ImagesChanged, now_ms: u64) -> Result<Option<Commit>, Error> {
    // The album is a product's otherwise, of which nothing is kept here.
    let Ok(user_id) = payload.owner_id.parse::<UserId>() else { return Ok(None) };
    let Some(user) = store::find_user(store, user_id)? else { return Ok(None) };
    if payload.version <= user.value.album_version {
        return Ok(None);
    }
    let new = UserRow {
        version: user.value.version + 1,
        updated_at_ms: now_ms,
        avatar: payload.avatar.clone(),
        album_version: payload.version,
        ..user.value
    };
    let mut commit = Commit::new();
    commit.expect(&USERS, &user_id, user.version).put(&USERS, &user_id, &new);
    commit.emit(user_changed(user_id, &new));
    match store::seller(store, user_id)? {
        Some(seller) => {
            let new = SellerRow { version: seller.value.version + 1, avatar: payload.avatar, ..seller.value };
            commit.expect(&SELLERS, &user_id, seller.version).put(&SELLERS, &user_id, &new);
            commit.emit(seller_changed(user_id, &new));
        }
        None => {
            // A profile that is opened at this moment would get the avatar of before.
            commit.expect_absent(&SELLERS, &user_id);
        }
    }
    Ok(Some(commit))
}

fn malformed(field: &str) -> Fault {
    Fault::invalid_field(field, "malformed", "cannot be read")
}

fn seller_event(topic: &str, user_id: UserId, seller: &SellerRow) -> OutboxMessage {
    let status = if seller.is_paused { SellerStatus::Paused } else { SellerStatus::Active };
    let payload = SellerChanged {
        id: user_id.to_string(),
        version: seller.version,
        display_name: seller.display_name.clone(),
        status: status.into(),
        score: wire::score(seller),
    };
    event(topic, &payload.id, &payload)
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
