//! The default engine: sled 0.34.7, one tree.
//!
//! What is done around sled, and why: its `flush` ends in `sync_file_range`, which does not flush the disk's own cache, so
//! every sync ends in an `fdatasync` on a descriptor of ours for the same file. After an IO error sled refuses all writes for
//! good, so recovery opens it anew. Opening a damaged log may panic in sled, which is caught and told as damage. Its cache of
//! pages outgrows its bound: accesses are noted in 256 queues, and only a queue with 64 of them evicts (sled's `lru.rs`), so that
//! up to 16,384 pages of some KB stay of what was read or written once. After much of that it is opened anew, too.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::engine::files::{self, Mark};
use crate::engine::{Change, Direction, Engine, Range, StoredRow};
use crate::error::Error;
use crate::open::read_head;

/// How long to wait for the lock of the file. A store that was just dropped in this process may hold it a moment longer,
/// until sled's threads have ended.
const LOCK_WAIT: Duration = Duration::from_secs(5);
const LOCK_RETRY: Duration = Duration::from_millis(20);
/// Rows read by the check of an opening, or written since, after which sled may keep more memory than it is worth: about 10 MB.
const KEPT_ROWS: u64 = 16 * 1024;

pub(crate) struct SledEngine {
    dir: PathBuf,
    cache_bytes: u64,
    open: RwLock<Option<Open>>,
    has_failed: AtomicBool,
    is_closed: AtomicBool,
    /// The last commit that was made durable here.
    durable_seq: AtomicU64,
    /// Rows written, or scanned by the check, since sled was opened.
    touched_rows: AtomicU64,
}

struct Open {
    db: sled::Db,
    /// Our own descriptor of sled's log, for `fdatasync`.
    log: File,
    mark: Mark,
}

/// How an opening fails before anything is known about the rows.
pub(crate) enum OpenFailure {
    Damaged(String),
    Other(Error),
}

impl SledEngine {
    pub(crate) fn open(dir: &Path, cache_bytes: u64) -> Result<SledEngine, OpenFailure> {
        let open = Open::new(dir, cache_bytes)?;
        Ok(SledEngine {
            dir: dir.to_owned(),
            cache_bytes,
            durable_seq: AtomicU64::new(open.mark.seq),
            open: RwLock::new(Some(open)),
            has_failed: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
            touched_rows: AtomicU64::new(0),
        })
    }

    /// The last commit that is known to be durable; 0 when none is.
    pub(crate) fn durable_seq(&self) -> u64 {
        self.durable_seq.load(Ordering::Acquire)
    }

    /// Rows have been read that nobody needs soon again.
    pub(crate) fn note_touched(&self, rows: u64) {
        self.touched_rows.fetch_add(rows, Ordering::Relaxed);
    }

    /// Opens sled anew and gives the last commit that is there; none that was durable may be missing.
    fn reopen(&self) -> Result<u64, Error> {
        {
            let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
            // sled locks its file, so that the old handle must go before the new one can come.
            *open = None;
            *open = Some(Open::new(&self.dir, self.cache_bytes).map_err(|failure| match failure {
                OpenFailure::Damaged(reason) => Error::corrupt(&[], reason),
                OpenFailure::Other(error) => error,
            })?);
        }
        self.touched_rows.store(0, Ordering::Relaxed);
        let head = read_head(self)?;
        if head.commit_seq < self.durable_seq() {
            let reason = format!("commit {} is gone, the last is {}", self.durable_seq(), head.commit_seq);
            return Err(Error::corrupt(&crate::layout::HEAD, reason));
        }
        Ok(head.commit_seq)
    }

    fn with<T>(&self, use_open: impl FnOnce(&Open) -> Result<T, Error>) -> Result<T, Error> {
        match self.open.read().unwrap_or_else(PoisonError::into_inner).as_ref() {
            Some(open) => use_open(open),
            None if self.is_closed.load(Ordering::Acquire) => Err(Error::Closed),
            None => Err(Error::io("open", io::ErrorKind::NotConnected.into())),
        }
    }

    fn noting_failure<T>(&self, outcome: Result<T, Error>) -> Result<T, Error> {
        if outcome.is_err() {
            self.has_failed.store(true, Ordering::Release);
        }
        outcome
    }
}

impl Engine for SledEngine {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Error> {
        self.with(|open| {
            let row = open.db.get(key).map_err(|error| from_sled("read", key, error))?;
            Ok(row.map(|value| Bytes::copy_from_slice(&value)))
        })
    }

    fn scan(&self, range: &Range, limit: usize, direction: Direction) -> Result<Vec<StoredRow>, Error> {
        self.with(|open| {
            let (start, end): (Bound<&Vec<u8>>, Bound<&Vec<u8>>) = (range.0.as_ref(), range.1.as_ref());
            let rows = open.db.range::<&Vec<u8>, _>((start, end));
            let row = |row: sled::Result<(sled::IVec, sled::IVec)>| match row {
                Ok((key, value)) => Ok((key.to_vec(), Bytes::copy_from_slice(&value))),
                Err(error) => Err(from_sled("read", &[], error)),
            };
            match direction {
                Direction::Forward => rows.take(limit).map(row).collect(),
                Direction::Backward => rows.rev().take(limit).map(row).collect(),
            }
        })
    }

