//! Sessions: login, rotation, logout, and what others ask about them.

use vitrina_chassis::{Answer, Call, Decision, unit};
use vitrina_proto::common::v1::Empty;
use vitrina_proto::users::v1::{
    GetKeysRequest, GetSessionRequest, IssueTokenRequest, KeySet, LoginRequest, LogoutRequest,
    RefreshRequest, SessionReply, SessionState,
};
use vitrina_storage::{Commit, Row};

use super::App;
use crate::error::Error;
use crate::keys::{SELLERS, SESSIONS, SessionId, USERS, UserId};
use crate::model::session::{Family, Verdict, judge};
use crate::model::{Login, SESSIONS_MAX};
use crate::secret::access::Claims;
use crate::secret::random;
use crate::secret::refresh::{RefreshTokens, Shown};
use crate::store::rows::{SessionRow, UserRow};
use crate::{events, store, wire};

/// What is chosen for a session before anything is decided: its id, its secret, its time.
pub(crate) struct Seed {
    pub(crate) id: SessionId,
    nonce: [u8; 16],
    client: Vec<u8>,
    now_ms: u64,
}

/// Opens a session by address or username; an unknown login takes as long as a wrong password.
pub(crate) async fn login(
    app: &App,
    call: Call<LoginRequest>,
    client: &str,
) -> Result<Answer<SessionReply>, Error> {
    let login = wire::login(&call.request)?;
    let user_id = store::owner(&app.store, &login)?;
    let user = user_id.map(|user_id| store::find_user(&app.store, user_id)).transpose()?.flatten();
    let kept = user.as_ref().map(|user| user.value.password_hash.as_str());
    let is_right = app.passwords.verify(&call.request.password, kept).await?;
    let (Some(user_id), Some(kept), true) = (user_id, kept, is_right) else {
        return Err(Error::BadLogin);
    };
    let seed = app.seed(client, call.now_ms);
    unit(&app.store, &unkeyed(&call), "vitrina.users.v1.Users/Login", || {
        let user = store::find_user(&app.store, user_id)?.ok_or(Error::BadLogin)?;
        // Changed since it was verified: what was shown is the old one.
        if user.value.password_hash == kept {
            app.opened(user_id, &user, &seed)
        } else {
            Err(Error::BadLogin)
        }
    })
    .await
}

/// Opens a session without a password, for an operator's tool.
pub(crate) async fn issue(app: &App, call: Call<IssueTokenRequest>) -> Result<Answer<SessionReply>, Error> {
    let user_id = match call.request.login.parse::<UserId>() {
        Ok(user_id) => Some(user_id),
        Err(_) => store::owner(&app.store, &Login::parse(&call.request.login))?,
    };
    let user_id = user_id.ok_or(Error::NotFound("user"))?;
    let seed = app.seed("operator", call.now_ms);
    tracing::info!(%user_id, session_id = %seed.id, "an operator opens a session");
    unit(&app.store, &unkeyed(&call), "vitrina.users.v1.Users/IssueToken", || {
        let user = store::find_user(&app.store, user_id)?.ok_or(Error::NotFound("user"))?;
        app.opened(user_id, &user, &seed)
    })
    .await
}

/// Exchanges a refresh token for its successor, or ends the session when an old one came back.
pub(crate) async fn refresh(
    app: &App,
    call: Call<RefreshRequest>,
    client: &str,
) -> Result<Answer<SessionReply>, Error> {
    wire::given("refreshToken", &call.request.refresh_token)?;
    let shown = RefreshTokens::parse(&call.request.refresh_token).ok_or(Error::BadRefreshToken)?;
    let client = app.refresh.client(client);
    let call = unkeyed(&call);
    let answer = unit(&app.store, &call, "vitrina.users.v1.Users/Refresh", || {
        let (commit, reply) = decide_refresh(app, &shown, &client, call.now_ms)?;
        // The end of a session has to be committed, so it cannot be an error yet: it travels as a reply without a user.
        Ok::<_, Error>(Decision::new(commit, Answer::new(reply.unwrap_or_default())))
    })
    .await?;
    if answer.reply.user.is_none() {
        tracing::warn!(user_id = %shown.user_id, session_id = %shown.session_id, "a refresh token was used again");
        return Err(Error::RefreshTokenReused);
    }
    Ok(answer)
}

