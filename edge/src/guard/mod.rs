//! Who may pass: the form of a request, who its caller is, what the caller may do, and how often.
//!
//! Nothing here knows what a route does; the contract says what it needs. What the guard remembers (keys, verified
//! tokens, ended sessions, buckets) may vanish with the process at any time.

pub(crate) mod caller;
pub(crate) mod content;
pub(crate) mod cors;
pub(crate) mod host;
pub(crate) mod hygiene;
mod keys;
pub(crate) mod precondition;
pub(crate) mod rate;
mod revoked;
pub(crate) mod signature;
mod token;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use quick_cache::sync::Cache;
use tonic::{Code, Status};
use vitrina_proto::routes::Auth;
use vitrina_proto::users::v1::users_client::UsersClient;
use vitrina_proto::users::v1::{GetSessionRequest, SessionState};

pub(crate) use caller::Caller;
use keys::Keys;
use revoked::{Revoked, Standing};
use token::Claims;

use crate::reply::Problem;
use crate::request::Head;
use crate::upstream::{Calls, Transport};

/// Verified tokens remembered; checking a signature costs about 50 µs, finding it here less than one.
const TOKENS_MAX: usize = 20_000;

/// For asking whether a session stands.
const SESSION_TIMEOUT: Duration = Duration::from_secs(2);

/// Decides who a caller is.
#[derive(Debug)]
pub(crate) struct Guard {
    keys: Keys,
    revoked: Revoked,
    users: UsersClient<Transport>,
    calls: Calls,
    verified: Cache<String, Arc<Claims>>,
    /// Tokens of users who became sellers after the token was made.
    sellers: Cache<String, ()>,
    /// Seconds since 1970. What ended before then may be unknown here.
    started_s: u64,
}

impl Guard {
    pub(crate) fn new(users: UsersClient<Transport>, calls: Calls) -> Self {
        Self {
            keys: Keys::new(users.clone(), calls.clone()),
            calls,
            revoked: Revoked::default(),
            users,
            verified: Cache::new(TOKENS_MAX),
            sellers: Cache::new(TOKENS_MAX),
            started_s: now_s(),
        }
    }

    /// The caller of a request on a route with this demand.
    ///
    /// # Errors
    /// 401 without the token that the route needs or with a bad one, 403 without the role, 503 when the users service
    /// had to be asked and did not answer.
    pub(crate) async fn caller(&self, head: &Head, auth: Auth) -> Result<Caller, Problem> {
        let cart_token = caller::cart_token(head);
        let claims = match auth {
            Auth::Public | Auth::Signed => None,
            Auth::Optional => self.bearer(head).await.ok().flatten(),
            // A guest with a cart is known by it; a bad token beside it is still an error.
            Auth::Guest => self.bearer(head).await?,
            Auth::User | Auth::Seller => Some(self.bearer(head).await?.ok_or_else(missing)?),
        };
        if matches!(auth, Auth::Guest) && claims.is_none() && cart_token.is_none() {
            return Err(missing());
        }
        let is_seller = match &claims {
            Some(claims) if matches!(auth, Auth::Seller) => {
                self.require_seller(head, claims).await?;
                true
            }
            Some(claims) => claims.has_role("seller"),
            None => false,
        };
        Ok(Caller::new(claims, is_seller, cart_token))
    }

    /// Keeps the keys of the users service fresh until dropped.
    pub(crate) async fn keep_keys(&self) {
        loop {
            if let Err(fault) = self.keys.refresh().await {
                tracing::debug!(code = ?fault.code(), "the keys could not be fetched");
                tokio::time::sleep(Duration::from_secs(1)).await;
            } else {
                tokio::time::sleep(keys::REFRESH_EVERY).await;
            }
        }
    }

    /// Ends a session here, at once.
    pub(crate) fn end_session(&self, session: &str) {
        self.revoked.end_session(session);
    }

    /// Ends all sessions of a user that began before then, in seconds since 1970.
    pub(crate) fn end_user(&self, user: &str, ended_at_s: u64) {
        self.revoked.end_user(user, ended_at_s);
    }

    /// The claims of the bearer token; `None` when none was sent.
    async fn bearer(&self, head: &Head) -> Result<Option<Arc<Claims>>, Problem> {
        let Some(token) = caller::bearer(head)? else {
            return Ok(None);
        };
        let claims = match self.verified.get(token) {
            Some(claims) => claims,
            None => {
                let claims = Arc::new(self.verify(token).await?);
                self.verified.insert(token.to_owned(), claims.clone());
                claims
            }
        };
        if !claims.is_current(now_s()) {
            return Err(refused("token_expired", "The access token has expired."));
        }
        let has_ended = match self.revoked.standing(&claims) {
            Standing::Stands => false,
            Standing::Ended => true,
            Standing::Unsure => !self.session(&claims).await?.active,
        };
        if has_ended {
            return Err(refused("session_ended", "The session has ended."));
        }
        Ok(Some(claims))
    }

    async fn verify(&self, token: &str) -> Result<Claims, Problem> {
        let invalid = || refused("token_invalid", "The access token is not valid.");
        let unverified = token::parse(token).ok_or_else(invalid)?;
        let key = self.keys.get(&unverified.key_id).await.map_err(unreachable)?.ok_or_else(invalid)?;
        let claims = unverified.verify(&key).ok_or_else(invalid)?;
        // A session that ended before this edge started is in no list of ours.
        if claims.issued_at_s <= self.started_s
            && claims.is_current(now_s())
            && !self.session(&claims).await?.active
        {
            return Err(refused("session_ended", "The session has ended."));
        }
        Ok(claims)
    }

    /// A user may have become a seller after the token was made; then the users service knows.
    async fn require_seller(&self, head: &Head, claims: &Claims) -> Result<(), Problem> {
        if claims.has_role("seller") {
            return Ok(());
        }
        let token = caller::bearer(head)?.unwrap_or_default();
        if self.sellers.get(token).is_some() {
            return Ok(());
        }
        let session = self.session(claims).await?;
        if session.active && session.is_seller {
            self.sellers.insert(token.to_owned(), ());
            return Ok(());
        }
        Err(Problem::new(403, "seller_required", "Only a user with a seller profile may do this."))
    }

    async fn session(&self, claims: &Claims) -> Result<SessionState, Problem> {
        let request = GetSessionRequest { user_id: claims.user.clone(), session_id: claims.session.clone() };
        let scope = self.calls.own(SESSION_TIMEOUT);
        scope
            .repeat("vitrina.users.v1.Users/GetSession", || {
                let mut users = self.users.clone();
                let request = scope.request(request.clone());
                async move { users.get_session(request).await }
            })
            .await
            .map(tonic::Response::into_inner)
            .or_else(|fault| match fault.code() {
                // An account that is gone has no session either.
                Code::NotFound => Ok(SessionState::default()),
                _ => Err(unreachable(fault)),
            })
    }
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map(|since| since.as_secs()).unwrap_or_default()
}

fn missing() -> Problem {
    Problem::new(401, "unauthenticated", "A valid access token is needed.")
        .with(http::header::WWW_AUTHENTICATE, "Bearer")
}

fn refused(code: &'static str, detail: &'static str) -> Problem {
    Problem::new(401, code, detail).with(http::header::WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"")
}

fn unreachable(fault: Status) -> Problem {
    tracing::debug!(code = ?fault.code(), "the users service could not be asked");
    Problem::new(503, "unavailable", "Your access token cannot be checked now.").retry_after(1)
}
