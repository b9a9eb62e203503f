//! Texts that lie in a store or travel in an event sealed, and that every service with the master key can open:
//! ChaCha20-Poly1305 (RFC 8439).
//!
//! Shape: base64url of `nonce (12) ‖ ciphertext and tag`. The place that a text is sealed for (such as the devices of a user) is the
//! associated data: what is copied to another place does not open. The nonce is the beginning of an HMAC over place and text,
//! as in RFC 5297: the same text at the same place seals to the same, so that what is sealed can be a key and be compared, and
//! whoever sees it learns nothing but that. Two different texts would have to agree in 96 bits to share a nonce.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Key, KeyInit, Nonce};
use hmac::{Hmac, Mac};
use sha2::Sha256;

const NONCE_BYTES: usize = 12;

/// Seals and opens texts.
#[derive(Clone)]
pub struct Vault {
    aead: ChaCha20Poly1305,
    nonce_key: [u8; 32],
}

/// A text that does not open: it was sealed with another master key or for another place, or was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a sealed text does not open")]
pub struct Closed;

impl Vault {
    /// With keys derived from the master key.
    pub fn new(master_key: &[u8; 32]) -> Vault {
        let key = hash(master_key, &[b"vitrina vault v1", b"key"]);
        let nonce_key = hash(master_key, &[b"vitrina vault v1", b"nonce"]);
        Vault { aead: ChaCha20Poly1305::new(Key::from_slice(&key)), nonce_key }
    }

    /// Seals a text for a place. It grows by a third and 38 bytes.
    pub fn seal(&self, place: &str, text: &str) -> String {
        let nonce = &hash(&self.nonce_key, &[place.as_bytes(), text.as_bytes()])[..NONCE_BYTES];
        let payload = Payload { msg: text.as_bytes(), aad: place.as_bytes() };
        let cipher = self.aead.encrypt(Nonce::from_slice(nonce), payload);
        let cipher = cipher.expect("it refuses texts of 256 GiB only");
        URL_SAFE_NO_PAD.encode([nonce, &cipher].concat())
    }

    /// Opens a text that was sealed for a place.
    ///
    /// # Errors
    /// [`Closed`] when it was sealed with another key or for another place, or is none.
    pub fn open(&self, place: &str, sealed: &str) -> Result<String, Closed> {
        let bytes = URL_SAFE_NO_PAD.decode(sealed).map_err(|_| Closed)?;
        let (nonce, cipher) = bytes.split_at_checked(NONCE_BYTES).ok_or(Closed)?;
        let payload = Payload { msg: cipher, aad: place.as_bytes() };
        let text = self.aead.decrypt(Nonce::from_slice(nonce), payload).map_err(|_| Closed)?;
        String::from_utf8(text).map_err(|_| Closed)
    }
}

/// The place of a user's push devices, the same in every service.
pub fn devices_of(user_id: &str) -> String {
    format!("devices/{user_id}")
}

/// The place of a user's single-use tokens, the same in every service.
pub fn tokens_of(user_id: &str) -> String {
    format!("tokens/{user_id}")
}

/// HMAC-SHA256 over length-prefixed parts, so that no two lists of parts give the same input.
fn hash(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(key).expect("HMAC takes keys of every length");
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_opens_only_where_it_belongs() {
        let vault = Vault::new(&[7; 32]);
        let sealed = vault.seal("here", "a-token");
        assert_eq!(vault.open("here", &sealed).unwrap(), "a-token");
        assert_eq!(vault.open("there", &sealed), Err(Closed), "another place");
        assert_eq!(Vault::new(&[8; 32]).open("here", &sealed), Err(Closed), "another key");
        assert_eq!(vault.open("here", &sealed[..10]), Err(Closed), "cut off");
        assert_eq!(vault.open("here", "a-token"), Err(Closed), "never sealed");
        assert!(!sealed.contains("a-token"));
    }

    #[test]
    fn the_same_text_seals_to_the_same_at_the_same_place_only() {
        let vault = Vault::new(&[7; 32]);
        assert_eq!(vault.seal("here", "a-token"), vault.seal("here", "a-token"));
        assert_ne!(vault.seal("here", "a-token"), vault.seal("there", "a-token"));
        assert_ne!(vault.seal("here", "a-token")[..16], vault.seal("here", "b-token")[..16]);
    }

    #[test]
    fn a_text_grows_by_a_third_and_38_bytes_at_most() {
        let vault = Vault::new(&[7; 32]);
        for length in [0, 1, 100, 512] {
            let sealed = vault.seal("here", &"x".repeat(length)).len();
            assert!(sealed <= length * 4 / 3 + 38 + 1, "{length}: {sealed}");
        }
    }
}
