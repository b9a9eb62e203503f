//! Refresh tokens: opaque to clients, made anew from the session's row instead of being kept.
//!
//! A token is base64url of `user (16) ‖ session (16) ‖ generation (4) ‖ proof (32)`; the proof is a keyed hash of what
//! stands before it and of the session's nonce. The store holds the nonce, never a token: a copy of the store without
//! the master key gives no token. An older generation can still be recognised as genuine, which is what tells reuse
//! from noise, without a row for each token ever given.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq;
use vitrina_storage::{Key, prefix};

use super::{derive, keyed_hash};
use crate::keys::{SessionId, UserId};

/// Bytes of a token before its proof.
const HEAD_BYTES: usize = 36;
const TOKEN_BYTES: usize = HEAD_BYTES + 32;

/// Makes and checks refresh tokens.
pub(crate) struct RefreshTokens {
    key: [u8; 32],
}

/// A token that was shown; nothing in it is proven before [`RefreshTokens::is_genuine`].
pub(crate) struct Shown {
    pub(crate) user_id: UserId,
    pub(crate) session_id: SessionId,
    pub(crate) generation: u32,
    proof: [u8; 32],
}

impl RefreshTokens {
    /// With the key derived from the master key.
    pub(crate) fn new(master_key: &[u8; 32]) -> Self {
        Self { key: derive(master_key, "refresh token") }
    }

    /// The token of a generation.
    pub(crate) fn mint(
        &self,
        user_id: UserId,
        session_id: SessionId,
        generation: u32,
        nonce: &[u8],
    ) -> String {
        let mut token = head(user_id, session_id, generation);
        let proof = keyed_hash(&self.key, &[&token, nonce]);
        token.extend_from_slice(&proof);
        URL_SAFE_NO_PAD.encode(token)
    }

    /// What a session keeps to recognise the client that it was given to.
    pub(crate) fn client(&self, client: &str) -> Vec<u8> {
        keyed_hash(&self.key, &[b"client", client.as_bytes()]).to_vec()
    }

    /// Takes a token apart; `None` when it is not of the form.
    pub(crate) fn parse(text: &str) -> Option<Shown> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok().filter(|bytes| bytes.len() == TOKEN_BYTES)?;
        let mut rest = bytes.as_slice();
        Some(Shown {
            user_id: UserId::decode(&mut rest).ok()?,
            session_id: SessionId::decode(&mut rest).ok()?,
            generation: u32::decode(&mut rest).ok()?,
            proof: rest.try_into().ok()?,
        })
    }

    /// Whether the token was made here for the session with this nonce; takes the same time for every wrong proof.
    pub(crate) fn is_genuine(&self, shown: &Shown, nonce: &[u8]) -> bool {
        let head = head(shown.user_id, shown.session_id, shown.generation);
        keyed_hash(&self.key, &[&head, nonce]).ct_eq(&shown.proof).into()
    }
}

fn head(user_id: UserId, session_id: SessionId, generation: u32) -> Vec<u8> {
    prefix(&(user_id, session_id, generation))
}
