//! What must not be known to others: keys, passwords, tokens, sealed numbers.
//!
//! Every key is derived from the master key with a label of its own (HMAC-SHA256 as a PRF), so that one key to keep safe
//! is enough and no two uses share a key.

pub(crate) mod access;
pub(crate) mod one_time;
pub(crate) mod password;
pub(crate) mod refresh;
pub(crate) mod vault;

use hmac::{Hmac, Mac};
use rand::RngCore;
use sha2::Sha256;

/// The key for one use, derived from the master key.
pub(crate) fn derive(master_key: &[u8; 32], label: &str) -> [u8; 32] {
    keyed_hash(master_key, &[b"vitrina users v1", label.as_bytes()])
}

/// HMAC-SHA256 over length-prefixed parts, so that no two lists of parts give the same input.
pub(crate) fn keyed_hash(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of every length");
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// Bytes from the operating system's generator.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::rngs::OsRng.fill_bytes(&mut bytes);
    bytes
}
