//! Identifiers: a prefix that names the kind, and a UUIDv7 (RFC 9562) inside.
//!
//! As text `usr_` and 32 lower-case hexadecimal digits; as a key the 16 bytes, which sort by the time of creation. Every
//! kind is a type of its own, made by [`id_type!`](crate::id_type).

#[doc(hidden)]
pub use {
    uuid::Uuid,
    vitrina_storage::{Id16, Key, KeyError},
};

/// Why a text is not an id of the wanted kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an id that begins with {prefix}")]
pub struct BadId {
    /// The prefix that an id of this kind has.
    pub prefix: &'static str,
}

crate::id_type!(
    /// Who: the owner of everything that is somebody's. Here, since the caller of every service is one.
    UserId, "usr_"
);

/// Defines an id: `id_type!(ProductId, "prd_")` makes a newtype over a UUIDv7 with `generate`, `at`, `from_bytes`, `bytes`,
/// `Display` and `FromStr` (`prd_` and 32 hexadecimal digits), order by creation, and the key of a table (16 bytes).
#[macro_export]
macro_rules! id_type {
    ($(#[$meta:meta])* $name:ident, $prefix:literal) => {
        $(#[$meta])*
        #[doc = concat!("\n\nText: `", $prefix, "` and 32 hexadecimal digits; key: 16 bytes, ordered by creation.")]
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name($crate::ids::Uuid);

        impl $name {
            /// What the text of such an id begins with.
            pub const PREFIX: &'static str = $prefix;

            /// A new id of this moment.
            pub fn generate() -> Self {
                Self($crate::ids::Uuid::now_v7())
            }

            /// A new id that sorts at `unix_ms`; two of the same moment differ.
            pub fn at(unix_ms: u64) -> Self {
                Self($crate::ids::uuid_at(unix_ms))
            }

            /// The id of these 16 bytes.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self($crate::ids::Uuid::from_bytes(bytes))
            }

            /// The 16 bytes of the id.
            pub const fn bytes(&self) -> [u8; 16] {
                *self.0.as_bytes()
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                write!(f, "{}{}", $prefix, self.0.as_simple())
            }
        }

        impl ::std::fmt::Debug for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                ::std::fmt::Display::fmt(self, f)
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = $crate::ids::BadId;

            fn from_str(text: &str) -> ::std::result::Result<Self, Self::Err> {
                $crate::ids::parse($prefix, text).map(Self)
            }
        }

        impl $crate::ids::Key for $name {
            fn encode(&self, out: &mut ::std::vec::Vec<u8>) {
                $crate::ids::Key::encode(&$crate::ids::Id16(self.bytes()), out);
            }

            fn decode(input: &mut &[u8]) -> ::std::result::Result<Self, $crate::ids::KeyError> {
                <$crate::ids::Id16 as $crate::ids::Key>::decode(input).map(|id| Self::from_bytes(id.0))
            }
        }
    };
}

#[doc(hidden)]
pub fn uuid_at(unix_ms: u64) -> Uuid {
    // The random bits of a fresh UUID keep ids of one moment apart, with the time put in front of them.
    let mut bytes = *Uuid::now_v7().as_bytes();
    bytes[8..].copy_from_slice(&rand::random::<[u8; 8]>());
    bytes[..6].copy_from_slice(&unix_ms.to_be_bytes()[2..]);
    uuid::Builder::from_bytes(bytes)
        .with_variant(uuid::Variant::RFC4122)
        .with_version(uuid::Version::SortRand)
        .into_uuid()
}

#[doc(hidden)]
pub fn parse(prefix: &'static str, text: &str) -> Result<Uuid, BadId> {
    let bad = BadId { prefix };
    let digits = text.strip_prefix(prefix).ok_or(bad.clone())?;
    // One text for one id: a cache key or a path must not have a second spelling.
    let is_canonical = digits.len() == 32 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if !is_canonical {
        return Err(bad);
    }
    Uuid::try_parse(digits).map_err(|_| bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_from_its_text_and_its_key() {
        let id = UserId::generate();
        assert_eq!(id.to_string().parse::<UserId>(), Ok(id));
        assert_eq!(id.to_string().len(), 36);
        assert_eq!(vitrina_storage::key::decode_all::<UserId>(&vitrina_storage::prefix(&id)), Ok(id));
    }

    #[test]
    fn ids_sort_by_their_time() {
        assert!(UserId::at(1_000) < UserId::at(1_001));
        assert_ne!(UserId::at(7), UserId::at(7));
    }

    #[test]
    fn another_spelling_is_refused() {
        let text = UserId::at(1 << 44).to_string();
        for bad in [
            "",
            "usr_",
            "usr_zz",
            &text[4..],
            &text.replace("usr_", "prd_"),
            &text.to_uppercase(),
            &format!("{text}0"),
        ] {
            assert!(bad.parse::<UserId>().is_err(), "{bad}");
        }
    }
}
