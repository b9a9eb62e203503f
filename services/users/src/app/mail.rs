//! What a mail's single-use token does: verify an address, reset a password.

use vitrina_chassis::{Answer, Call, Decision, unit};
use vitrina_proto::common::v1::Empty;
use vitrina_proto::users::v1::{ForgotPasswordRequest, ResetPasswordRequest, VerifyEmailRequest};
use vitrina_storage::{Commit, Row};

use super::App;
use super::session::{tag, unkeyed};
use crate::error::Error;
use crate::keys::{ONE_TIME, Purpose, SESSIONS, USERS, UserId};
use crate::model::Login;
use crate::secret::one_time::{self, Shown};
use crate::store::rows::{OneTimeRow, UserRow};
use crate::{events, store, wire};

/// Whose row is written when an address belongs to nobody, so that the answer takes as long.
const NOBODY: UserId = UserId::from_bytes([0; 16]);

/// Marks the address as verified.
pub(crate) async fn verify(app: &App, call: Call<VerifyEmailRequest>) -> Result<Answer<Empty>, Error> {
    wire::given("token", &call.request.token)?;
    let shown = one_time::parse(&call.request.token).ok_or(Error::BadOneTimeToken)?;
    let call = unkeyed(&call);
    unit(&app.store, &call, "vitrina.users.v1.Users/VerifyEmail", || {
        let (user, token) = good_token(app, &shown, Purpose::Verify, call.now_ms)?;
        let new = UserRow {
            version: user.value.version + 1,
            is_email_verified: true,
            updated_at_ms: call.now_ms,
            ..user.value.clone()
        };
        let mut commit = Commit::new();
        use_up(&mut commit, shown.user_id, Purpose::Verify, &token);
        commit.expect(&USERS, &shown.user_id, user.version).put(&USERS, &shown.user_id, &new);
        commit.emit(events::user_changed(shown.user_id, &new));
        Ok(Decision::new(commit, Answer::new(Empty {}).changed(format!("user:{}", shown.user_id))))
    })
    .await
}

/// Asks for a mail with a token; what is answered and how long it takes does not tell whether the address is known.
///
/// One mail a user and minute: whoever asks more often would only flood the mailbox and void the token on its way.
pub(crate) async fn forgot(app: &App, call: Call<ForgotPasswordRequest>) -> Result<Answer<Empty>, Error> {
    wire::given("email", &call.request.email)?;
    let login = Login::Email(call.request.email.to_lowercase());
    let user_id = store::owner(&app.store, &login)?;
    let token = app.one_time(user_id.unwrap_or(NOBODY), Purpose::Reset, call.now_ms);
    let call = unkeyed(&call);
    unit(&app.store, &call, "vitrina.users.v1.Users/ForgotPassword", || {
        let mut commit = Commit::new();
        match user_id.filter(|user_id| may_mail(app, *user_id, call.now_ms)) {
            Some(user_id) => {
                let user = store::find_user(&app.store, user_id)?;
                if let Some(user) = user {
                    commit.expect(&USERS, &user_id, user.version);
                    token.add(&mut commit, user_id);
                }
            }
            None => {
                commit.put(&ONE_TIME, &(NOBODY, Purpose::Reset as u8), token.row());
            }
        }
        Ok::<_, Error>(Decision::new(commit, Answer::new(Empty {})))
    })
    .await
}

/// Sets a new password and ends every session.
pub(crate) async fn reset(app: &App, call: Call<ResetPasswordRequest>) -> Result<Answer<Empty>, Error> {
    wire::password_reset(&call.request)?;
    let shown = one_time::parse(&call.request.token).ok_or(Error::BadOneTimeToken)?;
    // Looked at before the costly hash, and again in the unit, which decides.
    good_token(app, &shown, Purpose::Reset, call.now_ms)?;
    let hash = app.passwords.hash(&call.request.password).await?;
    let call = unkeyed(&call);
    let user_id = shown.user_id;
    unit(&app.store, &call, "vitrina.users.v1.Users/ResetPassword", || {
        let (user, token) = good_token(app, &shown, Purpose::Reset, call.now_ms)?;
        let new = UserRow {
            version: user.value.version + 1,
            password_hash: hash.clone(),
            session_epoch: user.value.session_epoch + 1,
            updated_at_ms: call.now_ms,
            ..user.value.clone()
        };
        let mut commit = Commit::new();
        use_up(&mut commit, user_id, Purpose::Reset, &token);
        commit.expect(&USERS, &user_id, user.version).put(&USERS, &user_id, &new);
        let mut answer = Answer::new(Empty {}).changed(format!("user:{user_id}"));
        for (session_id, _) in store::all(&app.store, &SESSIONS, user_id)? {
            commit.delete(&SESSIONS, &(user_id, session_id));
            answer = answer.changed(tag(session_id));
        }
        commit.emit(events::sessions_ended(user_id, call.now_ms)).emit(events::user_changed(user_id, &new));
        Ok(Decision::new(commit, answer))
    })
    .await
}

fn may_mail(app: &App, user_id: UserId, now_ms: u64) -> bool {
    // A row that cannot be read is a failure that the commit will meet as well; no mail until then.
    let last = ONE_TIME.get(&app.store, &(user_id, Purpose::Reset as u8));
    last.is_ok_and(|row| {
        row.is_none_or(|row| now_ms >= row.value.created_at_ms.saturating_add(app.config.mail_pause_ms))
    })
}

fn good_token(
    app: &App,
    shown: &Shown,
    purpose: Purpose,
    now_ms: u64,
) -> Result<(Row<UserRow>, Row<OneTimeRow>), Error> {
    let row = ONE_TIME.get(&app.store, &(shown.user_id, purpose as u8))?;
    let row = row.filter(|row| shown.matches(&row.value.hash) && now_ms < row.value.expires_at_ms);
    let user = store::find_user(&app.store, shown.user_id)?;
    user.zip(row).ok_or(Error::BadOneTimeToken)
}

fn use_up(commit: &mut Commit, user_id: UserId, purpose: Purpose, token: &Row<OneTimeRow>) {
    let key = (user_id, purpose as u8);
    commit.expect(&ONE_TIME, &key, token.version).delete(&ONE_TIME, &key);
}
