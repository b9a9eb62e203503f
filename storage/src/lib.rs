//! The store of a service: an ordered map from keys to values with conditional, atomic, durable commits.

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
mod sweep;
mod table;
mod view;
mod watchdog;
mod writer;

pub use crate::backup::ExportSummary;
pub use crate::commit::{COMMIT_BYTES_MAX, COMMIT_ROWS_MAX, Commit, CommitSeq, KEY_BYTES_MAX, VALUE_BYTES_MAX};
pub use crate::engine::{Direction, Engine, Range, StoredRow};
pub use crate::error::Error;
pub use crate::key::{Id16, Key, KeyError, Reversed, prefix};
pub use crate::outbox::{Outbox, OutboxRow};
pub use crate::records::{IdempotencyKey, IdempotencyRecord, OutboxMessage};
pub use crate::store::{Options, PAGE_ROWS_MAX, Raw, Stats, Store};
pub use crate::sweep::Swept;
pub use crate::table::{Row, Scan, Table};