/// Ends the session of a refresh token, else of the access token. A session that stands no more is ended already.
pub(crate) async fn logout(app: &App, call: Call<LogoutRequest>) -> Result<Answer<Empty>, Error> {
    let call = unkeyed(&call);
    let target = match &call.request.refresh_token {
        Some(token) => target_of_token(app, token)?,
        None => Some((call.caller.require_user()?, own_session(&call)?)),
    };
    let Some((user_id, session_id)) = target else {
        return Ok(Answer::new(Empty {}));
    };
    unit(&app.store, &call, "vitrina.users.v1.Users/Logout", || {
        let answer = Answer::new(Empty {}).changed(tag(session_id));
        let Some(row) = SESSIONS.get(&app.store, &(user_id, session_id))? else {
            return Ok(Decision::unchanged(answer));
        };
        let mut commit = Commit::new();
        commit.expect(&SESSIONS, &(user_id, session_id), row.version);
        end(&mut commit, user_id, session_id, call.now_ms);
        Ok(Decision::new(commit, answer))
    })
    .await
}

/// The published keys.
pub(crate) fn keys(app: &App, _call: &Call<GetKeysRequest>) -> Result<Answer<KeySet>, Error> {
    Ok(Answer::new(wire::key_set(app.access.keys())))
}

/// Whether a session stands, and whether its user sells.
pub(crate) fn state(app: &App, call: &Call<GetSessionRequest>) -> Result<Answer<SessionState>, Error> {
    let ids =
        call.request.user_id.parse::<UserId>().ok().zip(call.request.session_id.parse::<SessionId>().ok());
    let Some((user_id, session_id)) = ids else {
        return Ok(Answer::new(SessionState::default()));
    };
    let found = store::session(&app.store, user_id, session_id)?;
    let active = found.is_some_and(|(_, session)| call.now_ms < session.value.expires_at_ms);
    let is_seller = active && store::seller(&app.store, user_id)?.is_some();
    Ok(Answer::new(SessionState { active, is_seller }))
}

/// The cache tag by which an edge learns that a session was ended.
pub(crate) fn tag(session_id: SessionId) -> String {
    format!("session:{session_id}")
}

impl App {
    /// The decision to open a session, with the reply that has its tokens.
    fn opened(
        &self,
        user_id: UserId,
        user: &Row<UserRow>,
        seed: &Seed,
    ) -> Result<Decision<SessionReply>, Error> {
        let mut commit = Commit::new();
        commit.expect(&USERS, &user_id, user.version);
        let session = self.open(&mut commit, user_id, &user.value, seed)?;
        let reply = self.reply(user_id, &user.value, (seed.id, &session), seed.now_ms)?;
        Ok(Decision::new(commit, Answer::new(reply).version(user.value.version.into())))
    }

    /// The random parts of a session that may come to be.
    pub(crate) fn seed(&self, client: &str, now_ms: u64) -> Seed {
        Seed { id: SessionId::at(now_ms), nonce: random(), client: self.refresh.client(client), now_ms }
    }

    /// Adds a new session to the commit. Sessions that ran out go; of too many the least recently used one is ended.
    pub(crate) fn open(
        &self,
        commit: &mut Commit,
        user_id: UserId,
        user: &UserRow,
        seed: &Seed,
    ) -> Result<SessionRow, Error> {
        let now_ms = seed.now_ms;
        let rows = store::all(&self.store, &SESSIONS, user_id)?;
        let stands = |row: &SessionRow| row.epoch == user.session_epoch && now_ms < row.expires_at_ms;
        let (mut standing, over): (Vec<_>, Vec<_>) =
            rows.into_iter().partition(|(_, row)| stands(&row.value));
        for (session_id, _) in over {
            commit.delete(&SESSIONS, &(user_id, session_id));
        }
        standing.sort_by_key(|(session_id, row)| (row.value.rotated_at_ms, *session_id));
        let surplus = (standing.len() + 1).saturating_sub(SESSIONS_MAX);
        for (session_id, _) in standing.into_iter().take(surplus) {
            end(commit, user_id, session_id, now_ms);
        }
        let row = SessionRow {
            epoch: user.session_epoch,
            generation: 1,
            nonce: seed.nonce.to_vec(),
            client: seed.client.clone(),
            created_at_ms: now_ms,
            rotated_at_ms: now_ms,
            expires_at_ms: now_ms.saturating_add(self.config.refresh_token_ms),
        };
        commit.expect_absent(&SESSIONS, &(user_id, seed.id)).put(&SESSIONS, &(user_id, seed.id), &row);
        Ok(row)
    }

