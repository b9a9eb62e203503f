//! The caller's push devices. Their tokens are kept sealed, and are known by what they seal to; only their owner and the push
//! provider see them.

use vitrina_chassis::vault::devices_of;
use vitrina_chassis::{Answer, Call, Decision, unit};
use vitrina_proto::common::v1::Empty;
use vitrina_proto::users::v1::{
    DeleteDeviceRequest, Device, DeviceList, ListDevicesRequest, PutDeviceRequest,
};
use vitrina_storage::{Commit, Store};

use super::{App, contact};
use crate::error::Error;
use crate::keys::{Book, DEVICES, UserId};
use crate::model::is_device_token;
use crate::store::rows::DeviceRow;
use crate::{store, wire};

/// All devices.
pub(crate) fn list(app: &App, call: &Call<ListDevicesRequest>) -> Result<Answer<DeviceList>, Error> {
    let user_id = call.caller.require_user()?;
    store::user(&app.store, user_id)?;
    let rows = store::all(&app.store, &DEVICES, user_id)?;
    let items = rows.iter().map(|(sealed, row)| shown(app, user_id, sealed, &row.value));
    Ok(Answer::new(DeviceList { items: items.collect::<Result<_, _>>()? }))
}

/// Adds a device, or gives a known one another kind and name.
pub(crate) async fn put(app: &App, call: Call<PutDeviceRequest>) -> Result<Answer<Device>, Error> {
    let user_id = call.caller.require_user()?;
    let (kind, name) = wire::device(&call.request)?;
    let key = (user_id, sealed(app, user_id, &call.request.token));
    let mut answer = unit(&app.store, &call, "vitrina.users.v1.Users/PutDevice", || {
        let user = store::user(&app.store, user_id)?;
        let mut commit = Commit::new();
        let mut devices = contact::devices(&app.store, user_id)?;
        let mut row =
            DeviceRow { kind: kind.as_str().to_owned(), name: name.clone(), created_at_ms: call.now_ms };
        match DEVICES.get(&app.store, &key)? {
            Some(old) => {
                row.created_at_ms = old.value.created_at_ms;
                if row == old.value {
                    return Ok(Decision::unchanged(Answer::new(wire::device_of(&key.1, &row))));
                }
                commit.expect(&DEVICES, &key, old.version);
            }
            None => {
                store::count_in(&app.store, &mut commit, user_id, Book::Devices)?;
                commit.expect_absent(&DEVICES, &key);
            }
        }
        commit.put(&DEVICES, &key, &row);
        devices.insert(key.1.clone(), row.clone());
        contact::tell_devices(&mut commit, user_id, &user, &devices);
        // The answer is kept under the idempotency key, so that it is opened only afterwards.
        Ok::<_, Error>(Decision::new(commit, Answer::new(wire::device_of(&key.1, &row))))
    })
    .await?;
    answer.reply.token = opened(app, user_id, &answer.reply.token)?;
    Ok(answer)
}

/// Removes a device.
pub(crate) async fn delete(app: &App, call: Call<DeleteDeviceRequest>) -> Result<Answer<Empty>, Error> {
    let user_id = call.caller.require_user()?;
    if !is_device_token(&call.request.token) {
        return Err(Error::NotFound("device"));
    }
    let key = (user_id, sealed(app, user_id, &call.request.token));
    unit(&app.store, &call, "vitrina.users.v1.Users/DeleteDevice", || {
        let commit = without(&app.store, &key)?.ok_or(Error::NotFound("device"))?;
        Ok(Decision::new(commit, Answer::new(Empty {})))
    })
    .await
}

/// A device as its owner sees it.
pub(crate) fn shown(app: &App, user_id: UserId, sealed: &str, row: &DeviceRow) -> Result<Device, Error> {
    Ok(wire::device_of(&opened(app, user_id, sealed)?, row))
}

fn sealed(app: &App, user_id: UserId, token: &str) -> String {
    app.shared.seal(&devices_of(&user_id.to_string()), token)
}

fn opened(app: &App, user_id: UserId, sealed: &str) -> Result<String, Error> {
    let opened = app.shared.open(&devices_of(&user_id.to_string()), sealed);
    opened.map_err(|_| Error::Seal { reason: "not what was sealed for this user" })
}

/// The commit that removes a device, by its sealed token; `None` when there is none.
pub(crate) fn without(store: &Store, key: &(UserId, String)) -> Result<Option<Commit>, Error> {
    let Some(old) = DEVICES.get(store, key)? else { return Ok(None) };
    let user = store::user(store, key.0)?;
    let mut devices = contact::devices(store, key.0)?;
    devices.remove(&key.1);
    let mut commit = Commit::new();
    contact::tell_devices(&mut commit, key.0, &user, &devices);
    store::count_out(store, &mut commit, key.0, Book::Devices)?;
    commit.expect(&DEVICES, key, old.version).delete(&DEVICES, key);
    Ok(Some(commit))
}
