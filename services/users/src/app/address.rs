//! The caller's addresses.

use vitrina_chassis::{Answer, Call, Decision, unit};
use vitrina_proto::common::v1::Empty;
use vitrina_proto::users::v1::{
    Address, AddressList, CreateAddressRequest, DeleteAddressRequest, ListAddressesRequest,
    UpdateAddressRequest,
};
use vitrina_storage::Commit;

use super::App;
use crate::error::Error;
use crate::keys::{ADDRESSES, AddressId, Book, USERS};
use crate::{store, wire};

/// What an address is called in an answer.
const WHAT: &str = "address";

/// All addresses, oldest first.
pub(crate) fn list(app: &App, call: &Call<ListAddressesRequest>) -> Result<Answer<AddressList>, Error> {
    let user_id = call.caller.require_user()?;
    store::user(&app.store, user_id)?;
    let rows = store::all(&app.store, &ADDRESSES, user_id)?;
    Ok(Answer::new(AddressList {
        items: rows.iter().map(|(id, row)| wire::address(*id, &row.value)).collect(),
    }))
}

/// Adds an address.
pub(crate) async fn create(app: &App, call: Call<CreateAddressRequest>) -> Result<Answer<Address>, Error> {
    let user_id = call.caller.require_user()?;
    let row = wire::new_address(&call.request)?;
    let id = AddressId::at(call.now_ms);
    unit(&app.store, &call, "vitrina.users.v1.Users/CreateAddress", || {
        let user = store::user(&app.store, user_id)?;
        let mut commit = Commit::new();
        store::count_in(&app.store, &mut commit, user_id, Book::Addresses)?;
        commit.expect(&USERS, &user_id, user.version);
        commit.expect_absent(&ADDRESSES, &(user_id, id)).put(&ADDRESSES, &(user_id, id), &row);
        Ok(Decision::new(commit, Answer::new(wire::address(id, &row)).version(row.version.into())))
    })
    .await
}

/// Changes an address.
pub(crate) async fn update(app: &App, call: Call<UpdateAddressRequest>) -> Result<Answer<Address>, Error> {
    let user_id = call.caller.require_user()?;
    let id: AddressId = wire::id(WHAT, &call.request.id)?;
    let patch = wire::address_patch(&call.request)?;
    unit(&app.store, &call, "vitrina.users.v1.Users/UpdateAddress", || {
        let old = ADDRESSES.get(&app.store, &(user_id, id))?.ok_or(Error::NotFound(WHAT))?;
        call.check_version(old.value.version.into())?;
        let new = patch.applied(&old.value);
        let mut commit = Commit::new();
        commit.expect(&ADDRESSES, &(user_id, id), old.version).put(&ADDRESSES, &(user_id, id), &new);
        Ok(Decision::new(commit, Answer::new(wire::address(id, &new)).version(new.version.into())))
    })
    .await
}

/// Removes an address.
pub(crate) async fn delete(app: &App, call: Call<DeleteAddressRequest>) -> Result<Answer<Empty>, Error> {
    let user_id = call.caller.require_user()?;
    let id: AddressId = wire::id(WHAT, &call.request.id)?;
    unit(&app.store, &call, "vitrina.users.v1.Users/DeleteAddress", || {
        let old = ADDRESSES.get(&app.store, &(user_id, id))?.ok_or(Error::NotFound(WHAT))?;
        call.check_version(old.value.version.into())?;
        let mut commit = Commit::new();
        store::count_out(&app.store, &mut commit, user_id, Book::Addresses)?;
        commit.expect(&ADDRESSES, &(user_id, id), old.version).delete(&ADDRESSES, &(user_id, id));
        Ok(Decision::new(commit, Answer::new(Empty {})))
    })
    .await
}
