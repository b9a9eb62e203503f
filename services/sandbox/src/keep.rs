//! What a stopped sandbox keeps, for whoever makes a backup of it.
//!
//! Drafts of uploads are left out: they were never answered. Everything is read and checked first, so that what is damaged is
//! named before it is copied.

use std::path::{Path, PathBuf};

use crate::book::Book;
use crate::error::Error;
use crate::journal::Journal;
use crate::sendgrid::MailSigner;
use crate::{JOURNAL, MAIL_KEY, OBJECTS, disk, s3};

/// The files of a sandbox that does not run. As long as this lives, none can be started on them.
pub struct Kept {
    files: Vec<PathBuf>,
    /// Holds the folder.
    _journal: Journal,
}

impl Kept {
    /// Takes the folder of a sandbox and reads all that it keeps. `None`: no sandbox ever ran there.
    ///
    /// # Errors
    /// [`Error::InUse`] when one runs; [`Error::Journal`], [`Error::Key`] and [`Error::Objects`] for what is damaged, the last
    /// with every object that is.
    pub fn open(data: &Path) -> Result<Option<Kept>, Error> {
        let journal = data.join(JOURNAL);
        if !journal.is_file() {
            return Ok(None);
        }
        let mut book = Book::default();
        let (journal, _) = Journal::open(&journal, |record| book.apply(record))?;
        let mut files = vec![PathBuf::from(JOURNAL)];
        if data.join(MAIL_KEY).is_file() {
            MailSigner::open(&data.join(MAIL_KEY))?;
            files.push(PathBuf::from(MAIL_KEY));
        }
        let objects = data.join(OBJECTS);
        if objects.is_dir() {
            let found = s3::objects(&objects).map_err(disk::failed(&objects))?;
            let damaged: Vec<PathBuf> = found.iter().filter(|path| !s3::is_whole(path)).cloned().collect();
            if !damaged.is_empty() {
                return Err(Error::Objects { paths: damaged });
            }
            files.extend(found.iter().filter_map(|path| Some(path.strip_prefix(data).ok()?.to_owned())));
        }
        Ok(Some(Kept { files, _journal: journal }))
    }

    /// The files, relative to the folder: copied to another one, they are the same sandbox there.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }
}
