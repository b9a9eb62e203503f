//! The files beside sled's own: the mark of what is durable, and the note that a damaged store leaves behind.
//!
//! | file | holds |
//! |---|---|
//! | `durable.mark` | two slots with the number of the last durable commit, written in turn after each group |
//! | `DAMAGED` | why the store was moved aside, and to where |
//!
//! sled takes a log that is cut off for one that ends there. The mark tells the two apart: it is written only once a commit
//! is durable and never synced before the close, so that after a crash it may lag behind the log, but never be ahead of it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::error::Error;

const MARK: &str = "durable.mark";
const NOTE: &str = "DAMAGED";
const SLOT_BYTES: usize = 12;
/// The slots lie in different sectors, so that a torn write hurts one of them.
const SLOT_STRIDE: u64 = 4096;
/// Enough to need new blocks on any usual file system.
const PROBE_BYTES: usize = 256 * 1024;

/// The mark of the last durable commit.
pub(crate) struct Mark {
    file: File,
    writes: AtomicU64,
    /// The number of the last durable commit when the mark was opened; 0 when unknown.
    pub(crate) seq: u64,
}

impl Mark {
    pub(crate) fn open(dir: &Path) -> io::Result<Mark> {
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(dir.join(MARK))?;
        let seq = read_slot(&file, 0).max(read_slot(&file, 1));
        // The first write must not hit the slot that holds the highest number.
        let writes = AtomicU64::new(u64::from(read_slot(&file, 0) == seq));
        Ok(Mark { file, writes, seq })
    }

    pub(crate) fn note(&self, seq: u64) -> io::Result<()> {
        let mut slot = [0; SLOT_BYTES];
        slot[..8].copy_from_slice(&seq.to_be_bytes());
        slot[8..].copy_from_slice(&crc32fast::hash(&seq.to_be_bytes()).to_be_bytes());
        let turn = self.writes.fetch_add(1, Ordering::Relaxed) % 2;
        self.file.write_all_at(&slot, turn * SLOT_STRIDE)
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }
}

/// Makes the names in a directory durable.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Whether the disk takes a new file, without touching the store.
pub(crate) fn probe_disk(dir: &Path) -> io::Result<()> {
    let path = dir.join("probe.tmp");
    let written = File::create(&path).and_then(|mut file| {
        file.write_all(&[0x5A; PROBE_BYTES])?;
        file.sync_all()
    });
    let removed = fs::remove_file(&path);
    written.and(removed)
}

/// Refuses a directory whose store was found damaged before.
pub(crate) fn refuse_if_noted(dir: &Path) -> Result<(), Error> {
    match fs::read_to_string(dir.join(NOTE)) {
        Ok(note) => {
            let mut lines = note.lines();
            let moved_to = PathBuf::from(lines.next().unwrap_or_default());
            let reason = lines.next().unwrap_or("unknown").to_owned();
            Err(Error::Damaged { dir: dir.to_owned(), reason, moved_to })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Error::io("open", error)),
    }
}

/// Moves a damaged store aside and leaves a note in its place, so that no later start takes the place for an empty store.
pub(crate) fn move_aside(dir: &Path, reason: &str) -> Error {
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    let mut name = dir.file_name().unwrap_or_default().to_owned();
    name.push(format!(".damaged-{now_ms}"));
    let moved_to = dir.with_file_name(name);
    match leave_note(dir, reason, &moved_to) {
        Ok(()) => Error::Damaged { dir: dir.to_owned(), reason: reason.to_owned(), moved_to },
        Err(error) => Error::io("move the damaged store aside", error),
    }
}

/// Whether a directory may be filled: absent, empty, or holding only the note of a damaged store.
pub(crate) fn is_free(dir: &Path) -> io::Result<bool> {
    match fs::read_dir(dir) {
        Ok(entries) => {
            for entry in entries {
                if entry?.file_name() != NOTE {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}

fn leave_note(dir: &Path, reason: &str, moved_to: &Path) -> io::Result<()> {
    // The note also goes into the damaged store itself, first: should the process end between the renames below, the files
    // still say what they are. The one moment in which the directory is missing cannot be closed without renameat2.
    let mut name = dir.file_name().unwrap_or_default().to_owned();
    name.push(".note");
    let place = dir.with_file_name(name);
    fs::create_dir_all(&place)?;
    let text = format!(
        "{}\n{reason}\nThe store that was here is damaged. Import a backup into this directory, or put the files back and \
         remove this note.\n",
        moved_to.display(),
    );
    for holder in [dir, &place] {
        let mut note = File::create(holder.join(NOTE))?;
        note.write_all(text.as_bytes())?;
        note.sync_all()?;
        sync_dir(holder)?;
    }
    fs::rename(dir, moved_to)?;
    fs::rename(&place, dir)?;
    dir.parent().map_or(Ok(()), |parent| {
        sync_dir(if parent.as_os_str().is_empty() { Path::new(".") } else { parent })
    })
}

fn read_slot(file: &File, slot: u64) -> u64 {
    let mut bytes = [0; SLOT_BYTES];
    // A slot that is missing or torn says nothing; the other one counts.
    if file.read_exact_at(&mut bytes, slot * SLOT_STRIDE).is_err() {
        return 0;
    }
    let (seq, checksum) = bytes.split_at(8);
    if crc32fast::hash(seq).to_be_bytes() != checksum {
        return 0;
    }
    seq.try_into().map_or(0, u64::from_be_bytes)
}
