//! The signature of events: ECDSA over P-256 with SHA-256, of the timestamp and the raw body; base64 of its DER.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};

use crate::provider::{Misconfigured, Verdict};

/// How old or early a signature may be.
const TOLERANCE_MS: u64 = 300_000;
/// What comes before the point in the SPKI DER of a P-256 key (RFC 5480: id-ecPublicKey, prime256v1, BIT STRING).
const SPKI_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// An uncompressed point: a mark and two coordinates.
const POINT_BYTES: usize = 65;

/// The public key that events are verified with.
#[derive(Clone)]
pub(crate) struct WebhookKey(UnparsedPublicKey<Vec<u8>>);

impl WebhookKey {
    /// Reads base64 of the key's SPKI DER.
    pub(crate) fn parse(text: &str) -> Result<WebhookKey, Misconfigured> {
        let wrong = |reason| Misconfigured { setting: "sendgrid.webhook_key", reason };
        let der = STANDARD.decode(text.trim()).map_err(|_| wrong("it is no base64"))?;
        let point = der.strip_prefix(SPKI_PREFIX.as_slice()).filter(|point| point.len() == POINT_BYTES);
        let point = point.ok_or_else(|| wrong("it is no public key of the curve P-256"))?;
        Ok(WebhookKey(UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point.to_vec())))
    }

    /// Judges a signature; `timestamp` is seconds since 1970, as it came.
    pub(super) fn check(&self, body: &[u8], signature: &str, timestamp: &str, now_ms: u64) -> Verdict {
        let Ok(signature) = STANDARD.decode(signature) else { return Verdict::Forged };
        let signed = [timestamp.as_bytes(), body].concat();
        if self.0.verify(&signed, &signature).is_err() {
            return Verdict::Forged;
        }
        match timestamp.parse::<u64>() {
            Ok(at) if now_ms.abs_diff(at.saturating_mul(1000)) <= TOLERANCE_MS => Verdict::Signed,
            _ => Verdict::Stale,
        }
    }
}

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};

    use super::*;

    const NOW_MS: u64 = 1_767_225_600_000;

    fn pair() -> (EcdsaKeyPair, WebhookKey) {
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, key.as_ref(), &random).unwrap();
        let spki = STANDARD.encode([SPKI_PREFIX.as_slice(), pair.public_key().as_ref()].concat());
        (pair, WebhookKey::parse(&spki).unwrap())
    }

    fn sign(pair: &EcdsaKeyPair, timestamp: &str, body: &[u8]) -> String {
        let signed = [timestamp.as_bytes(), body].concat();
        STANDARD.encode(pair.sign(&SystemRandom::new(), &signed).unwrap())
    }

    #[test]
    fn a_signature_is_judged_by_key_body_time_and_age() {
        let (pair, key) = pair();
        for (timestamp, verdict) in [
            ("1767225600", Verdict::Signed),
            ("1767225299", Verdict::Stale),
            ("1767225901", Verdict::Stale),
            ("x", Verdict::Stale),
        ] {
            let signature = sign(&pair, timestamp, b"[]");
            assert_eq!(key.check(b"[]", &signature, timestamp, NOW_MS), verdict, "{timestamp}");
        }
        let signature = sign(&pair, "1767225600", b"[]");
        assert_eq!(key.check(b"[ ]", &signature, "1767225600", NOW_MS), Verdict::Forged, "another body");
        assert_eq!(key.check(b"[]", &signature, "1767225601", NOW_MS), Verdict::Forged, "another time");
        assert_eq!(super::tests::pair().1.check(b"[]", &signature, "1767225600", NOW_MS), Verdict::Forged);
        for bad in ["", "é", "AAAA"] {
            assert_eq!(key.check(b"[]", bad, "1767225600", NOW_MS), Verdict::Forged, "{bad}");
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for bad in ["", "?", "AAAA", &STANDARD.encode([0; 91])] {
            assert!(WebhookKey::parse(bad).is_err(), "{bad}");
        }
    }
}
