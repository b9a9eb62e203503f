//! Seller profiles.

use vitrina_chassis::check::Fields;
use vitrina_chassis::{Answer, Call, Decision, unit};
use vitrina_proto::users::v1::{
    BatchGetSellersRequest, CreateSellerRequest, GetMySellerRequest, GetSellerRequest, Seller, SellerList,
    UpdateSellerRequest,
};
use vitrina_storage::Commit;

use super::App;
use crate::error::Error;
use crate::keys::{SELLERS, USERS, UserId};
use crate::model::SellerStatus;
use crate::store::rows::SellerRow;
use crate::{events, store, wire};

/// What a profile is called in an answer.
const WHAT: &str = "seller";

/// Makes the caller a seller.
pub(crate) async fn create(app: &App, call: Call<CreateSellerRequest>) -> Result<Answer<Seller>, Error> {
    let user_id = call.caller.require_user()?;
    let display_name = wire::display_name(&call.request)?;
    unit(&app.store, &call, "vitrina.users.v1.Users/CreateSeller", || {
        let user = store::user(&app.store, user_id)?;
        if store::seller(&app.store, user_id)?.is_some() {
            return Err(Error::SellerExists);
        }
        let row = SellerRow {
            version: 1,
            display_name: display_name.clone(),
            is_paused: false,
            created_at_ms: call.now_ms,
            avatar: user.value.avatar.clone(),
            ..SellerRow::default()
        };
        let mut commit = Commit::new();
        commit.expect(&USERS, &user_id, user.version);
        commit.expect_absent(&SELLERS, &user_id).put(&SELLERS, &user_id, &row);
        commit.emit(events::seller_changed(user_id, &row));
        Ok(Decision::new(commit, answer(user_id, &row).changed(format!("seller:{user_id}"))))
    })
    .await
}

/// The caller's profile.
pub(crate) fn get_mine(app: &App, call: &Call<GetMySellerRequest>) -> Result<Answer<Seller>, Error> {
    let user_id = call.caller.require_user()?;
    store::user(&app.store, user_id)?;
    found(app, user_id)
}

/// Changes the caller's profile.
pub(crate) async fn update(app: &App, call: Call<UpdateSellerRequest>) -> Result<Answer<Seller>, Error> {
    let user_id = call.caller.require_user()?;
    let (display_name, status) = wire::seller_patch(&call.request)?;
    unit(&app.store, &call, "vitrina.users.v1.Users/UpdateSeller", || {
        let old = store::seller(&app.store, user_id)?.ok_or(Error::NotFound(WHAT))?;
        call.check_version(old.value.version.into())?;
        let mut row = old.value.clone();
        row.display_name = display_name.clone().unwrap_or(row.display_name);
        row.is_paused = status.map_or(row.is_paused, |status| status == SellerStatus::Paused);
        if row == old.value {
            return Ok(Decision::unchanged(answer(user_id, &row)));
        }
        row.version += 1;
        let mut commit = Commit::new();
        commit.expect(&SELLERS, &user_id, old.version).put(&SELLERS, &user_id, &row);
        commit.emit(events::seller_changed(user_id, &row));
        Ok(Decision::new(commit, answer(user_id, &row).changed(format!("seller:{user_id}"))))
    })
    .await
}

/// A public profile.
pub(crate) fn get(app: &App, call: &Call<GetSellerRequest>) -> Result<Answer<Seller>, Error> {
    found(app, wire::id(WHAT, &call.request.id)?)
}

/// Several public profiles, in the order asked for; unknown ones are left out.
pub(crate) fn get_many(app: &App, call: &Call<BatchGetSellersRequest>) -> Result<Answer<SellerList>, Error> {
    let mut fields = Fields::new();
    fields.count("ids", call.request.ids.len(), 0..=100);
    fields.finish()?;
    let ids: Vec<UserId> = call.request.ids.iter().filter_map(|id| id.parse().ok()).collect();
    let rows = SELLERS.get_many(&app.store, &ids)?;
    let found = ids.iter().zip(rows).filter_map(|(id, row)| row.map(|row| wire::seller(*id, &row.value)));
    Ok(Answer::new(SellerList { items: found.collect() }))
}

fn found(app: &App, user_id: UserId) -> Result<Answer<Seller>, Error> {
    let row = store::seller(&app.store, user_id)?.ok_or(Error::NotFound(WHAT))?;
    Ok(answer(user_id, &row.value))
}

fn answer(user_id: UserId, row: &SellerRow) -> Answer<Seller> {
    Answer::new(wire::seller(user_id, row)).version(row.version.into())
}
