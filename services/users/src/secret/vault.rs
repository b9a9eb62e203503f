//! Sealed fields: ChaCha20-Poly1305 (RFC 8439), bound to their user and field, and blind indexes over them.
//!
//! Shape of a sealed field: `key id (4) ‖ nonce (12) ‖ ciphertext and tag`. The associated data is the user's id and the
//! field's name, so that a sealed value copied to another row does not open. Nonces are random; with at most 20 sealed
//! fields a user, 2³² of them under one key are out of reach.

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Key as AeadKey, KeyInit, Nonce};
use vitrina_storage::{Id16, prefix};

use super::{derive, keyed_hash, random};
use crate::error::Error;
use crate::keys::UserId;

const KEY_ID_BYTES: usize = 4;
const NONCE_BYTES: usize = 12;

/// Seals and opens fields.
pub(crate) struct Vault {
    key_id: [u8; KEY_ID_BYTES],
    aead: ChaCha20Poly1305,
    index_key: [u8; 32],
}

impl Vault {
    /// With keys derived from the master key.
    pub(crate) fn new(master_key: &[u8; 32]) -> Self {
        let key = derive(master_key, "sealed field");
        let id = derive(master_key, "sealed field key id");
        Self {
            key_id: [id[0], id[1], id[2], id[3]],
            aead: ChaCha20Poly1305::new(AeadKey::from_slice(&key)),
            index_key: derive(master_key, "blind index"),
        }
    }

    /// Seals the field of a user.
    ///
    /// # Errors
    /// [`Error::Seal`] when the cipher refuses, which it does for texts of gigabytes only.
    pub(crate) fn seal(&self, user_id: UserId, field: &str, plain: &str) -> Result<Vec<u8>, Error> {
        let nonce: [u8; NONCE_BYTES] = random();
        let aad = associated(user_id, field);
        let payload = Payload { msg: plain.as_bytes(), aad: &aad };
        let cipher = self.aead.encrypt(Nonce::from_slice(&nonce), payload);
        let cipher = cipher.map_err(|_| Error::Seal { reason: "the cipher refused" })?;
        Ok([self.key_id.as_slice(), &nonce, &cipher].concat())
    }

    /// Opens the field of a user.
    ///
    /// # Errors
    /// [`Error::Seal`] when it was sealed with another key, for another user or field, or was changed.
    pub(crate) fn open(&self, user_id: UserId, field: &str, sealed: &[u8]) -> Result<String, Error> {
        let (key_id, rest) =
            sealed.split_at_checked(KEY_ID_BYTES).ok_or(Error::Seal { reason: "cut off" })?;
        if key_id != self.key_id {
            return Err(Error::Seal { reason: "sealed with another master key" });
        }
        let (nonce, cipher) = rest.split_at_checked(NONCE_BYTES).ok_or(Error::Seal { reason: "cut off" })?;
        let aad = associated(user_id, field);
        let plain = self.aead.decrypt(Nonce::from_slice(nonce), Payload { msg: cipher, aad: &aad });
        let plain =
            plain.map_err(|_| Error::Seal { reason: "not what was sealed for this user and field" })?;
        String::from_utf8(plain).map_err(|_| Error::Seal { reason: "not a text" })
    }

    /// What is equal for equal values of a user and tells nothing else; half of the hash, which is plenty among ten rows.
    pub(crate) fn blind(&self, user_id: UserId, value: &str) -> Id16 {
        let hash = keyed_hash(&self.index_key, &[&prefix(&user_id), value.as_bytes()]);
        let mut half = [0; 16];
        half.copy_from_slice(&hash[..16]);
        Id16(half)
    }

    /// A stand-in for a secret in a request's fingerprint, which is kept: without the key nobody can try guesses.
    pub(crate) fn stand_in(&self, secret: &str) -> String {
        let hash = keyed_hash(&self.index_key, &[b"stand-in", secret.as_bytes()]);
        hash.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

fn associated(user_id: UserId, field: &str) -> Vec<u8> {
    [prefix(&user_id).as_slice(), field.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_field_opens_only_where_it_belongs() {
        let (one, two) = (UserId::from_bytes([1; 16]), UserId::from_bytes([2; 16]));
        let vault = Vault::new(&[7; 32]);
        let mut sealed = vault.seal(one, "number", "032180000118359719").unwrap();
        assert_eq!(vault.open(one, "number", &sealed).unwrap(), "032180000118359719");
        assert!(vault.open(two, "number", &sealed).is_err(), "another user");
        assert!(vault.open(one, "identity", &sealed).is_err(), "another field");
        assert!(Vault::new(&[8; 32]).open(one, "number", &sealed).is_err(), "another key");
        assert!(vault.open(one, "number", &sealed[..10]).is_err(), "cut off");
        *sealed.last_mut().unwrap() ^= 1;
        assert!(vault.open(one, "number", &sealed).is_err(), "changed");
    }

    #[test]
    fn a_blind_index_is_equal_for_equal_values_of_a_user() {
        let (one, two) = (UserId::from_bytes([1; 16]), UserId::from_bytes([2; 16]));
        let vault = Vault::new(&[7; 32]);
        assert_eq!(vault.blind(one, "123"), vault.blind(one, "123"));
        assert_ne!(vault.blind(one, "123"), vault.blind(one, "124"));
        assert_ne!(vault.blind(one, "123"), vault.blind(two, "123"));
    }
}
