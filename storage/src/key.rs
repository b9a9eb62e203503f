//! Keys whose encoded bytes sort as their values do.
//!
//! | type | bytes |
//! |---|---|
//! | `()` | none |
//! | `u8`, `u32`, `u64` | big-endian |
//! | [`Reversed`]`<u64>` | big-endian of the complement: the largest first |
//! | [`Id16`] | the 16 bytes |
//! | `String` | UTF-8 with `00` written as `00 FF`, ended by `00 00` |
//! | tuples of two to four | one after the other |
//!
//! Every form says by itself where it ends, so that the bytes of a tuple's first parts are a prefix of exactly the keys
//! that begin with these parts.

/// A key that encodes to bytes of the same order.
pub trait Key: Sized {
    /// Appends the bytes of this key to `out`.
    fn encode(&self, out: &mut Vec<u8>);

    /// Takes a key off the front of `input` and leaves the rest there.
    ///
    /// # Errors
    /// [`KeyError`] when the bytes are not the encoding of such a key.
    fn decode(input: &mut &[u8]) -> Result<Self, KeyError>;
}

/// Why bytes are not a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The bytes end too early.
    #[error("the key is cut off")]
    CutOff,
    /// More bytes follow than the key has.
    #[error("the key has {0} bytes too many")]
    TooLong(usize),
    /// Text that is not UTF-8 or is not escaped as it must be.
    #[error("the key holds malformed text")]
    BadText,
    /// The bytes are of the right length, but no value of the type has them.
    #[error("the key holds no value of its type")]
    BadValue,
}

/// Sixteen bytes of an identifier, as a UUID has them; sorts by these bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id16(pub [u8; 16]);

/// A number that sorts from the largest to the smallest, for "newest first".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Reversed<T>(pub T);

/// The bytes with which every key begins whose first parts are `part`.
pub fn prefix(part: &impl Key) -> Vec<u8> {
    let mut out = Vec::new();
    part.encode(&mut out);
    out
}

/// Decodes a key that must take up all of `input`.
///
/// # Errors
/// [`KeyError`] when the bytes are not the encoding of such a key or go on behind it.
pub fn decode_all<K: Key>(mut input: &[u8]) -> Result<K, KeyError> {
    let key = K::decode(&mut input)?;
    if input.is_empty() { Ok(key) } else { Err(KeyError::TooLong(input.len())) }
}

/// The first key behind all keys that begin with `prefix`; `None` when there is none (all bytes are `FF`).
pub(crate) fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != 0xFF)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

fn take<const N: usize>(input: &mut &[u8]) -> Result<[u8; N], KeyError> {
    let (head, rest) = input.split_first_chunk::<N>().ok_or(KeyError::CutOff)?;
    *input = rest;
    Ok(*head)
}

impl Key for () {
    fn encode(&self, _out: &mut Vec<u8>) {}

    fn decode(_input: &mut &[u8]) -> Result<Self, KeyError> {
        Ok(())
    }
}

macro_rules! integer_key {
    ($($integer:ty),*) => {$(
        impl Key for $integer {
            fn encode(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_be_bytes());
            }

            fn decode(input: &mut &[u8]) -> Result<Self, KeyError> {
                take(input).map(<$integer>::from_be_bytes)
            }
        }
    )*};
}

integer_key!(u8, u16, u32, u64);

impl Key for Reversed<u64> {
    fn encode(&self, out: &mut Vec<u8>) {
        (!self.0).encode(out);
    }

    fn decode(input: &mut &[u8]) -> Result<Self, KeyError> {
        u64::decode(input).map(|number| Reversed(!number))
    }
}

impl Key for Id16 {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }

    fn decode(input: &mut &[u8]) -> Result<Self, KeyError> {
        take(input).map(Id16)
    }
}

impl Key for String {
    fn encode(&self, out: &mut Vec<u8>) {
        encode_text(self, out);
    }

    fn decode(input: &mut &[u8]) -> Result<Self, KeyError> {
        let mut text = Vec::new();
        loop {
            match take::<1>(input)? {
                [0] => match take::<1>(input)? {
                    [0] => break,
                    [0xFF] => text.push(0),
                    _ => return Err(KeyError::BadText),
                },
                [byte] => text.push(byte),
            }
        }
        String::from_utf8(text).map_err(|_| KeyError::BadText)
    }
}

/// Appends `text` as a `String` key has it, for callers that hold a `&str`.
pub fn encode_text(text: &str, out: &mut Vec<u8>) {
    for byte in text.bytes() {
        out.push(byte);
        if byte == 0 {
            out.push(0xFF);
        }
    }
    out.extend_from_slice(&[0, 0]);
}

macro_rules! tuple_key {
    ($($part:ident $index:tt),*) => {
        impl<$($part: Key),*> Key for ($($part,)*) {
            fn encode(&self, out: &mut Vec<u8>) {
                $(self.$index.encode(out);)*
            }

            fn decode(input: &mut &[u8]) -> Result<Self, KeyError> {
                Ok(($($part::decode(input)?,)*))
            }
        }
    };
}

tuple_key!(A 0, B 1);
tuple_key!(A 0, B 1, C 2);
tuple_key!(A 0, B 1, C 2, D 3);

#[cfg(test)]
mod tests {
    use super::*;

    fn check_round_trip<K: Key + PartialEq + std::fmt::Debug>(key: K) {
        assert_eq!(decode_all::<K>(&prefix(&key)), Ok(key));
    }

    #[test]
    fn every_form_decodes_to_what_was_encoded() {
        check_round_trip(());
        check_round_trip(7u8);
        check_round_trip(70_000u32);
        check_round_trip(u64::MAX - 1);
        check_round_trip(Reversed(12u64));
        check_round_trip(Id16([9; 16]));
        check_round_trip(String::from("a\0b\u{ff}"));
        check_round_trip((String::from("a"), 1u64));
        check_round_trip((String::new(), Reversed(3u64), Id16([1; 16]), 5u8));
    }

    #[test]
    fn the_bytes_sort_as_the_values_do() {
        let texts = ["", "\0", "\0\u{1}", "a", "a\0", "a\0b", "aa", "b"];
        for pair in texts.windows(2) {
            assert!(prefix(&pair[0].to_owned()) < prefix(&pair[1].to_owned()), "{pair:?}");
        }
        assert!(prefix(&255u64) < prefix(&256u64));
        assert!(prefix(&Reversed(2u64)) < prefix(&Reversed(1u64)));
        assert!(prefix(&("a".to_owned(), 9u64)) < prefix(&("aa".to_owned(), 1u64)));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        assert_eq!(decode_all::<u64>(&[0; 7]), Err(KeyError::CutOff));
        assert_eq!(decode_all::<u8>(&[0; 3]), Err(KeyError::TooLong(2)));
        assert_eq!(decode_all::<String>(b"ab"), Err(KeyError::CutOff));
        assert_eq!(decode_all::<String>(&[0, 1]), Err(KeyError::BadText));
        assert_eq!(decode_all::<String>(&[0xC0, 0, 0]), Err(KeyError::BadText));
    }

    #[test]
    fn the_end_of_a_prefix_skips_trailing_ff() {
        assert_eq!(after_prefix(&[1, 0xFF]), Some(vec![2]));
        assert_eq!(after_prefix(&[0xFF]), None);
    }
}
