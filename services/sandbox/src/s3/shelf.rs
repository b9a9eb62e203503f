//! Buckets and objects on disk.
//!
//! ```text
//! <dir>/<bucket>/objects/<sha-256 of the key>   an object, see `object`
//! <dir>/<bucket>/drafts/<uuid>                  an upload under way
//! ```
//! Write order of an upload: the draft's content and meta → digests checked → fsync of the draft → link or rename to its
//! place → fsync of `objects` → index → answer. A crash leaves a draft, which the next start removes, or a whole object;
//! never a part. The index in memory is made from the files at the start.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use uuid::Uuid;

use super::object::{self, Meta};
use crate::disk;
use crate::error::Error;

/// All buckets.
pub(super) struct Shelf {
    dir: PathBuf,
    buckets: RwLock<BTreeMap<String, Arc<Bucket>>>,
}

/// One bucket.
pub(super) struct Bucket {
    objects: PathBuf,
    drafts: PathBuf,
    index: RwLock<BTreeMap<String, Arc<Meta>>>,
    /// Held while an object comes to its place or goes, so that the index follows the files.
    placing: Mutex<()>,
}

/// An upload under way; it goes away unless it is placed.
pub(super) struct Draft {
    path: PathBuf,
}

/// When an object may come to its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    Always,
    /// Only if nothing is there.
    IfAbsent,
    /// Only if what is there has this MD5.
    IfMatches(String),
}

/// Whether it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placed {
    Yes,
    ConditionFailed,
}

impl Shelf {
    /// Reads what is there.
    pub(super) fn open(dir: &Path) -> Result<Self, Error> {
        disk::make_dir(dir).map_err(disk::failed(dir))?;
        let mut buckets = BTreeMap::new();
        for entry in fs::read_dir(dir).map_err(disk::failed(dir))? {
            let path = entry.map_err(disk::failed(dir))?.path();
            if let Some(name) = path.file_name().and_then(|name| name.to_str()).filter(|_| path.is_dir()) {
                let bucket = Bucket::open(&path).map_err(disk::failed(&path))?;
                buckets.insert(name.to_owned(), Arc::new(bucket));
            }
        }
        Ok(Self { dir: dir.to_owned(), buckets: RwLock::new(buckets) })
    }

    pub(super) fn bucket(&self, name: &str) -> Option<Arc<Bucket>> {
        self.buckets.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.buckets.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    /// Makes a bucket; whether it is new. `name` must be a bucket's name: lower-case letters, digits, dots and hyphens.
    pub(super) fn make_bucket(&self, name: &str) -> io::Result<bool> {
        let mut buckets = self.buckets.write().unwrap_or_else(PoisonError::into_inner);
        if buckets.contains_key(name) {
            return Ok(false);
        }
        let bucket = Bucket::open(&self.dir.join(name))?;
        buckets.insert(name.to_owned(), Arc::new(bucket));
        Ok(true)
    }
}

impl Bucket {
    fn open(dir: &Path) -> io::Result<Self> {
        let (objects, drafts) = (objects_of(dir), dir.join("drafts"));
        for dir in [dir, &objects, &drafts] {
            disk::make_dir(dir)?;
        }
        for entry in fs::read_dir(&drafts)? {
            fs::remove_file(entry?.path())?;
        }
        let mut index = BTreeMap::new();
        for entry in fs::read_dir(&objects)? {
            let path = entry?.path();
            match File::open(&path).and_then(|mut file| object::read_meta(&mut file)) {
                Ok(meta) => {
                    index.insert(meta.key.clone(), Arc::new(meta));
                }
                Err(error) => tracing::error!(path = %path.display(), %error, "left a damaged object out"),
            }
        }
        Ok(Self { objects, drafts, index: RwLock::new(index), placing: Mutex::new(()) })
    }

    /// Begins an upload.
    pub(super) fn draft(&self) -> io::Result<(Draft, File)> {
        let path = self.drafts.join(Uuid::now_v7().to_string());
        let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        Ok((Draft { path }, file))
    }

