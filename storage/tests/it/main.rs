//! The store as its users see it: what a commit promises, what a crash, a full disk and a damaged file leave.

#![expect(clippy::unwrap_used, reason = "a failed step ends the test, in its helpers too")]

mod backup;
mod commits;
mod crash;
mod damage;
mod faults;
mod records;

use std::path::Path;

use vitrina_storage::{Commit, Options, OutboxMessage, Store, Table};

/// Numbers by name; a number is the simplest prost message.
const NUMBERS: Table<String, u64> = Table::new(0x10, "numbers");
const BLOBS: Table<u64, Vec<u8>> = Table::new(0x11, "blobs");

fn open(dir: &Path) -> Store {
    Store::open(dir, Options::default()).expect("the store opens")
}

fn name(number: usize) -> String {
    format!("name-{number:05}")
}

fn put(name: &str, value: u64) -> Commit {
    let mut commit = Commit::new();
    commit.put(&NUMBERS, &name.to_owned(), &value);
    commit
}

fn number(store: &Store, name: &str) -> Option<(u64, u64)> {
    let row = NUMBERS.get(store, &name.to_owned()).expect("the read succeeds");
    row.map(|row| (row.value, row.version))
}

fn message(key: &str, payload_bytes: usize) -> OutboxMessage {
    OutboxMessage {
        topic: "tests.happened".into(),
        key: key.into(),
        payload: vec![7; payload_bytes].into(),
        headers: vec![("a".into(), "1".into()), ("a".into(), "2".into())],
    }
}
