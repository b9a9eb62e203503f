//! The journal: one line of JSON for each write, appended and flushed before the write is answered.
//!
//! A line is an array of records that belong together, so that they are kept all or not at all. A crash can leave the last
//! line without its end; it was never answered, and opening cuts it off.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::book::Record;
use crate::disk;
use crate::error::Error;

/// Lines from which on opening writes the journal anew with only what still matters: some megabytes, read in well under
/// a second.
const LINES_MAX: usize = 20_000;

/// How long to wait for whoever holds the journal, and how often to look.
const LOCK_WAIT_MAX: Duration = Duration::from_secs(5);
const LOCK_POLL: Duration = Duration::from_millis(20);

/// An open journal.
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    /// Set by a failed write: what the file holds after it is unknown until it is read again.
    is_broken: bool,
}

impl Journal {
    /// Opens or makes the journal and hands each record to `apply`, oldest first; gives the number of lines too.
    pub(crate) fn open(path: &Path, mut apply: impl FnMut(Record)) -> Result<(Self, usize), Error> {
        let opened = OpenOptions::new().read(true).append(true).create(true).open(path);
        let mut file = opened.map_err(disk::failed(path))?;
        lock(&file, path)?;
        let content = fs::read(path).map_err(disk::failed(path))?;
        let whole = content.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let mut lines = 0;
        for line in content[..whole].split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            lines += 1;
            let records: Vec<Record> = serde_json::from_slice(line).map_err(|source| Error::Journal {
                path: path.to_owned(),
                line: lines,
                source,
            })?;
            records.into_iter().for_each(&mut apply);
        }
        if whole < content.len() {
            tracing::info!(bytes = content.len() - whole, "cut an unfinished line off the sandbox's journal");
            file.set_len(whole as u64).map_err(disk::failed(path))?;
        }
        file.flush().and_then(|()| file.sync_all()).map_err(disk::failed(path))?;
        if let Some(dir) = path.parent() {
            disk::sync_dir(dir).map_err(disk::failed(dir))?;
        }
        Ok((Self { path: path.to_owned(), file, is_broken: false }, lines))
    }

    /// Whether so much has gathered that the journal should be written anew.
    pub(crate) fn is_long(lines: usize) -> bool {
        lines > LINES_MAX
    }

    /// Replaces the journal by one that holds these records.
    pub(crate) fn rewrite(path: &Path, records: impl Iterator<Item = Record>) -> Result<(), Error> {
        let mut content = Vec::new();
        for record in records {
            line(&[record], &mut content);
        }
        disk::replace(path, &content).map_err(disk::failed(path))
    }

    /// Appends the records as one line; they are on disk when it returns.
    ///
    /// # Errors
    /// [`Error::File`] when the write failed, [`Error::Broken`] for every write after that one.
    pub(crate) fn append(&mut self, records: &[Record]) -> Result<(), Error> {
        if self.is_broken {
            return Err(Error::Broken);
        }
        let mut content = Vec::new();
        line(records, &mut content);
        let written = self.file.write_all(&content).and_then(|()| self.file.sync_data());
        written.map_err(|error| {
            self.is_broken = true;
            disk::failed(&self.path)(error)
        })
    }
}

/// Takes the journal for this process. One that was just let go of in this process may be held for some moments more, by
/// a write that is being carried through.
fn lock(file: &File, path: &Path) -> Result<(), Error> {
    let give_up_at = Instant::now() + LOCK_WAIT_MAX;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(source)) => return Err(Error::File { path: path.to_owned(), source }),
            Err(TryLockError::WouldBlock) if Instant::now() >= give_up_at => {
                return Err(Error::InUse { path: path.to_owned() });
            }
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_POLL),
        }
    }
}

fn line(records: &[Record], out: &mut Vec<u8>) {
    let written = serde_json::to_writer(&mut *out, records);
    written.expect("records are strings, numbers and maps with text keys");
    out.push(b'\n');
}