    /// The reply with the newest tokens of a session.
    pub(crate) fn reply(
        &self,
        user_id: UserId,
        user: &UserRow,
        session: (SessionId, &SessionRow),
        now_ms: u64,
    ) -> Result<SessionReply, Error> {
        let (session_id, row) = session;
        let roles: &[&str] = if SELLERS.get(&self.store, &user_id)?.is_some() { &["seller"] } else { &[] };
        let claims =
            Claims { user_id: &user_id.to_string(), session_id: &session_id.to_string(), roles, now_ms };
        Ok(SessionReply {
            user: Some(wire::user(user_id, user)),
            access_token: self.access.mint(&claims),
            refresh_token: self.refresh.mint(user_id, session_id, row.generation, &row.nonce),
            expires_in: self.access.life_s(),
        })
    }
}

/// The successor of a token; no reply when the session is ended instead.
fn decide_refresh(
    app: &App,
    shown: &Shown,
    client: &[u8],
    now_ms: u64,
) -> Result<(Commit, Option<SessionReply>), Error> {
    let (user_id, session_id) = (shown.user_id, shown.session_id);
    let (user, session) = store::session(&app.store, user_id, session_id)?.ok_or(Error::BadRefreshToken)?;
    if !app.refresh.is_genuine(shown, &session.value.nonce) {
        return Err(Error::BadRefreshToken);
    }
    let row = session.value;
    let family = Family {
        generation: row.generation,
        rotated_at_ms: row.rotated_at_ms,
        expires_at_ms: row.expires_at_ms,
        client: &row.client,
    };
    let mut commit = Commit::new();
    match judge(&family, shown.generation, client, now_ms) {
        Verdict::Rotate => {
            let next = SessionRow {
                generation: row.generation + 1,
                client: client.to_vec(),
                rotated_at_ms: now_ms,
                expires_at_ms: now_ms.saturating_add(app.config.refresh_token_ms),
                ..row
            };
            let key = (user_id, session_id);
            commit.expect(&SESSIONS, &key, session.version).put(&SESSIONS, &key, &next);
            let reply = app.reply(user_id, &user.value, (session_id, &next), now_ms)?;
            Ok((commit, Some(reply)))
        }
        Verdict::Repeat => {
            let reply = app.reply(user_id, &user.value, (session_id, &row), now_ms)?;
            Ok((commit, Some(reply)))
        }
        Verdict::Reused => {
            commit.expect(&SESSIONS, &(user_id, session_id), session.version);
            end(&mut commit, user_id, session_id, now_ms);
            Ok((commit, None))
        }
        Verdict::Expired | Verdict::Unknown => Err(Error::BadRefreshToken),
    }
}

/// The session of a genuine token, whatever its generation; `None` when the session stands no more.
fn target_of_token(app: &App, token: &str) -> Result<Option<(UserId, SessionId)>, Error> {
    let shown = RefreshTokens::parse(token).ok_or(Error::BadRefreshToken)?;
    let Some(row) = SESSIONS.get(&app.store, &(shown.user_id, shown.session_id))? else {
        return Ok(None);
    };
    let is_genuine = app.refresh.is_genuine(&shown, &row.value.nonce);
    if is_genuine { Ok(Some((shown.user_id, shown.session_id))) } else { Err(Error::BadRefreshToken) }
}

fn own_session<T>(call: &Call<T>) -> Result<SessionId, Error> {
    call.caller.session_id().and_then(|id| id.parse().ok()).ok_or(Error::Unauthenticated)
}

fn end(commit: &mut Commit, user_id: UserId, session_id: SessionId, now_ms: u64) {
    commit.delete(&SESSIONS, &(user_id, session_id)).emit(events::session_ended(user_id, session_id, now_ms));
}

/// The call without its idempotency key: an answer with tokens, or the hash of a request with a secret, is never kept.
pub(crate) fn unkeyed<T: Clone>(call: &Call<T>) -> Call<T> {
    Call { idempotency_key: None, ..call.clone() }
}