    fn apply(&self, batch: &[Change]) -> Result<(), Error> {
        self.note_touched(batch.len() as u64);
        let mut writes = sled::Batch::default();
        for (key, value) in batch {
            match value {
                Some(value) => writes.insert(key.as_slice(), value.as_ref()),
                None => writes.remove(key.as_slice()),
            }
        }
        let outcome =
            self.with(|open| open.db.apply_batch(writes).map_err(|error| from_sled("write", &[], error)));
        self.noting_failure(outcome)
    }

    fn sync(&self, seq: u64) -> Result<(), Error> {
        let outcome = self.with(|open| {
            open.db.flush().map_err(|error| from_sled("sync", &[], error))?;
            open.log.sync_data().map_err(|error| Error::io("sync", error))?;
            open.mark.note(seq).map_err(|error| Error::io("write", error))
        });
        if outcome.is_ok() {
            self.durable_seq.store(seq, Ordering::Release);
        }
        self.noting_failure(outcome)
    }

    fn recover(&self) -> Result<(), Error> {
        if !self.has_failed.load(Ordering::Acquire) {
            return Ok(());
        }
        // Asked first, so that reads go on from the old handle for as long as the disk refuses writes.
        files::probe_disk(&self.dir).map_err(|error| Error::io("write", error))?;
        let commit_seq = self.reopen()?;
        // What the failed group left behind is about to be shown, so it has to be durable first.
        self.sync(commit_seq)?;
        self.has_failed.store(false, Ordering::Release);
        Ok(())
    }

    fn rest(&self) -> Result<(), Error> {
        let is_due = self.touched_rows.load(Ordering::Relaxed) >= KEPT_ROWS;
        let outcome = if is_due { self.reopen().map(drop) } else { Ok(()) };
        self.noting_failure(outcome)
    }

    fn disk_bytes(&self) -> u64 {
        self.with(|open| open.db.size_on_disk().map_err(|error| from_sled("read", &[], error))).unwrap_or(0)
    }

    fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        let open = self.open.write().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(open) = open {
            // All commits are durable already; a mark that is not lags behind, which is harmless.
            let _ = open.mark.sync();
        }
    }
}

impl Open {
    fn new(dir: &Path, cache_bytes: u64) -> Result<Open, OpenFailure> {
        let other = |error| OpenFailure::Other(Error::io("open", error));
        let had_log = fs::metadata(dir.join("db")).is_ok_and(|log| log.len() > 0);
        let mark = Mark::open(dir).map_err(other)?;
        if !had_log && mark.seq > 0 {
            return Err(OpenFailure::Damaged(format!("the log with {} commits is missing", mark.seq)));
        }
        let db = open_db(dir, cache_bytes)?;
        let log = OpenOptions::new().read(true).write(true).open(dir.join("db")).map_err(other)?;
        files::sync_dir(dir).map_err(other)?;
        Ok(Open { db, log, mark })
    }
}

/// How many values lie in files that sled never syncs.
pub(crate) fn unsynced_values(dir: &Path) -> io::Result<usize> {
    match fs::read_dir(dir.join("blobs")) {
        Ok(entries) => Ok(entries.count()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}

fn open_db(dir: &Path, cache_bytes: u64) -> Result<sled::Db, OpenFailure> {
    let deadline = Instant::now() + LOCK_WAIT;
    loop {
        // The commit thread flushes; sled's own timer would only disturb it.
        let config = sled::Config::new().path(dir).cache_capacity(cache_bytes).flush_every_ms(None);
        match catch_unwind(AssertUnwindSafe(|| config.open())) {
            Ok(Ok(db)) => return Ok(db),
            Ok(Err(sled::Error::Io(error))) if is_lock_failure(&error) => {
                if Instant::now() >= deadline {
                    return Err(OpenFailure::Other(Error::Locked { dir: dir.to_owned() }));
                }
                std::thread::sleep(LOCK_RETRY);
            }
            Ok(Err(sled::Error::Io(error))) if !is_data_failure(&error) => {
                return Err(OpenFailure::Other(Error::io("open", error)));
            }
            Ok(Err(error)) => return Err(OpenFailure::Damaged(error.to_string())),
            Err(panic) => {
                return Err(OpenFailure::Damaged(format!("sled cannot read it: {}", panic_text(&*panic))));
            }
        }
    }
}

/// sled tells of a lock that is taken only in the text.
fn is_lock_failure(error: &io::Error) -> bool {
    error.to_string().contains("could not acquire lock")
}

/// Errors that sled makes out of the content of its files, not of the operating system's answer.
fn is_data_failure(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof | io::ErrorKind::Other)
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (None, Some(text)) => text,
        (None, None) => "no message",
    }
}

fn from_sled(action: &'static str, key: &[u8], error: sled::Error) -> Error {
    match error {
        sled::Error::Io(error) => Error::io(action, error),
        sled::Error::Corruption { .. } => Error::corrupt(key, "sled finds its log damaged"),
        error => Error::io(action, io::Error::other(error.to_string())),
    }
}
