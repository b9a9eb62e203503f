//! Access tokens: JSON Web Tokens signed with Ed25519 (RFC 7519, RFC 8037).
//!
//! Only what Vitrina needs is written here, one algorithm and one form, because the general libraries' choices (`alg` from
//! the token, optional claims) are where their holes have been. The edge verifies by itself, with the keys of
//! [`AccessTokens::keys`].

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer, SigningKey};
use serde::Serialize;

use super::{derive, keyed_hash};
use crate::config::Config;

/// Who issues the tokens.
const ISSUER: &str = "vitrina";

/// Makes access tokens.
pub(crate) struct AccessTokens {
    newest: NamedKey,
    former: Option<NamedKey>,
    life_s: u32,
}

/// What a token says.
pub(crate) struct Claims<'a> {
    pub(crate) user_id: &'a str,
    pub(crate) session_id: &'a str,
    pub(crate) roles: &'a [&'a str],
    pub(crate) now_ms: u64,
}

/// A published key.
pub(crate) struct PublicKey {
    pub(crate) kid: String,
    /// base64url without padding.
    pub(crate) x: String,
}

struct NamedKey {
    kid: String,
    key: SigningKey,
}

#[derive(Serialize)]
struct Header<'a> {
    alg: &'static str,
    typ: &'static str,
    kid: &'a str,
}

#[derive(Serialize)]
struct Payload<'a> {
    iss: &'static str,
    sub: &'a str,
    sid: &'a str,
    roles: &'a [&'a str],
    iat: u64,
    exp: u64,
}

impl AccessTokens {
    /// The keys of the configured generation and of the one before.
    pub(crate) fn new(config: &Config) -> Self {
        let generation = config.signing_generation.max(1);
        Self {
            newest: NamedKey::of_generation(&config.master_key, generation),
            former: (generation > 1).then(|| NamedKey::of_generation(&config.master_key, generation - 1)),
            life_s: config.access_token_s,
        }
    }

    /// Seconds for which a token is good.
    pub(crate) fn life_s(&self) -> u32 {
        self.life_s
    }

    /// A token with these claims.
    pub(crate) fn mint(&self, claims: &Claims<'_>) -> String {
        let iat = claims.now_ms / 1000;
        let header = Header { alg: "EdDSA", typ: "JWT", kid: &self.newest.kid };
        let payload = Payload {
            iss: ISSUER,
            sub: claims.user_id,
            sid: claims.session_id,
            roles: claims.roles,
            iat,
            exp: iat + u64::from(self.life_s),
        };
        let mut token = encoded(&header);
        token.push('.');
        token.push_str(&encoded(&payload));
        let signature = self.newest.key.sign(token.as_bytes());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature.to_bytes(), &mut token);
        token
    }

    /// The keys that tokens may be signed with, newest first.
    pub(crate) fn keys(&self) -> Vec<PublicKey> {
        std::iter::once(&self.newest).chain(&self.former).map(NamedKey::public).collect()
    }
}

impl NamedKey {
    fn of_generation(master_key: &[u8; 32], generation: u32) -> Self {
        let seed = keyed_hash(&derive(master_key, "access token"), &[&generation.to_be_bytes()]);
        let key = SigningKey::from_bytes(&seed);
        // Named after the key itself, so that two shops, or a shop with another master key, never share a name.
        let digest = keyed_hash(&[0; 32], &[key.verifying_key().as_bytes()]);
        Self { kid: URL_SAFE_NO_PAD.encode(&digest[..9]), key }
    }

    fn public(&self) -> PublicKey {
        PublicKey { kid: self.kid.clone(), x: URL_SAFE_NO_PAD.encode(self.key.verifying_key().as_bytes()) }
    }
}

fn encoded(part: &impl Serialize) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(part).expect("plain structs of texts and numbers serialise"))
}
