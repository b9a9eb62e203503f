//! How the store can fail: one variant per thing that a caller may treat differently.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::key::KeyError;

/// Why a read, a commit or an opening did not succeed.
///
/// Cloneable, since one failure of the disk answers every commit of a group.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An expectation of the commit did not hold; nothing was written. Read again, decide again, commit again.
    #[error("an expectation of the commit does not hold")]
    Conflict,
    /// A key, a value or a commit is over its bound; nothing was written. Retrying cannot help.
    #[error("{what} is {size}, more than {max}")]
    TooLarge {
        /// What was measured: `key bytes`, `value bytes`, `rows per commit`, `bytes per commit`.
        what: &'static str,
        /// The size that was found.
        size: usize,
        /// The bound that it is over.
        max: usize,
    },
    /// The disk refuses writes; this commit was certainly not written. Retry once [`crate::Store::is_read_only`] is `None`.
    #[error("the store is read-only: {reason}")]
    ReadOnly {
        /// What put the store into this mode, as the operating system said it.
        reason: String,
    },
    /// The disk failed in the middle. For a commit the outcome is unknown until the store has recovered: whoever retries
    /// must do so with an expectation or an idempotency key.
    #[error("the disk failed to {action}")]
    Io {
        /// What was being done, as a verb: `write`, `sync`, `open`.
        action: &'static str,
        /// What the operating system answered.
        #[source]
        source: Arc<io::Error>,
    },
    /// A stored value does not match its checksum or does not decode. The value is never handed out.
    #[error("the value of {key} is damaged: {reason}")]
    Corrupt {
        /// The key in hexadecimal, led by the table's name where it is known.
        key: String,
        /// What did not match.
        reason: String,
    },
    /// The files of the store are damaged. They were moved aside and the store stays closed until a backup is imported or
    /// the files are put back.
    #[error("the store in {} is damaged ({reason}); its files are in {}", dir.display(), moved_to.display())]
    Damaged {
        /// The directory that was to be opened.
        dir: PathBuf,
        /// What did not match.
        reason: String,
        /// Where the damaged files are now.
        moved_to: PathBuf,
    },
    /// Another process, or another `Store` of this one, has the directory open.
    #[error("the store in {} is open elsewhere", dir.display())]
    Locked {
        /// The directory that was to be opened.
        dir: PathBuf,
    },
    /// The engine has put a value into a file that it never syncs, which the bounds on keys and values should make
    /// impossible. Nothing is lost as long as the machine stays up: export, and import again.
    #[error("{count} values of the store in {} lie outside of its log", dir.display())]
    Unsynced {
        /// The directory of the store.
        dir: PathBuf,
        /// How many files lie in its `blobs/`.
        count: usize,
    },
    /// The directory to import into already holds something.
    #[error("{} is not empty", dir.display())]
    NotEmpty {
        /// The directory that was to be filled.
        dir: PathBuf,
    },
    /// An export is cut off, damaged or of another format.
    #[error("not a complete export: {reason}")]
    BadExport {
        /// What did not match.
        reason: String,
    },
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
    /// A stored key does not decode as the type of its table's key.
    #[error("a key of table {table} does not decode")]
    Key {
        /// The table's name.
        table: &'static str,
        /// What was wrong with the key.
        #[source]
        source: KeyError,
    },
}

impl Error {
    pub(crate) fn io(action: &'static str, source: io::Error) -> Error {
        Error::Io { action, source: Arc::new(source) }
    }

    pub(crate) fn corrupt(key: &[u8], reason: impl Into<String>) -> Error {
        Error::Corrupt { key: hex(key), reason: reason.into() }
    }
}

/// Lower-case hexadecimal, for keys in messages.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
