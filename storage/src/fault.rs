//! An engine that fails on command, for tests of whatever stands on a store.
//!
//! ```
//! # let dir = tempfile::tempdir().unwrap();
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! use vitrina_storage::{Commit, Error, OutboxMessage, fault};
//!
//! let (store, faults) = fault::open(dir.path())?;
//! faults.fail(1, fault::When::BeforeWrite);
//! let mut commit = Commit::new();
//! commit.emit(OutboxMessage::default());
//! assert!(matches!(store.commit(commit.clone()).await, Err(Error::Io { .. })));
//! assert!(store.outbox().pending(0, 10)?.is_empty());
//! # Ok::<(), Error>(())
//! # }).unwrap();
//! ```

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::engine::{Change, Direction, Engine, Range, StoredRow};
use crate::error::Error;
use crate::open;
use crate::store::{Options, Store};

/// At which moment of a commit the failure strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Nothing is written.
    BeforeWrite,
    /// All is written and durable, but the caller is told of a failure: the answer that got lost.
    AfterWrite,
    /// The write never ends, as in a deadlock of the engine; the watchdog is to end the process.
    Never,
}

/// The switch of a store that fails on command. Clones are of the same switch.
///
/// What is counted are the batches that reach the engine: one for each commit when they are made one after the other, one
/// for several when they are made at once. Commits refused for a conflict do not reach it.
#[derive(Clone)]
pub struct Faults {
    inner: Arc<Inner>,
}

struct Inner {
    engine: Arc<dyn Engine>,
    batches: AtomicU64,
    plan: Mutex<Plan>,
}

#[derive(Default)]
struct Plan {
    /// The batches that fail, by number.
    single: Vec<(u64, When)>,
    /// What every write and every recovery answers.
    lasting: Option<io::ErrorKind>,
    /// Whether the batch that is being written fails when it is synced.
    is_next_sync_failing: bool,
}

/// Opens the sled store of a directory behind a switch. Recovery from failures is attempted every 20 ms.
///
/// # Errors
/// As [`Store::open`].
pub fn open(dir: &Path) -> Result<(Store, Faults), Error> {
    open_with(dir, Options { probe_interval: std::time::Duration::from_millis(20), ..Options::default() })
}

/// As [`open()`], with options of the caller's.
///
/// # Errors
/// As [`Store::open`].
pub fn open_with(dir: &Path, options: Options) -> Result<(Store, Faults), Error> {
    let faults = Faults::new(open::open_checked(dir, &options)?);
    let store = Store::start(faults.engine(), &options)?;
    Ok((store, faults))
}

impl Faults {
    /// Puts a switch before an engine.
    pub fn new(engine: Arc<dyn Engine>) -> Faults {
        Faults { inner: Arc::new(Inner { engine, batches: AtomicU64::new(0), plan: Mutex::default() }) }
    }

    /// The engine with the switch, for [`Store::with_engine`].
    pub fn engine(&self) -> Arc<dyn Engine> {
        Arc::clone(&self.inner) as Arc<dyn Engine>
    }

    /// Lets the `nth` batch from now on fail, 1 being the next. The store recovers from it by itself at once.
    pub fn fail(&self, nth: u64, when: When) {
        let number = self.batches() + nth;
        self.plan(|plan| plan.single.push((number, when)));
    }

    /// Lets everything that writes fail with this error, such as [`io::ErrorKind::StorageFull`], until [`Faults::heal`].
    pub fn fail_all(&self, kind: io::ErrorKind) {
        self.plan(|plan| plan.lasting = Some(kind));
    }

    /// Takes back all failures that have not struck yet.
    pub fn heal(&self) {
        self.plan(|plan| *plan = Plan::default());
    }

    /// Batches that have reached the engine so far, the failed ones included.
    pub fn batches(&self) -> u64 {
        self.inner.batches.load(Ordering::SeqCst)
    }

    fn plan(&self, change: impl FnOnce(&mut Plan)) {
        self.inner.plan(change);
    }
}

impl Inner {
    fn plan<T>(&self, change: impl FnOnce(&mut Plan) -> T) -> T {
        change(&mut self.plan.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Engine for Inner {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Error> {
        self.engine.get(key)
    }

    fn scan(&self, range: &Range, limit: usize, direction: Direction) -> Result<Vec<StoredRow>, Error> {
        self.engine.scan(range, limit, direction)
    }

    fn apply(&self, batch: &[Change]) -> Result<(), Error> {
        let number = self.batches.fetch_add(1, Ordering::SeqCst) + 1;
        let (failure, is_endless) = self.plan(|plan| {
            let when = plan.single.iter().find(|(nth, _)| *nth == number).map(|(_, when)| *when);
            plan.single.retain(|(nth, _)| *nth > number);
            plan.is_next_sync_failing = when == Some(When::AfterWrite);
            let failure = match (plan.lasting, when) {
                (Some(kind), _) => Some(io::Error::from(kind)),
                (None, Some(When::BeforeWrite)) => Some(io::Error::other("a failure on command")),
                (None, _) => None,
            };
            (failure, when == Some(When::Never))
        });
        if is_endless {
            loop {
                std::thread::park();
            }
        }
        match failure {
            Some(failure) => Err(Error::io("write", failure)),
            None => self.engine.apply(batch),
        }
    }

    fn sync(&self, seq: u64) -> Result<(), Error> {
        self.engine.sync(seq)?;
        if self.plan(|plan| std::mem::take(&mut plan.is_next_sync_failing)) {
            return Err(Error::io("sync", io::Error::other("a failure on command")));
        }
        Ok(())
    }

    fn recover(&self) -> Result<(), Error> {
        match self.plan(|plan| plan.lasting) {
            Some(kind) => Err(Error::io("write", kind.into())),
            None => self.engine.recover(),
        }
    }

    fn disk_bytes(&self) -> u64 {
        self.engine.disk_bytes()
    }

    fn close(&self) {
        self.engine.close();
    }
}
