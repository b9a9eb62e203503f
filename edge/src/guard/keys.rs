//! The public keys of the users service, fetched by rpc and kept in memory.
//!
//! They are fetched again every minute, so that a new key is known before its first token, and at once when a token
//! names an unknown one, but then at most once a second: a forged key id must not become load on the service. When the
//! service does not answer, the keys known so far stay good.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::VerifyingKey;
use tokio::sync::Mutex;
use tonic::Status;
use vitrina_proto::users::v1::users_client::UsersClient;
use vitrina_proto::users::v1::{GetKeysRequest, KeySet};

use crate::upstream::{Calls, Transport};

/// Between two fetches without a cause.
pub(crate) const REFRESH_EVERY: Duration = Duration::from_secs(60);

/// Between two fetches for unknown key ids.
const REFETCH_EVERY: Duration = Duration::from_secs(1);

/// For one fetch.
const FETCH_TIMEOUT: Duration = Duration::from_secs(2);

/// Keys taken over from one answer; the service rotates among two or three.
const KEYS_MAX: usize = 16;

/// The keys that tokens may be signed with.
#[derive(Debug)]
pub(crate) struct Keys {
    users: UsersClient<Transport>,
    calls: Calls,
    known: RwLock<HashMap<String, VerifyingKey>>,
    /// When the last fetch succeeded; also lets only one fetch run at a time.
    fetched: Mutex<Option<Instant>>,
}

impl Keys {
    pub(crate) fn new(users: UsersClient<Transport>, calls: Calls) -> Self {
        Self { users, calls, known: RwLock::default(), fetched: Mutex::new(None) }
    }

    /// The key of that id; `None` when the users service knows of none.
    ///
    /// # Errors
    /// The fault of the service when the id is unknown here and it cannot be asked.
    pub(crate) async fn get(&self, id: &str) -> Result<Option<VerifyingKey>, Status> {
        if let Some(key) = self.known(id) {
            return Ok(Some(key));
        }
        let mut fetched = self.fetched.lock().await;
        // Another request may have fetched while this one waited.
        if let Some(key) = self.known(id) {
            return Ok(Some(key));
        }
        if fetched.is_none_or(|at| at.elapsed() >= REFETCH_EVERY) {
            self.fetch().await?;
            *fetched = Some(Instant::now());
        }
        Ok(self.known(id))
    }

    /// Fetches the keys anew.
    ///
    /// # Errors
    /// The fault of the service; the known keys stay.
    pub(crate) async fn refresh(&self) -> Result<(), Status> {
        let mut fetched = self.fetched.lock().await;
        self.fetch().await?;
        *fetched = Some(Instant::now());
        Ok(())
    }

    fn known(&self, id: &str) -> Option<VerifyingKey> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).get(id).copied()
    }

    async fn fetch(&self) -> Result<(), Status> {
        let scope = self.calls.own(FETCH_TIMEOUT);
        let answer = scope
            .repeat("vitrina.users.v1.Users/GetKeys", || {
                let mut users = self.users.clone();
                let request = scope.request(GetKeysRequest {});
                async move { users.get_keys(request).await }
            })
            .await?;
        let keys = parse(answer.into_inner());
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(())
    }
}

/// The usable keys of a set; others are left out, as RFC 7517 asks.
fn parse(set: KeySet) -> HashMap<String, VerifyingKey> {
    set.keys
        .into_iter()
        .take(KEYS_MAX)
        .filter(|key| key.kty == "OKP" && key.crv == "Ed25519")
        .filter_map(|key| {
            let bytes: [u8; 32] = URL_SAFE_NO_PAD.decode(&key.x).ok()?.try_into().ok()?;
            Some((key.kid, VerifyingKey::from_bytes(&bytes).ok()?))
        })
        .collect()
}
