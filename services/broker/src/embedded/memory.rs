//! What memory keeps of the queues: the order of the rows and who listens. All of it is rebuilt from the rows.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::{Notify, mpsc};
use tokio::task::AbortHandle;
use vitrina_storage::{Scan, Store};

use crate::embedded::rows::{BINDINGS, QUEUED};
use crate::{Error, Message, topic};

/// Rows that are read at a time when the queues are loaded.
const LOAD_PAGE_ROWS: usize = 500;
/// How long a consumer sleeps at most when nothing is put off; a wake-up ends it.
const IDLE: Duration = Duration::from_secs(3600);

#[derive(Default)]
pub(super) struct State {
    pub(super) is_loaded: bool,
    pub(super) is_closed: bool,
    pub(super) lanes: HashMap<String, Arc<Lane>>,
    pub(super) transient: Vec<Transient>,
    pub(super) feeders: Vec<AbortHandle>,
    last_seq: u64,
}

pub(super) struct Transient {
    pub(super) topics: Vec<String>,
    pub(super) messages: mpsc::Sender<Message>,
}

impl Transient {
    pub(super) fn is_bound_to(&self, topic: &str) -> bool {
        self.topics.iter().any(|pattern| topic::is_match(pattern, topic))
    }
}

/// A durable queue.
pub(super) struct Lane {
    pub(super) name: String,
    /// Held by the consumer that is fed.
    pub(super) active: tokio::sync::Mutex<()>,
    index: Mutex<Index>,
    wake: Notify,
}

#[derive(Default)]
struct Index {
    topics: Vec<String>,
    ready: BTreeSet<u64>,
    put_off: BTreeSet<(u64, u64)>,
}

impl State {
    pub(super) fn load(&mut self, store: &Store) -> Result<(), Error> {
        let mut after = None;
        loop {
            let scan = Scan { after: after.as_ref(), ..Scan::first(Vec::new(), LOAD_PAGE_ROWS) };
            let page = BINDINGS.scan(store, scan)?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            page.into_iter().for_each(|(queue, row)| self.lane(&queue).bind(row.value.topics));
        }
        let mut after = None;
        loop {
            let scan = Scan { after: after.as_ref(), ..Scan::first(Vec::new(), LOAD_PAGE_ROWS) };
            let page = QUEUED.scan(store, scan)?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            for ((queue, seq), row) in page {
                self.last_seq = self.last_seq.max(seq);
                match row.value.due_ms {
                    0 => self.lane(&queue).ready(seq),
                    due => self.lane(&queue).put_off(due, seq),
                }
            }
        }
        self.is_loaded = true;
        Ok(())
    }

    pub(super) fn next_seq(&mut self) -> u64 {
        self.last_seq += 1;
        self.last_seq
    }

    pub(super) fn lane(&mut self, name: &str) -> Arc<Lane> {
        let new = || {
            Arc::new(Lane {
                name: name.to_owned(),
                active: tokio::sync::Mutex::default(),
                index: Mutex::default(),
                wake: Notify::new(),
            })
        };
        Arc::clone(self.lanes.entry(name.to_owned()).or_insert_with(new))
    }
}

impl Lane {
    pub(super) fn bind(&self, topics: Vec<String>) {
        self.index().topics = topics;
    }

    pub(super) fn is_bound_to(&self, topic: &str) -> bool {
        self.index().topics.iter().any(|pattern| topic::is_match(pattern, topic))
    }

    /// Rows that wait.
    pub(super) fn len(&self) -> usize {
        let index = self.index();
        index.ready.len() + index.put_off.len()
    }

    pub(super) fn ready(&self, seq: u64) {
        self.index().ready.insert(seq);
        self.wake.notify_one();
    }

    pub(super) fn put_off(&self, due_ms: u64, seq: u64) {
        self.index().put_off.insert((due_ms, seq));
        self.wake.notify_one();
    }

    /// The next row that is ready. One caller at a time; safe to cancel.
    pub(super) async fn take(&self) -> u64 {
        loop {
            let pause = match self.take_at(now_ms()) {
                Ok(seq) => return seq,
                Err(pause) => pause,
            };
            // A wake-up that comes in between is kept by the Notify.
            let _ = tokio::time::timeout(pause, self.wake.notified()).await;
        }
    }

    /// The next row when it is ready at this moment.
    pub(super) fn try_take(&self) -> Option<u64> {
        self.take_at(now_ms()).ok()
    }

    /// The next row, or how long it is until one is due.
    fn take_at(&self, now_ms: u64) -> Result<u64, Duration> {
        let mut index = self.index();
        while let Some(&(due, seq)) = index.put_off.first() {
            if due > now_ms {
                break;
            }
            index.put_off.pop_first();
            index.ready.insert(seq);
        }
        let next_due = index.put_off.first().map(|(due, _)| Duration::from_millis(due - now_ms));
        index.ready.pop_first().ok_or(next_due.unwrap_or(IDLE))
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The wall clock: what is put off has to be due after a restart too.
pub(super) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
