//! Typed tables: keys that encode in order, values that are prost messages.

use std::marker::PhantomData;
use std::ops::Bound;

use prost::Message;

use crate::engine::Direction;
use crate::error::{Error, hex};
use crate::key::{Key, after_prefix, decode_all};
use crate::layout::{TABLES_FIRST, TABLES_LAST};
use crate::store::{Raw, Store};

/// A table of a service: the rows whose keys begin with its prefix.
pub struct Table<K, V> {
    prefix: u8,
    name: &'static str,
    types: PhantomData<fn() -> (K, V)>,
}

/// A value and the version that an expectation may name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row<V> {
    /// The stored message.
    pub value: V,
    /// 1 for a new row, one more with each overwrite.
    pub version: u64,
}

/// Which rows of a table to read, and how many of them.
#[derive(Clone, Debug)]
pub struct Scan<'a, K> {
    /// Only keys that begin with these bytes, from [`crate::prefix`]; empty for the whole table.
    pub within: Vec<u8>,
    /// Begin behind this key, which itself is left out: the last key of the page before.
    pub after: Option<&'a K>,
    /// At most this many rows; more than [`crate::PAGE_ROWS_MAX`] counts as that.
    pub limit: usize,
    /// Upwards or downwards.
    pub direction: Direction,
}

impl<K> Scan<'_, K> {
    /// The first `limit` rows whose keys begin with `within`.
    pub fn first(within: Vec<u8>, limit: usize) -> Self {
        Scan { within, after: None, limit, direction: Direction::Forward }
    }
}

impl<K, V> Table<K, V> {
    /// A table under a prefix of `0x10..=0xEF`, which no other table of the service may have; the name is for messages.
    ///
    /// # Panics
    /// With another prefix. Tables are constants, so this shows when compiling.
    pub const fn new(prefix: u8, name: &'static str) -> Self {
        assert!(
            prefix >= TABLES_FIRST && prefix <= TABLES_LAST,
            "prefixes outside of 0x10..=0xEF are reserved"
        );
        Table { prefix, name, types: PhantomData }
    }

    /// The table's name.
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

impl<K: Key, V> Table<K, V> {
    pub(crate) fn key(&self, key: &K) -> Vec<u8> {
        let mut out = vec![self.prefix];
        key.encode(&mut out);
        out
    }
}

impl<K: Key, V: Message + Default> Table<K, V> {
    /// The row of a key; `None` when it has none.
    ///
    /// # Errors
    /// [`Error::Corrupt`] for a damaged value, [`Error::Io`] when the disk fails, [`Error::Closed`].
    pub fn get(&self, store: &Store, key: &K) -> Result<Option<Row<V>>, Error> {
        let key = self.key(key);
        store.get(&key)?.map(|raw| self.decode(&key, raw)).transpose()
    }

    /// The rows of several keys, in the order of the keys, all as of the same moment.
    ///
    /// # Errors
    /// As [`Table::get`].
    pub fn get_many(&self, store: &Store, keys: &[K]) -> Result<Vec<Option<Row<V>>>, Error> {
        let keys: Vec<Vec<u8>> = keys.iter().map(|key| self.key(key)).collect();
        let rows = store.get_many(&keys)?;
        keys.iter().zip(rows).map(|(key, raw)| raw.map(|raw| self.decode(key, raw)).transpose()).collect()
    }

    /// A page of rows in the order of their keys, all as of the same moment.
    ///
    /// # Errors
    /// As [`Table::get`]; [`Error::Key`] for a key that does not decode.
    pub fn scan(&self, store: &Store, scan: Scan<'_, K>) -> Result<Vec<(K, Row<V>)>, Error> {
        let mut within = vec![self.prefix];
        within.extend_from_slice(&scan.within);
        let end = after_prefix(&within).map_or(Bound::Unbounded, Bound::Excluded);
        let start = Bound::Included(within);
        let range = match (scan.after.map(|key| self.key(key)), scan.direction) {
            (None, _) => (start, end),
            (Some(after), Direction::Forward) => (Bound::Excluded(after), end),
            (Some(after), Direction::Backward) => (start, Bound::Excluded(after)),
        };
        let rows = store.scan(range, scan.limit, scan.direction)?;
        rows.into_iter()
            .map(|(key, raw)| {
                let row = self.decode(&key, raw)?;
                let key = decode_all(&key[1..]).map_err(|source| Error::Key { table: self.name, source })?;
                Ok((key, row))
            })
            .collect()
    }

    fn decode(&self, key: &[u8], raw: Raw) -> Result<Row<V>, Error> {
        match V::decode(raw.value) {
            Ok(value) => Ok(Row { value, version: raw.version }),
            Err(error) => {
                Err(Error::Corrupt { key: format!("{} {}", self.name, hex(key)), reason: error.to_string() })
            }
        }
    }
}
