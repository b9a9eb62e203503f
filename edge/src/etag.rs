//! Entity tags: strong ones, made of the version of the entity (when it has one) and of the bytes of the answer.
//!
//! The version alone would not do: a product's effective price changes with the clock, without a new version.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, header};
use sha2::{Digest, Sha256};

/// Bytes of the digest kept: 72 bits, far beyond accident.
const DIGEST_BYTES: usize = 9;

/// The tag of a representation, with its quotes.
pub(crate) fn of(body: &[u8], version: Option<u64>) -> String {
    let digest = URL_SAFE_NO_PAD.encode(&Sha256::digest(body)[..DIGEST_BYTES]);
    match version {
        Some(version) => format!("\"{version}-{digest}\""),
        None => format!("\"{digest}\""),
    }
}

/// Whether `If-None-Match` names the tag: then the client has these bytes already. Weak comparison (RFC 9110, 13.1.2).
pub(crate) fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let lines = headers.get_all(header::IF_NONE_MATCH);
    lines.iter().filter_map(|value| value.to_str().ok()).any(|line| is_among(line, tag))
}

/// The same for one line of `If-None-Match`.
pub(crate) fn is_among(line: &str, tag: &str) -> bool {
    fn opaque(tag: &str) -> &str {
        tag.strip_prefix("W/").unwrap_or(tag)
    }

    line.split(',').map(str::trim).any(|known| known == "*" || opaque(known) == opaque(tag))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn other_bytes_have_another_tag() {
        assert_eq!(of(b"a", Some(1)), of(b"a", Some(1)));
        assert_ne!(of(b"a", Some(1)), of(b"b", Some(1)));
        assert!(of(b"a", Some(12)).starts_with("\"12-"));
    }

    #[test]
    fn a_client_may_know_several_representations() {
        let tag = of(b"a", None);
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_NONE_MATCH, HeaderValue::from_str(&format!("\"x\", W/{tag}")).unwrap());
        assert!(is_known(&headers, &tag));
        assert!(!is_known(&headers, &of(b"b", None)));
    }
}
