//! How a user is reached: told to others whenever it changes, so that they never have to ask.
//!
//! Every change of an address, a name, a language or a device goes through the account's row, which holds the version of
//! the whole: two changes at once conflict there, and the one that decides again sees what the other has written.

use std::collections::BTreeMap;

use vitrina_storage::{Commit, Row, Store};

use crate::error::Error;
use crate::keys::{DEVICES, USERS, UserId};
use crate::store::rows::{DeviceRow, UserRow};
use crate::{events, store, wire};

/// A user's devices by their sealed tokens.
pub(crate) type Devices = BTreeMap<String, DeviceRow>;

/// The devices of a user.
pub(crate) fn devices(store: &Store, user_id: UserId) -> Result<Devices, Error> {
    let rows = store::all(store, &DEVICES, user_id)?;
    Ok(rows.into_iter().map(|(sealed, row)| (sealed, row.value)).collect())
}

/// Whether a change of the account is one of how its owner is reached.
pub(crate) fn differs(old: &UserRow, new: &UserRow) -> bool {
    (&old.email, &old.first_name, &old.language) != (&new.email, &new.first_name, &new.language)
}

/// Raises the version of an account that the commit writes, and tells of it with the devices as the commit leaves them.
pub(crate) fn tell(commit: &mut Commit, user_id: UserId, user: &mut UserRow, devices: &Devices) {
    user.contact_version += 1;
    let devices = devices.iter().map(|(sealed, row)| wire::device_of(sealed, row)).collect();
    commit.emit(events::contact_changed(user_id, user, devices));
}

/// The same for a change of the devices alone, of which the account's own version does not tell.
pub(crate) fn tell_devices(commit: &mut Commit, user_id: UserId, user: &Row<UserRow>, devices: &Devices) {
    let mut new = user.value.clone();
    tell(commit, user_id, &mut new, devices);
    commit.expect(&USERS, &user_id, user.version).put(&USERS, &user_id, &new);
}
