//! Signs mail events: ECDSA over P-256 with SHA-256, of the timestamp and the raw body.
//!
//! The key is made once for a data folder; it is put in place whole, so that the shop can be told it.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};

use crate::disk;
use crate::error::Error;

/// What comes before the point in the SPKI DER of a P-256 key (RFC 5480: id-ecPublicKey, prime256v1, BIT STRING).
const SPKI_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// The key pair of a data folder.
pub(crate) struct MailSigner {
    pair: EcdsaKeyPair,
    random: SystemRandom,
    /// Base64 of the public key's SPKI DER, as SendGrid shows it.
    pub(crate) public_key: String,
}

impl MailSigner {
    /// Reads the key, or makes it.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let random = SystemRandom::new();
        let unusable = || Error::Key { path: path.to_owned() };
        if !path.exists() {
            let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random);
            let made = made.map_err(|_| unusable())?;
            disk::replace(path, made.as_ref()).map_err(disk::failed(path))?;
        }
        let kept = std::fs::read(path).map_err(disk::failed(path))?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &kept, &random)
            .map_err(|_| unusable())?;
        let spki = [&SPKI_PREFIX, pair.public_key().as_ref()].concat();
        Ok(Self { pair, random, public_key: STANDARD.encode(spki) })
    }

    /// Base64 of the DER signature; `None` only if the system gives no randomness.
    pub(crate) fn sign(&self, timestamp: &str, body: &[u8]) -> Option<String> {
        let signed = [timestamp.as_bytes(), body].concat();
        let signature = self.pair.sign(&self.random, &signed).ok()?;
        Some(STANDARD.encode(signature.as_ref()))
    }
}
