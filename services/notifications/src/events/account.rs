//! Of users: who came, who left, how they are reached, and which mails with a token they asked for.

use vitrina_chassis::vault::tokens_of;
use vitrina_chassis::{Message, decode};
use vitrina_proto::events::v1 as events;
use vitrina_storage::Commit;

use super::{malformed, told, user};
use crate::app::{App, News, OneTime, To};
use crate::error::Error;
use crate::model::contact::Contact;
use crate::model::delivery::Device;
use crate::model::kind::{Facts, Kind};
use crate::store;

/// Most devices of a user; the contract's bound. More in an event is no event of ours.
const DEVICES_MAX: usize = 20;

/// Somebody came.
pub(super) fn registered(app: &App, payload: events::UserChanged) -> Result<Commit, Error> {
    let to = To::User(user(&payload.id, "id")?);
    told(app, to, News { kind: Kind::Welcome, facts: Facts::default(), about: "", one_time: None })
}

/// Somebody needs a token. Each event is one of its own: who asks again gets another mail.
pub(super) fn token(app: &App, kind: Kind, message: &Message) -> Result<Commit, Error> {
    let payload: events::TokenRequested = decode(message)?;
    let to = To::User(user(&payload.user_id, "userId")?);
    let expires_at_ms = payload.expires_at.as_ref().map(|at| at.unix_ms());
    let token = match payload.sealed_token.as_str() {
        "" => payload.token,
        sealed => app.vault.open(&tokens_of(&payload.user_id), sealed)?,
    };
    let one_time = Some(OneTime { token: &token, expires_at_ms });
    told(app, to, News { kind, facts: Facts::default(), about: &message.id, one_time })
}

/// How a user is reached now; nothing when something newer is known.
pub(super) fn contact(app: &App, payload: events::ContactChanged) -> Result<Commit, Error> {
    let id = user(&payload.user_id, "userId")?;
    if payload.devices.len() > DEVICES_MAX {
        return Err(malformed("devices").into());
    }
    let before = store::contact(&app.store, id)?;
    let is_old = |known: &Contact| known.is_deleted || known.version >= payload.version;
    let mut commit = Commit::new();
    if before.as_ref().is_some_and(|row| is_old(&row.value)) {
        return Ok(commit);
    }
    let devices = payload.devices.into_iter();
    let after = if payload.email.is_empty() {
        Contact::departed(payload.version)
    } else {
        Contact {
            version: payload.version,
            email: payload.email,
            first_name: payload.first_name,
            language: payload.language,
            devices: devices
                .map(|device| Device { is_fid: device.kind == "fid", token: device.token })
                .collect(),
            is_deleted: false,
        }
    };
    store::put_contact(&mut commit, id, before.as_ref(), &after);
    Ok(commit)
}

/// Somebody left.
pub(super) fn deleted(app: &App, payload: events::UserChanged) -> Result<Commit, Error> {
    let id = user(&payload.id, "id")?;
    let before = store::contact(&app.store, id)?;
    let mut commit = Commit::new();
    if before.as_ref().is_none_or(|row| !row.value.is_deleted) {
        let version = before.as_ref().map_or(0, |row| row.value.version);
        store::put_contact(&mut commit, id, before.as_ref(), &Contact::departed(version));
    }
    Ok(commit)
}
