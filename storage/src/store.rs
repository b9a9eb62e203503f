//! The store as its users hold it: reads, the one way to write, and what can be asked about it.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Semaphore, oneshot, watch};

use crate::commit::Commit;
use crate::engine::{Direction, Engine, Range};
use crate::error::Error;
use crate::layout;
use crate::outbox::Outbox;
use crate::records::{self, IdempotencyKey, IdempotencyRecord};
use crate::view::View;
use crate::writer::{self, Order, Outcomes, Request};
use crate::{open, watchdog};

/// Most rows of one scan; more are asked for with a cursor.
pub const PAGE_ROWS_MAX: usize = 1000;

/// Requests that may wait for the commit thread before others wait to be let in: eight full groups of single commits.
const WAITING_REQUESTS_MAX: usize = 4096;

/// The store of one service. Clones share it; the last one dropped closes it.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

/// A value as bytes, with its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raw {
    /// The bytes that were put.
    pub value: Bytes,
    /// 1 for a new row, one more with each overwrite.
    pub version: u64,
}

/// What can be set when opening.
#[derive(Clone, Debug)]
pub struct Options {
    /// Memory for the engine's cache of pages. sled counts pages as they are on disk and takes two to three times as much; the
    /// default keeps four stores in one process, with a catalogue of 20,000 products, well below 150 MB.
    pub cache_bytes: u64,
    /// A commit that takes longer aborts the process: sled is reported to deadlock under load (its issues 1301 and 1412),
    /// and a restart recovers everything acknowledged. The default of 30 s leaves room for a slow disk.
    pub commit_timeout: Duration,
    /// How long to wait between attempts to write again while read-only.
    pub probe_interval: Duration,
}

/// Sizes of a store, as of the last durable commit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Bytes of all keys and values, with their envelopes.
    pub live_bytes: u64,
    /// Bytes of the files. Far above `live_bytes`, an export and import wins them back.
    pub disk_bytes: u64,
    /// Rows, those of outbox, inbox, idempotency records and of long values included.
    pub rows: u64,
}

/// What the store and its threads share.
pub(crate) struct Shared {
    pub(crate) view: View,
    /// Why the store is read-only; `None` while it is not.
    pub(crate) read_only: RwLock<Option<String>>,
    /// The last durable outbox sequence.
    pub(crate) outbox: watch::Sender<u64>,
    /// When the running commit began, in ms since the watchdog's start; 0 when none runs.
    pub(crate) busy_since_ms: AtomicU64,
}

struct Inner {
    shared: Arc<Shared>,
    orders: mpsc::Sender<Order>,
    slots: Arc<Semaphore>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            cache_bytes: 8 * 1024 * 1024,
            commit_timeout: Duration::from_secs(30),
            probe_interval: Duration::from_secs(1),
        }
    }
}

impl Store {
    /// Opens the store in a directory, or creates it there. Blocks while the checksums of all rows are checked (of a sample
    /// above 1 GB); do not call it on an async thread that others need.
    ///
    /// # Errors
    /// [`Error::Damaged`] when the files are damaged: they have been moved aside, and the directory stays closed until a
    /// backup is imported. [`Error::Locked`] when it is open elsewhere. [`Error::Unsynced`], [`Error::Io`].
    pub fn open(dir: &Path, options: Options) -> Result<Store, Error> {
        let engine = open::open_checked(dir, &options)?;
        Store::start(engine, &options)
    }

    /// A store on an engine of the caller's, with default options; see [`crate::fault`].
    ///
    /// # Errors
    /// Those of the engine when the counters are read.
    pub fn with_engine(engine: Arc<dyn Engine>) -> Result<Store, Error> {
        Store::start(engine, &Options::default())
    }