    /// Ends an upload whose content is in the file and right: the object is visible, and durable, when it returns.
    pub(super) fn place(
        &self,
        draft: Draft,
        mut file: File,
        meta: Meta,
        condition: &Condition,
    ) -> io::Result<Placed> {
        file.write_all(&object::trailer(&meta)?)?;
        file.sync_all()?;
        let place = self.objects.join(object::file_name(&meta.key));
        let _turn = self.placing.lock().unwrap_or_else(PoisonError::into_inner);
        match condition {
            Condition::Always => fs::rename(&draft.path, &place)?,
            Condition::IfMatches(md5) => match self.meta(&meta.key) {
                Some(there) if there.md5 == *md5 => fs::rename(&draft.path, &place)?,
                _ => return Ok(Placed::ConditionFailed),
            },
            // A link, unlike a rename, refuses to replace.
            Condition::IfAbsent => match fs::hard_link(&draft.path, &place) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    return Ok(Placed::ConditionFailed);
                }
                linked => linked?,
            },
        }
        disk::sync_dir(&self.objects)?;
        self.index_mut(|index| index.insert(meta.key.clone(), Arc::new(meta)));
        Ok(Placed::Yes)
    }

    /// An object's file, at the beginning of the content; what is read through it stays whole whatever happens to the key.
    pub(super) fn open_object(&self, key: &str) -> io::Result<Option<(File, Meta)>> {
        match File::open(self.objects.join(object::file_name(key))) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            opened => {
                let mut file = opened?;
                let meta = object::read_meta(&mut file)?;
                Ok(Some((file, meta)))
            }
        }
    }

    pub(super) fn meta(&self, key: &str) -> Option<Arc<Meta>> {
        self.read_index(|index| index.get(key).cloned())
    }

    pub(super) fn read_index<T>(&self, look: impl FnOnce(&BTreeMap<String, Arc<Meta>>) -> T) -> T {
        look(&self.index.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Removes an object, if it is there.
    pub(super) fn remove(&self, key: &str) -> io::Result<()> {
        let _turn = self.placing.lock().unwrap_or_else(PoisonError::into_inner);
        match fs::remove_file(self.objects.join(object::file_name(key))) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            removed => {
                removed?;
                disk::sync_dir(&self.objects)?;
            }
        }
        self.index_mut(|index| index.remove(key));
        Ok(())
    }

    fn index_mut<T>(&self, change: impl FnOnce(&mut BTreeMap<String, Arc<Meta>>) -> T) -> T {
        change(&mut self.index.write().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The folder of a bucket's objects.
pub(super) fn objects_of(bucket: &Path) -> PathBuf {
    bucket.join("objects")
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After a rename there is nothing left to remove; after a failure the next start tries again.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3::object::Headers;

    fn meta(key: &str, size: u64) -> Meta {
        Meta {
            key: key.to_owned(),
            size,
            md5: format!("md5 of {size}"),
            modified_ms: 1,
            headers: Headers::default(),
            checksums: BTreeMap::new(),
        }
    }

    fn put(bucket: &Bucket, key: &str, content: &[u8], condition: &Condition) -> Placed {
        let (draft, mut file) = bucket.draft().unwrap();
        file.write_all(content).unwrap();
        bucket.place(draft, file, meta(key, content.len() as u64), condition).unwrap()
    }

    #[test]
    fn a_crash_at_any_byte_of_an_upload_leaves_the_old_object() {
        let dir = tempfile::tempdir().unwrap();
        let shelf = Shelf::open(dir.path()).unwrap();
        shelf.make_bucket("b").unwrap();
        let bucket = shelf.bucket("b").unwrap();
        assert_eq!(put(&bucket, "k", b"old", &Condition::Always), Placed::Yes);
        let whole = [b"newer".as_slice(), &object::trailer(&meta("k", 5)).unwrap()].concat();
        for written in 0..whole.len() {
            fs::write(bucket.drafts.join("crashed"), &whole[..written]).unwrap();
            let reopened = Shelf::open(dir.path()).unwrap().bucket("b").unwrap();
            let (_, there) = reopened.open_object("k").unwrap().unwrap();
            assert_eq!(there.size, 3);
            assert_eq!(fs::read_dir(&bucket.drafts).unwrap().count(), 0);
        }
    }

    #[test]
    fn a_damaged_object_is_not_shown() {
        let dir = tempfile::tempdir().unwrap();
        let shelf = Shelf::open(dir.path()).unwrap();
        shelf.make_bucket("b").unwrap();
        let bucket = shelf.bucket("b").unwrap();
        put(&bucket, "k", b"content", &Condition::Always);
        let file = OpenOptions::new().write(true).open(bucket.objects.join(object::file_name("k"))).unwrap();
        file.set_len(9).unwrap();
        let reopened = Shelf::open(dir.path()).unwrap().bucket("b").unwrap();
        assert!(reopened.meta("k").is_none());
        assert!(reopened.open_object("k").is_err());
    }

    #[test]
    fn conditions_decide_on_what_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let shelf = Shelf::open(dir.path()).unwrap();
        assert!(shelf.make_bucket("b").unwrap());
        assert!(!shelf.make_bucket("b").unwrap());
        let bucket = shelf.bucket("b").unwrap();
        assert_eq!(put(&bucket, "k", b"1", &Condition::IfMatches("x".to_owned())), Placed::ConditionFailed);
        assert_eq!(put(&bucket, "k", b"12", &Condition::IfAbsent), Placed::Yes);
        assert_eq!(put(&bucket, "k", b"123", &Condition::IfAbsent), Placed::ConditionFailed);
        assert_eq!(put(&bucket, "k", b"1234", &Condition::IfMatches("md5 of 2".to_owned())), Placed::Yes);
        assert_eq!(bucket.meta("k").unwrap().size, 4);
        assert_eq!(fs::read_dir(&bucket.drafts).unwrap().count(), 0);
        bucket.remove("k").unwrap();
        bucket.remove("k").unwrap();
        assert!(bucket.open_object("k").unwrap().is_none());
    }
}
