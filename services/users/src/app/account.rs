//! The account: opened, read, changed, exported.

use vitrina_chassis::vault::tokens_of;
use vitrina_chassis::{Answer, Call, Decision, unit};
use vitrina_proto::users::v1::{
    ExportMeRequest, GetMeRequest, RegisterRequest, SessionReply, UpdateMeRequest, User, UserExport,
};
use vitrina_storage::Commit;

use super::contact::{self, Devices};
use super::session::Seed;
use super::{App, bank, device};
use crate::error::Error;
use crate::keys::{
    ADDRESSES, BANK_ACCOUNTS, DEVICES, EMAILS, ONE_TIME, Purpose, SESSIONS, SessionId, USERNAMES, USERS,
    UserId,
};
use crate::secret::one_time;
use crate::store::rows::{OneTimeRow, UserRow};
use crate::wire::Registration;
use crate::{events, store, wire};

/// Opens an account and its first session, and asks for the mail that verifies the address.
///
/// The tokens are no part of the unit's answer, which is kept under the idempotency key: they are made afterwards from
/// the session's row, so a replay gives the same ones.
pub(crate) async fn register(
    app: &App,
    call: Call<RegisterRequest>,
    client: &str,
) -> Result<Answer<SessionReply>, Error> {
    let form = wire::registration(&call.request)?;
    let hash = app.passwords.hash(&form.password).await?;
    let user_id = UserId::at(call.now_ms);
    let seed = app.seed(client, call.now_ms);
    let token = app.one_time(user_id, Purpose::Verify, call.now_ms);
    let stand_in = app.vault.stand_in(&call.request.password);
    let call = call.with(RegisterRequest { password: stand_in, ..call.request.clone() });
    let draft = unit(&app.store, &call, "vitrina.users.v1.Users/Register", || {
        let mut user = new_user(&form, &hash, call.now_ms);
        let commit = decide_register(app, user_id, (&form, &mut user), &seed, &token)?;
        let draft = SessionReply {
            user: Some(wire::user(user_id, &user)),
            refresh_token: seed.id.to_string(),
            ..SessionReply::default()
        };
        Ok::<_, Error>(Decision::new(commit, Answer::new(draft).version(user.version.into())))
    })
    .await?;
    complete(app, draft, call.now_ms)
}

/// The caller's account.
pub(crate) fn get(app: &App, call: &Call<GetMeRequest>) -> Result<Answer<User>, Error> {
    let user_id = call.caller.require_user()?;
    let user = store::user(&app.store, user_id)?.value;
    Ok(Answer::new(wire::user(user_id, &user)).version(user.version.into()))
}

/// Changes the account. A new address is not verified, gets a mail of its own, and voids the tokens sent to the old one.
pub(crate) async fn update(app: &App, call: Call<UpdateMeRequest>) -> Result<Answer<User>, Error> {
    let user_id = call.caller.require_user()?;
    let patch = wire::account_patch(&call.request)?;
    let token = app.one_time(user_id, Purpose::Verify, call.now_ms);
    unit(&app.store, &call, "vitrina.users.v1.Users/UpdateMe", || {
        let old = store::user(&app.store, user_id)?;
        call.check_version(old.value.version.into())?;
        let mut user = old.value.clone();
        let mut commit = Commit::new();
        user.first_name = patch.first_name.clone().unwrap_or(user.first_name);
        user.last_name = patch.last_name.clone().unwrap_or(user.last_name);
        user.language = patch.language.map_or(user.language, |language| language.as_str().to_owned());
        if let Some(email) = patch.email.as_ref().filter(|email| email.as_str() != old.value.email) {
            move_email(app, &mut commit, user_id, (&old.value.email, email.folded()))?;
            user.email = email.as_str().to_owned();
            user.is_email_verified = false;
            token.add(&mut commit, user_id);
            commit.delete(&ONE_TIME, &(user_id, Purpose::Reset as u8));
        }
        if user == old.value {
            return Ok(Decision::unchanged(
                Answer::new(wire::user(user_id, &user)).version(user.version.into()),
            ));
        }
        user.version += 1;
        user.updated_at_ms = call.now_ms;
        if contact::differs(&old.value, &user) {
            contact::tell(&mut commit, user_id, &mut user, &contact::devices(&app.store, user_id)?);
        }
        commit.expect(&USERS, &user_id, old.version).put(&USERS, &user_id, &user);
        commit.emit(events::user_changed(user_id, &user));
        let answer = Answer::new(wire::user(user_id, &user)).version(user.version.into());
        Ok::<_, Error>(Decision::new(commit, answer.changed(format!("user:{user_id}"))))
    })
    .await
}