    pub(crate) fn start(engine: Arc<dyn Engine>, options: &Options) -> Result<Store, Error> {
        let head = open::read_head(&*engine)?;
        let shared = Arc::new(Shared {
            view: View::new(engine, head),
            read_only: RwLock::new(None),
            outbox: watch::Sender::new(head.outbox_seq),
            busy_since_ms: AtomicU64::new(0),
        });
        let (orders, received) = mpsc::channel();
        let clock = watchdog::spawn(&shared, options.commit_timeout)?;
        let writer = writer::spawn(Arc::clone(&shared), received, clock, options.probe_interval)?;
        let slots = Arc::new(Semaphore::new(WAITING_REQUESTS_MAX));
        Ok(Store { inner: Arc::new(Inner { shared, orders, slots, writer: Mutex::new(Some(writer)) }) })
    }

    /// The value of a key; `None` when it has none. Only what is durable is seen.
    ///
    /// # Errors
    /// [`Error::Corrupt`] for a damaged value, [`Error::Io`] when the disk fails, [`Error::Closed`].
    pub fn get(&self, key: &[u8]) -> Result<Option<Raw>, Error> {
        self.inner.shared.view.get(key)
    }

    /// The values of several keys, in the order of the keys, all as of the same moment.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub fn get_many(&self, keys: &[Vec<u8>]) -> Result<Vec<Option<Raw>>, Error> {
        self.inner.shared.view.get_many(keys)
    }

    /// A page of at most `limit` rows (1,000 at most), all as of the same moment.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub fn scan(
        &self,
        range: Range,
        limit: usize,
        direction: Direction,
    ) -> Result<Vec<(Vec<u8>, Raw)>, Error> {
        self.inner.shared.view.scan(&range, limit.min(PAGE_ROWS_MAX), direction)
    }

    /// Waits until all commits handed over so far are answered, and lets go of the files, also for other clones.
    pub async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.inner.orders.send(Order::Close(Some(done))).is_ok() {
            // An error means that another close was first, which is as good.
            let _ = closed.await;
        }
    }

    /// The messages that are still to be sent.
    pub fn outbox(&self) -> Outbox {
        Outbox::new(self.clone())
    }

    /// Why the store refuses writes; `None` while it does not. It comes back by itself when the disk does.
    pub fn is_read_only(&self) -> Option<String> {
        self.inner.shared.read_only.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sizes, without reading through the store.
    pub fn stats(&self) -> Stats {
        let head = self.inner.shared.view.head();
        let disk_bytes = self.inner.shared.view.engine().disk_bytes();
        Stats { live_bytes: head.live_bytes, disk_bytes, rows: head.rows }
    }

    /// What was answered under an idempotency key; `None` when nothing was, or when it was swept.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub fn idempotency(&self, key: &IdempotencyKey) -> Result<Option<IdempotencyRecord>, Error> {
        let row = layout::idempotency(key);
        self.get(&row)?.map(|raw| records::decode_record(&row, raw.value)).transpose()
    }

    /// Whether a commit has marked this message as handled.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub fn is_handled(&self, message_id: &str) -> Result<bool, Error> {
        Ok(self.get(&layout::inbox(message_id))?.is_some())
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.inner.shared
    }

    /// Hands commits to the commit thread, once it has a place for them.
    pub(crate) async fn hand_over(&self, commits: Vec<Commit>) -> Result<oneshot::Receiver<Outcomes>, Error> {
        let slots = Arc::clone(&self.inner.slots);
        let slot = slots.acquire_owned().await.map_err(|_| Error::Closed)?;
        let (reply, answer) = oneshot::channel();
        let request = Request { commits, reply, slot };
        self.inner.orders.send(Order::Commit(request)).map_err(|_| Error::Closed)?;
        Ok(answer)
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Store").field("head", &self.inner.shared.view.head()).finish_non_exhaustive()
    }
}

impl Shared {
    pub(crate) fn set_read_only(&self, reason: Option<String>) {
        *self.read_only.write().unwrap_or_else(PoisonError::into_inner) = reason;
    }

    pub(crate) fn set_busy_since_ms(&self, since_ms: u64) {
        self.busy_since_ms.store(since_ms, Ordering::Release);
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The thread may have ended by a close before; then there is nobody to tell.
        let _ = self.orders.send(Order::Close(None));
        let writer = self.writer.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            // It ends after the commits that are waiting; a panic in it aborts the process before this.
            let _ = writer.join();
        }
    }
}
