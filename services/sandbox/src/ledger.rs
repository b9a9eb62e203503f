//! The book and its journal together: decide on what is known, write it down, then know it.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use tokio::sync::Notify;

use crate::book::{Book, Record};
use crate::error::Error;
use crate::journal::Journal;

/// The durable state of the sandbox. Writes take turns; reads see only what is on disk.
pub(crate) struct Ledger {
    journal: Mutex<Journal>,
    book: RwLock<Book>,
    /// Wakes who sends the notifications.
    written: Notify,
}

impl Ledger {
    /// Reads the journal; the caller's thread may block.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let mut book = Book::default();
        let (mut journal, lines) = Journal::open(path, |record| book.apply(record))?;
        if Journal::is_long(lines) {
            Journal::rewrite(path, book.records())?;
            // The old file goes with its lock; the new one has its own.
            (journal, _) = Journal::open(path, |_| ())?;
        }
        Ok(Self { journal: Mutex::new(journal), book: RwLock::new(book), written: Notify::new() })
    }

    /// Looks something up. Keep it short: a write waits for it.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&Book) -> T) -> T {
        look(&self.book.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Decides on the newest state and keeps the records that the decision left, all or none. Nothing changes in between.
    /// Once begun it is carried through, also if the caller goes away.
    ///
    /// # Errors
    /// See [`Journal::append`]; then nothing was decided.
    pub(crate) async fn write<T: Send + 'static>(
        self: &Arc<Self>,
        decide: impl FnOnce(&Book, &mut Vec<Record>) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let ledger = Arc::clone(self);
        let written = tokio::task::spawn_blocking(move || ledger.write_here(decide)).await;
        written.unwrap_or(Err(Error::Broken))
    }

    /// Returns once something was written since the last call.
    pub(crate) async fn written(&self) {
        self.written.notified().await;
    }

    fn write_here<T>(&self, decide: impl FnOnce(&Book, &mut Vec<Record>) -> T) -> Result<T, Error> {
        let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        let mut records = Vec::new();
        let answer = self.read(|book| decide(book, &mut records));
        if records.is_empty() {
            return Ok(answer);
        }
        journal.append(&records)?;
        let mut book = self.book.write().unwrap_or_else(PoisonError::into_inner);
        records.into_iter().for_each(|record| book.apply(record));
        drop(book);
        self.written.notify_one();
        Ok(answer)
    }
}