/// All that is held about the caller.
pub(crate) fn export(app: &App, call: &Call<ExportMeRequest>) -> Result<Answer<UserExport>, Error> {
    let user_id = call.caller.require_user()?;
    let user = store::user(&app.store, user_id)?.value;
    let addresses = store::all(&app.store, &ADDRESSES, user_id)?;
    let devices = store::all(&app.store, &DEVICES, user_id)?;
    let accounts = store::all(&app.store, &BANK_ACCOUNTS, user_id)?;
    let sessions = store::all(&app.store, &SESSIONS, user_id)?;
    let devices = devices.iter().map(|(sealed, row)| device::shown(app, user_id, sealed, &row.value));
    let accounts = accounts.iter().map(|(id, row)| bank::shown_in_full(app, user_id, *id, &row.value));
    Ok(Answer::new(UserExport {
        user: Some(wire::user(user_id, &user)),
        addresses: addresses.iter().map(|(id, row)| wire::address(*id, &row.value)).collect(),
        devices: devices.collect::<Result<_, _>>()?,
        seller: store::seller(&app.store, user_id)?.map(|row| wire::seller(user_id, &row.value)),
        bank_accounts: accounts.collect::<Result<_, _>>()?,
        wishlist: super::wishlist::newest_first(app, user_id)?
            .iter()
            .map(|(id, row)| wire::wish(*id, row))
            .collect(),
        sessions: sessions.iter().map(|(id, row)| wire::session_of(*id, &row.value)).collect(),
    }))
}

/// A single-use token that may come to be sent.
pub(crate) struct OneTime {
    purpose: Purpose,
    sealed: String,
    row: OneTimeRow,
}

impl App {
    /// A new token of a purpose.
    pub(crate) fn one_time(&self, user_id: UserId, purpose: Purpose, now_ms: u64) -> OneTime {
        let (token, hash) = one_time::make(user_id);
        let life_ms = match purpose {
            Purpose::Verify => self.config.verify_token_ms,
            Purpose::Reset => self.config.reset_token_ms,
        };
        let expires_at_ms = now_ms.saturating_add(life_ms);
        let sealed = self.shared.seal(&tokens_of(&user_id.to_string()), &token);
        OneTime { purpose, sealed, row: OneTimeRow { hash, created_at_ms: now_ms, expires_at_ms } }
    }
}

impl OneTime {
    /// Keeps the token's hash, in place of the one before, and asks for its mail.
    pub(crate) fn add(&self, commit: &mut Commit, user_id: UserId) {
        commit.put(&ONE_TIME, &(user_id, self.purpose as u8), &self.row);
        commit.emit(events::token_requested(user_id, self.purpose, &self.sealed, self.row.expires_at_ms));
    }

    /// The row alone, for where no mail goes out.
    pub(crate) fn row(&self) -> &OneTimeRow {
        &self.row
    }
}

fn new_user(form: &Registration, hash: &str, now_ms: u64) -> UserRow {
    UserRow {
        version: 1,
        email: form.email.as_str().to_owned(),
        username: form.username.as_str().to_owned(),
        first_name: form.first_name.clone(),
        last_name: form.last_name.clone(),
        language: form.language.as_str().to_owned(),
        password_hash: hash.to_owned(),
        created_at_ms: now_ms,
        updated_at_ms: now_ms,
        ..UserRow::default()
    }
}

fn decide_register(
    app: &App,
    user_id: UserId,
    new: (&Registration, &mut UserRow),
    seed: &Seed,
    token: &OneTime,
) -> Result<Commit, Error> {
    let (form, user) = new;
    let (email, username) = (form.email.folded(), form.username.folded());
    if EMAILS.get(&app.store, &email)?.is_some() {
        return Err(Error::EmailTaken);
    }
    if USERNAMES.get(&app.store, &username)?.is_some() {
        return Err(Error::UsernameTaken);
    }
    let owner = store::owned_by(user_id);
    let mut commit = Commit::new();
    contact::tell(&mut commit, user_id, user, &Devices::new());
    commit.expect_absent(&EMAILS, &email).put(&EMAILS, &email, &owner);
    commit.expect_absent(&USERNAMES, &username).put(&USERNAMES, &username, &owner);
    commit.expect_absent(&USERS, &user_id).put(&USERS, &user_id, user);
    app.open(&mut commit, user_id, user, seed)?;
    commit.emit(events::user_registered(user_id, user));
    token.add(&mut commit, user_id);
    Ok(commit)
}

/// Puts the tokens into a draft, whose refresh token is the session's id.
fn complete(app: &App, draft: Answer<SessionReply>, now_ms: u64) -> Result<Answer<SessionReply>, Error> {
    let user_id = draft.reply.user.as_ref().and_then(|user| user.id.parse().ok());
    let session_id = draft.reply.refresh_token.parse::<SessionId>().ok();
    let (user_id, session_id) = user_id.zip(session_id).ok_or(Error::BadRefreshToken)?;
    let (user, session) = store::session(&app.store, user_id, session_id)?.ok_or(Error::BadRefreshToken)?;
    let reply = app.reply(user_id, &user.value, (session_id, &session.value), now_ms)?;
    Ok(draft.map(|_| reply))
}

fn move_email(app: &App, commit: &mut Commit, user_id: UserId, emails: (&str, String)) -> Result<(), Error> {
    let (old, new) = (emails.0.to_lowercase(), emails.1);
    if old == new {
        // Only its spelling changes; the index entry stays.
        return Ok(());
    }
    if EMAILS.get(&app.store, &new)?.is_some() {
        return Err(Error::EmailTaken);
    }
    commit.expect_absent(&EMAILS, &new).put(&EMAILS, &new, &store::owned_by(user_id));
    commit.delete(&EMAILS, &old);
    Ok(())
}
