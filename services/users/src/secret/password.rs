//! Password hashes: argon2id, away from the async threads, a bounded number at once.

use std::sync::Arc;
use std::time::Duration;

use argon2::password_hash::SaltString;
use argon2::{Algorithm, Argon2, Params, PasswordHash, PasswordHasher, PasswordVerifier, Version};
use tokio::sync::Semaphore;

use super::random;
use crate::config::Config;
use crate::error::Error;

/// Hashes and verifies passwords.
pub(crate) struct Passwords {
    argon2: Argon2<'static>,
    turns: Arc<Semaphore>,
    wait: Duration,
    /// Hash of a password that nobody has: what an unknown login is compared with, so that it takes as long.
    nobody: String,
}

impl Passwords {
    /// Computes one hash; takes as long as that.
    ///
    /// # Errors
    /// [`Error::Hash`] for parameters that argon2 does not take.
    pub(crate) fn new(config: &Config) -> Result<Self, Error> {
        let cost = config.password_cost;
        let params = Params::new(cost.memory_kib, cost.passes, 1, None)
            .map_err(|error| Error::Hash(error.to_string()))?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let nobody = hash_now(&argon2, &random::<32>())?;
        Ok(Self {
            argon2,
            turns: Arc::new(Semaphore::new(config.password_hashes_max.max(1))),
            wait: Duration::from_millis(config.password_wait_ms),
            nobody,
        })
    }

    /// The hash to keep of a password, in PHC form with its salt and cost.
    ///
    /// # Errors
    /// [`Error::Busy`] when its turn did not come in time.
    pub(crate) async fn hash(&self, password: &str) -> Result<String, Error> {
        let (argon2, password) = (self.argon2.clone(), password.as_bytes().to_vec());
        self.in_turn(move || hash_now(&argon2, &password)).await
    }

    /// Whether `password` has this hash; takes as long when there is none to compare with, and is false then.
    ///
    /// # Errors
    /// [`Error::Busy`] when its turn did not come in time; [`Error::Hash`] for a kept hash that is none.
    pub(crate) async fn verify(&self, password: &str, kept: Option<&str>) -> Result<bool, Error> {
        let (argon2, password) = (self.argon2.clone(), password.as_bytes().to_vec());
        let is_known = kept.is_some();
        let hash = kept.unwrap_or(&self.nobody).to_owned();
        self.in_turn(move || {
            let hash = PasswordHash::new(&hash).map_err(|error| Error::Hash(error.to_string()))?;
            Ok(argon2.verify_password(&password, &hash).is_ok() && is_known)
        })
        .await
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let turn = tokio::time::timeout(self.wait, Arc::clone(&self.turns).acquire_owned());
        let turn = turn.await.map_err(|_| Error::Busy)?.map_err(|_| Error::Busy)?;
        // The turn moves into the work: a caller who hangs up does not let another hash start beside this one.
        let work = tokio::task::spawn_blocking(move || {
            let result = work();
            drop(turn);
            result
        });
        work.await.map_err(|error| Error::Hash(error.to_string()))?
    }
}

fn hash_now(argon2: &Argon2<'_>, password: &[u8]) -> Result<String, Error> {
    let salt = SaltString::encode_b64(&random::<16>()).map_err(|error| Error::Hash(error.to_string()))?;
    let hash = argon2.hash_password(password, &salt).map_err(|error| Error::Hash(error.to_string()))?;
    Ok(hash.to_string())
}
