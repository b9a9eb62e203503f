//! The headers that make a write safe: `Idempotency-Key` and `If-Match`.

use http::HeaderMap;
use http::header;

use crate::reply::Problem;

/// Longest key (`design/api.md`).
const KEY_BYTES_MAX: usize = 255;

/// The key of a write; `None` when none was sent.
///
/// # Errors
/// 400 when it is empty, longer than 255 characters, given twice, or holds anything but visible ASCII.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all("idempotency-key").iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let is_sane = values.next().is_none()
        && (1..=KEY_BYTES_MAX).contains(&value.len())
        && value.as_bytes().iter().all(u8::is_ascii_graphic);
    match value.to_str() {
        Ok(key) if is_sane => Ok(Some(key.to_owned())),
        _ => Err(Problem::new(
            400,
            "idempotency_key_invalid",
            "Idempotency-Key must be 1 to 255 visible ASCII characters, given once.",
        )),
    }
}

/// The problem of a write that needs a key and has none.
pub(crate) fn key_missing() -> Problem {
    Problem::new(
        400,
        "idempotency_key_missing",
        "This request needs an Idempotency-Key, so that trying again cannot do it twice.",
    )
}

/// The version that `If-Match` asks for; `None` when it is absent or `*`.
///
/// A version is written as in our entity tags, `"7-…"`, or alone: `"7"`.
///
/// # Errors
/// 412 when no entity of ours could match, 400 when it lists several.
pub(crate) fn if_match(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let mut values = headers.get_all(header::IF_MATCH).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    if values.next().is_some() || text.contains(',') {
        return Err(Problem::new(400, "if_match_invalid", "If-Match may name one entity tag here."));
    }
    version(text).map(Some).ok_or_else(|| {
        Problem::new(412, "precondition_failed", "If-Match names no version that this could have.")
    })
}

/// The version in a strong entity tag. A weak one never matches (RFC 9110, 13.1.1).
fn version(tag: &str) -> Option<u64> {
    let tag = match tag.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"')?,
        None => tag,
    };
    let digits = tag.split('-').next()?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(http::HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn keys_are_visible_ascii_of_bounded_length() {
        let key = |value: &str| idempotency_key(&headers("idempotency-key", value));
        assert_eq!(key("a-1").unwrap().unwrap(), "a-1");
        assert!(key(&"k".repeat(255)).is_ok());
        assert!(key(&"k".repeat(256)).is_err());
        assert!(key("a b").is_err() && key("").is_err());
        assert!(idempotency_key(&HeaderMap::new()).unwrap().is_none());
    }

    #[test]
    fn a_version_is_read_from_our_entity_tags() {
        let version = |value: &str| if_match(&headers("if-match", value));
        assert_eq!(version("\"7\"").unwrap(), Some(7));
        assert_eq!(version("\"7-abc\"").unwrap(), Some(7));
        assert_eq!(version("7").unwrap(), Some(7));
        assert_eq!(version("*").unwrap(), None);
        assert!(version("W/\"7\"").is_err() && version("\"x\"").is_err());
        assert!(version("\"1\", \"2\"").is_err());
    }
}
