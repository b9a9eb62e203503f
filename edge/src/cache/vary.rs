//! Which requests an answer with `Vary` may be given to (RFC 9111, 4.1).

use http::{HeaderMap, HeaderName, header};

use super::control::members;

/// The fields that an answer varies on, sorted; empty when it varies on nothing. `*` is not looked at: such an answer is
/// never stored.
pub(crate) fn names(response: &HeaderMap) -> Vec<HeaderName> {
    let mut names: Vec<HeaderName> = response
        .get_all(header::VARY)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(members)
        .filter_map(|name| HeaderName::from_bytes(name.trim().as_bytes()).ok())
        .collect();
    names.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
    names.dedup();
    names
}

/// The key of an answer among those of one primary key: the primary key and the values of the fields. Lines of a field are
/// one list and space around members says nothing, so both are levelled; an absent field is another value than an empty one.
pub(crate) fn key(primary: &[u8], names: &[HeaderName], request: &HeaderMap) -> Vec<u8> {
    let mut key = primary.to_vec();
    for name in names {
        let mut values = request.get_all(name).iter().peekable();
        if values.peek().is_none() {
            key.push(0);
            continue;
        }
        let mut whole: Vec<u8> = Vec::new();
        for value in values {
            for member in value.as_bytes().split(|byte| *byte == b',') {
                whole.extend_from_slice(member.trim_ascii());
                whole.push(b',');
            }
        }
        key.push(1);
        key.extend_from_slice(&u32::try_from(whole.len()).unwrap_or(u32::MAX).to_be_bytes());
        key.extend_from_slice(&whole);
    }
    key
}
