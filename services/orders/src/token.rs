//! Tokens of guests' carts: base64url of `cart (16) ‖ HMAC-SHA256(key, cart) (32)`.
//!
//! A token is derived, not kept: the store holds nothing that opens a cart, and a replay of the request that made it gives the
//! same one. Losing the master key makes the tokens worthless; carts are not worth a key of their own.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::model::CartId;

/// Parts these tokens from whatever else the master key is used for.
const LABEL: &[u8] = b"vitrina cart token v1";

/// Makes and checks tokens.
#[derive(Clone)]
pub(crate) struct Tokens {
    mac: Hmac<Sha256>,
}

impl Tokens {
    pub(crate) fn new(master_key: &[u8; 32]) -> Tokens {
        let mut mac = Hmac::new_from_slice(master_key).expect("HMAC takes a key of any length");
        mac.update(LABEL);
        Tokens { mac }
    }

    /// The token of a cart.
    pub(crate) fn of(&self, cart: CartId) -> String {
        let mut bytes = cart.bytes().to_vec();
        let mac = self.mac.clone().chain_update(cart.bytes());
        bytes.extend_from_slice(&mac.finalize().into_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The cart that a token opens; `None` when it was not made here.
    pub(crate) fn cart(&self, token: &str) -> Option<CartId> {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (cart, mac) = bytes.split_first_chunk::<16>()?;
        // Compares in constant time.
        self.mac.clone().chain_update(cart).verify_slice(mac).ok()?;
        Some(CartId::from_bytes(*cart))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_opens_its_cart_and_no_other_does() {
        let (tokens, cart) = (Tokens::new(&[7; 32]), CartId::generate());
        let token = tokens.of(cart);
        assert_eq!(tokens.cart(&token), Some(cart));
        assert_eq!(Tokens::new(&[8; 32]).cart(&token), None);
        for bad in ["", "x", &token[1..], &token[..22]] {
            assert_eq!(tokens.cart(bad), None, "{bad}");
        }
    }
}
