//! Pages of a list: how many, and where to go on.
//!
//! A cursor is the key of the last item that was given, as base64url of its bytes: opaque to the client, stable while rows
//! come and go, and without state in the service. It is not signed: whoever makes one up can only begin elsewhere in the
//! list that the rpc lets them read anyway, since the service sets the scan's `within` itself.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use vitrina_storage::Key;

use crate::fault::{Fault, FieldError};

/// Items of a page when the client does not say.
pub const LIMIT_DEFAULT: usize = 20;
/// Most items of a page, as the API promises.
pub const LIMIT_MAX: usize = 100;
/// Longest cursor that is looked at: the longest key (1 KiB) in base64.
const CURSOR_CHARS_MAX: usize = 1400;

/// The number of items to give; [`LIMIT_DEFAULT`] when the caller does not say.
///
/// # Errors
/// A fault on the field `limit` when it is not between 1 and [`LIMIT_MAX`].
pub fn limit(asked: Option<u32>) -> Result<usize, Fault> {
    match asked.map(|asked| asked as usize) {
        None => Ok(LIMIT_DEFAULT),
        Some(asked @ 1..=LIMIT_MAX) => Ok(asked),
        Some(_) => Err(bad_field("limit", "out_of_range", "must be between 1 and 100")),
    }
}

/// The cursor that goes on behind `last`.
pub fn cursor(last: &impl Key) -> String {
    URL_SAFE_NO_PAD.encode(vitrina_storage::prefix(last))
}

/// The key that a cursor stands for; the empty cursor is the beginning.
///
/// # Errors
/// A fault on the field `cursor` when it was not made by [`cursor`] for this kind of key.
pub fn after<K: Key>(cursor: &str) -> Result<Option<K>, Fault> {
    if cursor.is_empty() {
        return Ok(None);
    }
    let malformed = || bad_field("cursor", "malformed", "is not a cursor of this list");
    if cursor.len() > CURSOR_CHARS_MAX {
        return Err(malformed());
    }
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| malformed())?;
    let mut rest = bytes.as_slice();
    let key = K::decode(&mut rest).map_err(|_| malformed())?;
    if rest.is_empty() { Ok(Some(key)) } else { Err(malformed()) }
}

/// Cuts a list that was read with one item more than the page holds, and gives the cursor when something was left.
///
/// `key` names the key of an item. Read `limit + 1` rows, then `page::cut(rows, limit, |(key, _)| key)`.
pub fn cut<T, K: Key>(mut items: Vec<T>, limit: usize, key: impl Fn(&T) -> &K) -> (Vec<T>, Option<String>) {
    if items.len() <= limit {
        return (items, None);
    }
    items.truncate(limit);
    let next = items.last().map(|item| cursor(key(item)));
    (items, next)
}

fn bad_field(field: &str, code: &'static str, detail: &str) -> Fault {
    Fault::invalid(vec![FieldError::new(field, code, detail)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_and_anything_else_is_refused() {
        let key = ("müller".to_owned(), 7u64);
        assert_eq!(after::<(String, u64)>(&cursor(&key)).unwrap(), Some(key));
        assert_eq!(after::<u64>("").unwrap(), None);
        for bad in ["!", "AA", &cursor(&(1u64, 2u64)), &"A".repeat(5000)] {
            assert!(after::<u64>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_limit_is_between_1_and_100() {
        assert_eq!(limit(None).unwrap(), 20);
        assert_eq!(limit(Some(100)).unwrap(), 100);
        for wrong in [0, 101] {
            assert_eq!(limit(Some(wrong)).unwrap_err().fields[0].field, "limit");
        }
    }

    #[test]
    fn a_page_that_is_cut_names_its_last_item() {
        assert_eq!(cut(vec![1u64, 2], 2, |n| n), (vec![1, 2], None));
        let (items, next) = cut(vec![1u64, 2, 3], 2, |n| n);
        assert_eq!((items, after::<u64>(&next.unwrap()).unwrap()), (vec![1, 2], Some(2)));
    }
}
