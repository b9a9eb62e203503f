//! The list of what a backup holds, with a digest of each file: `SHA256SUMS`, which `sha256sum --check` reads too.
//!
//! ```text
//! <64 hexadecimal digits>  users.backup
//! <64 hexadecimal digits>  sandbox/journal.jsonl
//! # 2 files
//! ```
//! It is written last, so a backup without it is none; the last line tells a list that was cut short. What is not in the list
//! is no part of the backup.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

/// The name of the list.
pub(super) const NAME: &str = "SHA256SUMS";

/// A folder that is being filled, each file with its digest.
pub(super) struct Packing<'a> {
    folder: &'a Path,
    sums: BTreeMap<PathBuf, String>,
}

/// A file that takes the digest of what is written to it.
pub(super) struct Summed {
    file: BufWriter<File>,
    digest: Sha256,
}

/// What a backup should hold.
pub(super) struct Sums {
    sums: BTreeMap<PathBuf, String>,
    /// Lines that can't be understood.
    mistakes: Vec<String>,
}

impl<'a> Packing<'a> {
    pub(super) fn new(folder: &'a Path) -> Packing<'a> {
        Packing { folder, sums: BTreeMap::new() }
    }

    /// Adds the file `path` with what `fill` writes; it is on disk when this returns.
    pub(super) fn add<T>(&mut self, path: &Path, fill: impl FnOnce(&mut Summed) -> Result<T>) -> Result<T> {
        let whole = self.folder.join(path);
        if let Some(folder) = whole.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&whole);
        let file = file.with_context(|| format!("{} can't be made", whole.display()))?;
        let mut summed = Summed { file: BufWriter::new(file), digest: Sha256::new() };
        let filled = fill(&mut summed).with_context(|| format!("{} can't be written", whole.display()))?;
        summed.file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        self.sums.insert(path.to_owned(), hex(&summed.digest.finalize()));
        Ok(filled)
    }

    /// Adds a copy of a file.
    pub(super) fn copy(&mut self, path: &Path, from: &Path) -> Result<()> {
        let mut from = File::open(from).with_context(|| format!("{} can't be read", from.display()))?;
        self.add(path, |to| Ok(io::copy(&mut from, to)?)).map(drop)
    }

    /// Writes the list: from now on the folder is a backup.
    pub(super) fn seal(mut self) -> Result<()> {
        let mut list = String::new();
        for (path, sum) in &self.sums {
            writeln!(list, "{sum}  {}", path.display())?;
        }
        writeln!(list, "# {} files", self.sums.len())?;
        for folder in folders(self.sums.keys().map(PathBuf::as_path)) {
            File::open(self.folder.join(folder))?.sync_all()?;
        }
        self.add(Path::new(NAME), |file| Ok(file.write_all(list.as_bytes())?))?;
        File::open(self.folder)?.sync_all()?;
        Ok(())
    }
}

impl Sums {
    /// Reads the list of a backup.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn read(folder: &Path) -> Result<Sums> {
        let path = folder.join(NAME);
        let list = match fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                bail!("there is no whole backup in {}: it has no {NAME}", folder.display())
            }
            list => list.with_context(|| format!("{} can't be read", path.display()))?,
        };
        let list = String::from_utf8_lossy(&list);
        let mut sums = Sums { sums: BTreeMap::new(), mistakes: Vec::new() };
        let mut count = None;
        for (number, line) in (1..).zip(list.lines()) {
            if let Some(said) = line.strip_prefix("# ").and_then(|line| line.strip_suffix(" files")) {
                count = said.parse().ok();
            } else if let Some((path, sum)) = entry(line) {
                sums.sums.insert(path, sum);
            } else {
                sums.mistakes.push(format!("{}: line {number} is damaged", path.display()));
            }
        }
        if count != Some(sums.sums.len()) {
            sums.mistakes.push(format!("{}: it is not whole", path.display()));
        }
        Ok(sums)
    }

    /// The files that there should be, relative to the folder.
    pub(super) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.sums.keys().map(PathBuf::as_path)
    }

    /// Whether there should be such a file.
    pub(super) fn holds(&self, path: &Path) -> bool {
        self.sums.contains_key(path)
    }

    /// The files that are whole, and every one that is missing or damaged with its path and what is wrong.
    pub(super) fn check(&self, folder: &Path) -> (Vec<&Path>, Vec<String>) {
        let mut whole = Vec::new();
        let mut damaged = self.mistakes.clone();
        for (path, sum) in &self.sums {
            let file = folder.join(path);
            match digest(&file) {
                Ok(found) if found == *sum => whole.push(path.as_path()),
                Ok(_) => damaged.push(format!("{}: is damaged", file.display())),
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    damaged.push(format!("{}: is missing", file.display()));
                }
                Err(error) => damaged.push(format!("{}: can't be read: {error}", file.display())),
            }
        }
        (whole, damaged)
    }
}

