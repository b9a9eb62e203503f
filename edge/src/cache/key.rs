//! Keys of the store: bytes in which every part has its length in front, so that no part can pose as two.

use vitrina_proto::query;
use vitrina_proto::routes::Route;

/// First byte of the keys of generated answers.
const GENERATED: u8 = b'g';

/// First byte of the keys of plain HTTP upstreams.
const PROXIED: u8 = b'p';

/// The key of a route's answer: its path as sent, and of its query what the contract knows, sorted by name and decoded.
/// Whatever else a client adds to a query leads to the same answer.
pub(crate) fn generated(key: &mut Vec<u8>, route: &Route, path: &str, raw_query: &str) {
    key.clear();
    key.push(GENERATED);
    part(key, path.as_bytes());
    if raw_query.is_empty() {
        return;
    }
    let mut pairs: Vec<_> =
        query(raw_query).filter(|(name, _)| route.query_params.contains(&name.as_ref())).collect();
    // Stable: of a parameter that is sent twice, the order may matter.
    pairs.sort_by(|(one, _), (other, _)| one.cmp(other));
    for (name, value) in pairs {
        part(key, name.as_bytes());
        part(key, value.as_bytes());
    }
}

/// The key of an upstream's answer: host and target as they are, since nobody here knows what a query means there.
pub(crate) fn proxied(upstream: &str, host: &str, path_and_query: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(upstream.len() + host.len() + path_and_query.len() + 16);
    key.push(PROXIED);
    part(&mut key, upstream.as_bytes());
    part(&mut key, host.to_ascii_lowercase().as_bytes());
    part(&mut key, path_and_query.as_bytes());
    key
}

fn part(key: &mut Vec<u8>, part: &[u8]) {
    key.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
    key.extend_from_slice(part);
}

#[cfg(test)]
mod tests {
    use super::*;
    use vitrina_proto::routes::by_rpc;

    fn of(raw_query: &str) -> Vec<u8> {
        let route = by_rpc("vitrina.publications.v1.Publications/Search").unwrap();
        let mut key = Vec::new();
        generated(&mut key, route, "/v1/publications", raw_query);
        key
    }

    #[test]
    fn only_what_the_contract_knows_is_part_of_a_key() {
        assert_eq!(of("q=a&brand=b"), of("brand=b&utm_source=x&q=%61"));
        assert_ne!(of("q=a&brand=b"), of("q=b&brand=a"));
        assert_ne!(of("q=ab"), of("q=a&brand=b"));
        assert_eq!(of("utm_source=x"), of(""));
    }
}
