//! Access tokens: EdDSA JWTs of the users service (RFC 7519, RFC 8037), taken apart and checked without trusting a byte.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signature, VerifyingKey};
use serde::Deserialize;

/// Longest token looked at. Ours have about 400 bytes.
const TOKEN_BYTES_MAX: usize = 4_096;

/// Seconds by which the clocks of two machines may differ.
const CLOCK_SKEW_S: u64 = 5;

/// Who a valid token speaks for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Claims {
    /// The user, `usr_…`.
    #[serde(rename = "sub")]
    pub(crate) user: String,
    /// The session that the token belongs to.
    #[serde(rename = "sid", default)]
    pub(crate) session: String,
    /// Such as `seller`.
    #[serde(default)]
    pub(crate) roles: Vec<String>,
    /// Seconds since 1970.
    #[serde(default, rename = "iat")]
    pub(crate) issued_at_s: u64,
    /// Seconds since 1970, exclusive.
    #[serde(rename = "exp")]
    pub(crate) expires_at_s: u64,
}

/// A token whose signature is still to be checked.
#[derive(Debug)]
pub(crate) struct Unverified<'a> {
    signed: &'a [u8],
    payload: &'a str,
    signature: Signature,
    /// Which key is said to have signed it.
    pub(crate) key_id: String,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: String,
}

/// Takes a compact JWT apart; `None` for anything that is no EdDSA token.
pub(crate) fn parse(token: &str) -> Option<Unverified<'_>> {
    if token.len() > TOKEN_BYTES_MAX {
        return None;
    }
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, payload) = signed.split_once('.')?;
    let header: Header = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()?;
    // The algorithm is fixed: `none` and HMAC with a public key are the classic forgeries.
    if header.alg != "EdDSA" {
        return None;
    }
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    Some(Unverified {
        signed: signed.as_bytes(),
        payload,
        signature: Signature::from_slice(&signature).ok()?,
        key_id: header.kid,
    })
}

impl Unverified<'_> {
    /// The claims, when the key signed them; their time is checked by [`Claims::is_current`].
    pub(crate) fn verify(&self, key: &VerifyingKey) -> Option<Claims> {
        key.verify_strict(self.signed, &self.signature).ok()?;
        let claims = URL_SAFE_NO_PAD.decode(self.payload).ok()?;
        serde_json::from_slice(&claims).ok()
    }
}

impl Claims {
    /// Whether the token is valid at a time, in seconds since 1970.
    pub(crate) fn is_current(&self, now_s: u64) -> bool {
        now_s < self.expires_at_s.saturating_add(CLOCK_SKEW_S)
            && self.issued_at_s <= now_s.saturating_add(CLOCK_SKEW_S)
    }

    pub(crate) fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|own| own == role)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::{Signer, SigningKey};

    fn token(header: &str, payload: &str, key: &SigningKey) -> String {
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let signature = key.sign(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
    }

    #[test]
    fn a_signed_token_tells_its_claims() {
        let key = SigningKey::from_bytes(&[7; 32]);
        let token = token(
            r#"{"alg":"EdDSA","kid":"k"}"#,
            r#"{"sub":"usr_1","sid":"s","roles":["seller"],"iat":1,"exp":601}"#,
            &key,
        );
        let unverified = parse(&token).unwrap();
        assert_eq!(unverified.key_id, "k");
        let claims = unverified.verify(&key.verifying_key()).unwrap();
        assert!(claims.has_role("seller") && !claims.has_role("admin"));
        assert!(claims.is_current(600) && !claims.is_current(606));
        let other = SigningKey::from_bytes(&[8; 32]);
        assert!(unverified.verify(&other.verifying_key()).is_none());
    }

    #[test]
    fn another_algorithm_is_no_token() {
        let key = SigningKey::from_bytes(&[7; 32]);
        for alg in ["none", "HS256", "ES256"] {
            let header = format!(r#"{{"alg":"{alg}","kid":"k"}}"#);
            assert!(parse(&token(&header, "{}", &key)).is_none());
        }
        assert!(parse("a.b").is_none() && parse("").is_none() && parse("a.b.c").is_none());
    }

    #[test]
    fn a_changed_claim_breaks_the_signature() {
        let key = SigningKey::from_bytes(&[7; 32]);
        let good = token(r#"{"alg":"EdDSA"}"#, r#"{"sub":"usr_1","exp":1}"#, &key);
        let forged = URL_SAFE_NO_PAD.encode(r#"{"sub":"usr_2","exp":1}"#);
        let parts: Vec<&str> = good.split('.').collect();
        let forged = format!("{}.{forged}.{}", parts[0], parts[2]);
        assert!(parse(&forged).unwrap().verify(&key.verifying_key()).is_none());
    }
}
