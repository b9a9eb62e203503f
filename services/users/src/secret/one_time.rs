//! Single-use tokens for mails: base64url of `user (16) ‖ secret (32)`; the store holds a hash of the secret.
//!
//! The secret is 256 random bits, so a plain hash is enough: there is nothing to guess.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use vitrina_storage::{Key, prefix};

use super::random;
use crate::keys::UserId;

/// A token that was shown.
pub(crate) struct Shown {
    pub(crate) user_id: UserId,
    hash: [u8; 32],
}

/// A new token and the hash to keep of it.
pub(crate) fn make(user_id: UserId) -> (String, Vec<u8>) {
    let secret: [u8; 32] = random();
    let mut bytes = prefix(&user_id);
    bytes.extend_from_slice(&secret);
    (URL_SAFE_NO_PAD.encode(bytes), Sha256::digest(secret).to_vec())
}

/// Takes a token apart; `None` when it is not of the form.
pub(crate) fn parse(text: &str) -> Option<Shown> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok().filter(|bytes| bytes.len() == 48)?;
    let mut rest = bytes.as_slice();
    let user_id = UserId::decode(&mut rest).ok()?;
    Some(Shown { user_id, hash: Sha256::digest(rest).into() })
}

impl Shown {
    /// Whether `kept` is the hash of this token's secret.
    pub(crate) fn matches(&self, kept: &[u8]) -> bool {
        self.hash.ct_eq(kept).into()
    }
}