impl Write for Summed {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        let written = self.file.write(part)?;
        self.digest.update(&part[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// The folders that these files lie in, the empty path for their own.
pub(super) fn folders<'a>(files: impl Iterator<Item = &'a Path>) -> BTreeSet<PathBuf> {
    files.flat_map(|path| path.ancestors().skip(1)).map(Path::to_owned).collect()
}

/// A path that stays in its folder, and a digest.
fn entry(line: &str) -> Option<(PathBuf, String)> {
    let (sum, path) = line.split_once("  ")?;
    let path = PathBuf::from(path);
    let is_digest = sum.len() == 64 && sum.bytes().all(|byte| byte.is_ascii_hexdigit());
    let stays = path.components().all(|part| matches!(part, Component::Normal(_)));
    (is_digest && stays).then(|| (path, sum.to_owned()))
}

fn digest(path: &Path) -> io::Result<String> {
    let mut file = BufReader::new(File::open(path)?);
    let mut digest = Sha256::new();
    let mut part = vec![0; 64 * 1024];
    loop {
        match file.read(&mut part)? {
            0 => return Ok(hex(&digest.finalize())),
            length => digest.update(&part[..length]),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let mut packing = Packing::new(folder.path());
        packing.add(Path::new("a"), |file| Ok(file.write_all(b"one")?)).unwrap();
        packing.add(Path::new("b/c"), |file| Ok(file.write_all(b"two")?)).unwrap();
        packing.seal().unwrap();
        folder
    }

    fn damage(folder: &Path) -> String {
        Sums::read(folder).unwrap().check(folder).1.join("\n")
    }

    #[test]
    fn every_file_that_is_damaged_or_missing_is_named() {
        let folder = packed();
        assert_eq!(damage(folder.path()), "");
        fs::write(folder.path().join("a"), "onf").unwrap();
        fs::remove_file(folder.path().join("b/c")).unwrap();
        let said = damage(folder.path());
        assert!(said.contains("a: is damaged") && said.contains("b/c: is missing"), "{said}");
    }

    #[test]
    fn a_list_with_any_byte_changed_or_cut_off_is_no_whole_one() {
        let folder = packed();
        let list = fs::read(folder.path().join(NAME)).unwrap();
        for place in 0..list.len() {
            let mut changed = list.clone();
            changed[place] ^= 0x02;
            fs::write(folder.path().join(NAME), changed).unwrap();
            assert_ne!(damage(folder.path()), "", "byte {place} was changed");
            fs::write(folder.path().join(NAME), &list[..place]).unwrap();
            assert!(place + 1 >= list.len() || !damage(folder.path()).is_empty(), "{place} bytes were left");
        }
    }

    #[test]
    fn a_path_never_leads_out_of_the_folder() {
        let sum = "0".repeat(64);
        assert!(entry(&format!("{sum}  sandbox/s3")).is_some());
        for path in ["../users.backup", "/etc/passwd", "a/../../b"] {
            assert!(entry(&format!("{sum}  {path}")).is_none(), "{path}");
        }
    }
}
