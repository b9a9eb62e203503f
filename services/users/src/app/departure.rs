//! The end of an account.
//!
//! One commit anonymises the account and removes everything that is small. The wishlist, up to 500 rows with an event
//! each, does not fit into it: a departed row stands in that commit, and the wishes follow in batches, at once or, after a
//! crash, at the next start.

use vitrina_chassis::{Answer, Call, Decision, unit};
use vitrina_proto::common::v1::Empty;
use vitrina_proto::users::v1::DeleteMeRequest;
use vitrina_storage::{Commit, Row, Scan, prefix};

use super::App;
use super::contact::{self, Devices};
use super::session::tag;
use crate::error::Error;
use crate::keys::{
    ADDRESSES, BANK_ACCOUNTS, BANK_NUMBERS, Book, DEPARTED, DEVICES, EMAILS, ONE_TIME, Purpose, SELLERS,
    SESSIONS, USERNAMES, USERS, UserId, WISHES,
};
use crate::store::rows::{DepartedRow, SellerRow, UserRow};
use crate::{events, store};

/// Wishes removed by one commit: with a row and an event each, a fifth of what a commit may hold.
const BATCH_ROWS: usize = 100;

/// Anonymises the caller's account and ends its sessions.
pub(crate) async fn delete(app: &App, call: Call<DeleteMeRequest>) -> Result<Answer<Empty>, Error> {
    let user_id = call.caller.require_user()?;
    let answer = unit(&app.store, &call, "vitrina.users.v1.Users/DeleteMe", || {
        let user = store::user(&app.store, user_id)?;
        call.check_version(user.value.version.into())?;
        let mut commit = Commit::new();
        let mut answer =
            Answer::new(Empty {}).changed(format!("user:{user_id}")).changed(format!("seller:{user_id}"));
        for (session_id, _) in store::all(&app.store, &SESSIONS, user_id)? {
            commit.delete(&SESSIONS, &(user_id, session_id));
            answer = answer.changed(tag(session_id));
        }
        anonymise(&mut commit, user_id, &user, call.now_ms);
        remove_lists(app, &mut commit, user_id)?;
        commit.put(&DEPARTED, &user_id, &DepartedRow { departed_at_ms: call.now_ms });
        commit.emit(events::sessions_ended(user_id, call.now_ms));
        Ok::<_, Error>(Decision::new(commit, answer))
    })
    .await?;
    if let Err(error) = sweep(app, user_id).await {
        // The account is gone and said so; what is left of it is removed at the next start.
        tracing::warn!(%user_id, %error, "wishes of a deleted account are left");
    }
    Ok(answer)
}

/// Removes what is left of deleted accounts.
///
/// # Errors
/// When the store fails; safe to call again.
pub(crate) async fn sweep_all(app: &App) -> Result<(), Error> {
    for user_id in store::departed(&app.store)? {
        sweep(app, user_id).await?;
    }
    Ok(())
}

async fn sweep(app: &App, user_id: UserId) -> Result<(), Error> {
    loop {
        let rows = WISHES.scan(&app.store, Scan::first(prefix(&user_id), BATCH_ROWS))?;
        let mut commit = Commit::new();
        for ((_, publication_id), row) in &rows {
            let key = (user_id, *publication_id);
            commit.expect(&WISHES, &key, row.version).delete(&WISHES, &key);
            commit.emit(events::wish_removed(user_id, *publication_id));
        }
        if rows.is_empty() {
            // A login that raced with the deletion may have left a session, which no longer stands.
            for (session_id, _) in store::all(&app.store, &SESSIONS, user_id)? {
                commit.delete(&SESSIONS, &(user_id, session_id));
            }
            commit.delete(&DEPARTED, &user_id);
        }
        app.store.commit(commit).await?;
        if rows.is_empty() {
            return Ok(());
        }
    }
}

fn anonymise(commit: &mut Commit, user_id: UserId, user: &Row<UserRow>, now_ms: u64) {
    let old = &user.value;
    let mut gone = UserRow {
        version: old.version + 1,
        created_at_ms: old.created_at_ms,
        updated_at_ms: now_ms,
        deleted_at_ms: Some(now_ms),
        session_epoch: old.session_epoch + 1,
        contact_version: old.contact_version,
        ..UserRow::default()
    };
    contact::tell(commit, user_id, &mut gone, &Devices::new());
    commit.expect(&USERS, &user_id, user.version).put(&USERS, &user_id, &gone);
    commit.delete(&EMAILS, &old.email.to_lowercase()).delete(&USERNAMES, &old.username.to_ascii_lowercase());
    for purpose in [Purpose::Verify, Purpose::Reset] {
        commit.delete(&ONE_TIME, &(user_id, purpose as u8));
    }
    commit.emit(events::user_deleted(user_id, &gone));
}

fn remove_lists(app: &App, commit: &mut Commit, user_id: UserId) -> Result<(), Error> {
    for book in Book::ALL {
        store::close_book(&app.store, commit, user_id, book)?;
    }
    for (id, _) in store::all(&app.store, &ADDRESSES, user_id)? {
        commit.delete(&ADDRESSES, &(user_id, id));
    }
    for (token, _) in store::all(&app.store, &DEVICES, user_id)? {
        commit.delete(&DEVICES, &(user_id, token));
    }
    for (id, _) in store::all(&app.store, &BANK_ACCOUNTS, user_id)? {
        commit.delete(&BANK_ACCOUNTS, &(user_id, id));
    }
    for (blind, _) in store::all(&app.store, &BANK_NUMBERS, user_id)? {
        commit.delete(&BANK_NUMBERS, &(user_id, blind));
    }
    if let Some(seller) = store::seller(&app.store, user_id)? {
        // Told as paused and nameless, so that others stop showing what it sells.
        let gone = SellerRow {
            version: seller.value.version + 1,
            display_name: String::new(),
            is_paused: true,
            ..seller.value
        };
        commit.expect(&SELLERS, &user_id, seller.version).delete(&SELLERS, &user_id);
        commit.emit(events::seller_changed(user_id, &gone));
    }
    Ok(())
}
