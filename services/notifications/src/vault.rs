//! Tokens of mails, sealed for the time that they wait: ChaCha20-Poly1305 (RFC 8439), bound to their delivery.
//!
//! Shape: `nonce (12) ‖ ciphertext and tag`. The associated data is the delivery's id, so that a sealed token that is copied
//! to another row does not open. The key is derived from the master key; a nonce is random, and the tokens that one key ever
//! seals are far from the 2³² at which that would matter.

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Key, KeyInit, Nonce};
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::error::Error;
use crate::model::DeliveryId;

/// Parts this key from whatever else the master key is used for.
const LABEL: &[u8] = b"vitrina mail token v1";
const NONCE_BYTES: usize = 12;

/// Seals and opens tokens.
#[derive(Clone)]
pub(crate) struct Vault(ChaCha20Poly1305);

impl Vault {
    pub(crate) fn new(master_key: &[u8; 32]) -> Vault {
        let mac = <Hmac<Sha256> as Mac>::new_from_slice(master_key).expect("HMAC takes a key of any length");
        let key = mac.chain_update(LABEL).finalize().into_bytes();
        Vault(ChaCha20Poly1305::new(Key::from_slice(&key)))
    }

    /// Seals the token of a delivery.
    pub(crate) fn seal(&self, delivery: DeliveryId, token: &str) -> Result<Vec<u8>, Error> {
        let nonce: [u8; NONCE_BYTES] = rand::random();
        let payload = Payload { msg: token.as_bytes(), aad: &delivery.bytes() };
        let cipher = self.0.encrypt(Nonce::from_slice(&nonce), payload).map_err(|_| Error::Sealed)?;
        Ok([nonce.as_slice(), &cipher].concat())
    }

    /// Opens the token of a delivery.
    pub(crate) fn open(&self, delivery: DeliveryId, sealed: &[u8]) -> Result<String, Error> {
        let (nonce, cipher) = sealed.split_at_checked(NONCE_BYTES).ok_or(Error::Sealed)?;
        let payload = Payload { msg: cipher, aad: &delivery.bytes() };
        let plain = self.0.decrypt(Nonce::from_slice(nonce), payload).map_err(|_| Error::Sealed)?;
        String::from_utf8(plain).map_err(|_| Error::Sealed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_opens_only_where_it_belongs() {
        let (one, two) = (DeliveryId::from_bytes([1; 16]), DeliveryId::from_bytes([2; 16]));
        let vault = Vault::new(&[7; 32]);
        let sealed = vault.seal(one, "a-token").unwrap();
        assert_eq!(vault.open(one, &sealed).unwrap(), "a-token");
        assert!(vault.open(two, &sealed).is_err(), "another delivery");
        assert!(Vault::new(&[8; 32]).open(one, &sealed).is_err(), "another key");
        assert!(vault.open(one, &sealed[..10]).is_err(), "cut off");
        assert!(!sealed.windows(7).any(|part| part == b"a-token"));
    }
}
