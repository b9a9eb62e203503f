//! The store of a service: an ordered map from keys to values, read freely and written by conditional, atomic, durable
//! commits. The engine below is sled 0.34.7; only this crate knows that.
//!
//! # Duty
//! - An answer of success from [`Store::commit`] means that the bytes are on disk (`fdatasync`), not only written.
//! - Outbox messages, inbox marks and idempotency records stand in the same commit as the fact that they belong to.
//! - A damaged value is never handed out, a damaged store is never opened as an empty one.
//!
//! # Flow
//! ```text
//! Table ──▶ Commit ──▶ commit thread: gather ▸ stage (expectations, versions) ▸ hide ▸ batch ▸ flush + fdatasync ▸ show ▸ answer
//!   │                                                                            │
//!   └─ get, scan ──▶ view (what is durable) ◀── mask of the group in flight ◀────┘
//! ```
//! ```
//! use vitrina_storage::{Commit, Error, Options, OutboxMessage, Store, Table};
//!
//! // Any prost message will do; the number of a stock stands for one here.
//! const STOCK: Table<String, u64> = Table::new(0x10, "stock");
//!
//! # let dir = tempfile::tempdir().unwrap();
//! # let dir = dir.path().join("products");
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let store = Store::open(&dir, Options::default())?;
//! let sku = "shirt".to_owned();
//! let mut commit = Commit::new();
//! commit.expect_absent(&STOCK, &sku).put(&STOCK, &sku, &12).emit(OutboxMessage {
//!     topic: "products.stock_changed".into(),
//!     key: sku.clone(),
//!     ..OutboxMessage::default()
//! });
//! store.commit(commit.clone()).await?;
//! assert!(matches!(store.commit(commit).await, Err(Error::Conflict)));
//! let row = STOCK.get(&store, &sku)?.expect("it was just written");
//! assert_eq!((row.value, row.version), (12, 1));
//! store.close().await;
//! # Ok::<(), Error>(())
//! # }).unwrap();
//! ```
//!
//! # Invariants
//! 1. One writer, the commit thread; reads never pass through it and never see what may still be lost.
//! 2. A page of a scan, a `get_many` and an export are each of one moment.
//! 3. The version of a row is 1 when it is new and one more with each overwrite; a row that was deleted begins anew.
//! 4. Every row carries a checksum over its key and value; the head carries their number and sum (see `records`), and a mark
//!    beside the log says how far it must reach (see `engine::files`). Together they show missing, old and changed rows.
//! 5. Everything is bounded: [`KEY_BYTES_MAX`], [`VALUE_BYTES_MAX`], [`COMMIT_ROWS_MAX`], [`COMMIT_BYTES_MAX`],
//!    [`PAGE_ROWS_MAX`], the requests that wait, the group, the time of a commit.
//!
//! # When something fails
//! | what | what the store does |
//! |---|---|
//! | disk full, EIO | the group is answered [`Error::Io`], later commits [`Error::ReadOnly`]; reads go on; it comes back by itself |
//! | the process is killed | at the next start the log is recovered: whole groups, everything acknowledged |
//! | a commit hangs | the process aborts after [`Options::commit_timeout`] |
//! | files damaged | moved aside, [`Error::Damaged`] at every start until [`Store::import`] |
//!
//! A known limit: after an `fdatasync` that failed with EIO, Linux may count the pages as written. What recovery then reads
//! from memory may not be on the disk until the next commit rewrites it.
//!
//! # What it is not
//! No query language, no secondary indexes (write index rows in the commit), no transactions over several stores, no
//! replication.

mod backup;
mod commit;
mod engine;
mod envelope;
mod error;
pub mod fault;
mod group;
pub mod key;
mod layout;
mod open;
mod outbox;
mod records;
mod store;
mod submit;
mod sweep;
mod table;
mod view;
mod watchdog;
mod writer;

pub use crate::backup::ExportSummary;
pub use crate::commit::{
    COMMIT_BYTES_MAX, COMMIT_ROWS_MAX, Commit, CommitSeq, KEY_BYTES_MAX, VALUE_BYTES_MAX,
};
pub use crate::engine::{Change, Direction, Engine, Range, StoredRow};
pub use crate::error::Error;
pub use crate::key::{Id16, Key, KeyError, Reversed, prefix};
pub use crate::outbox::{Outbox, OutboxRow};
pub use crate::records::{IdempotencyKey, IdempotencyRecord, OutboxMessage};
pub use crate::store::{Options, PAGE_ROWS_MAX, Raw, Stats, Store};
pub use crate::sweep::Swept;
pub use crate::table::{Row, Scan, Table};
