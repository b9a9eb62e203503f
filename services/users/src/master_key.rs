//! The master key: read from its file, made at the very first start.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use rand::RngCore;
use rand::rngs::OsRng;

/// Why there is no master key.
#[derive(Debug, thiserror::Error)]
pub enum MasterKeyError {
    /// The file holds something else.
    #[error("{} does not hold 64 hexadecimal digits: restore it from a backup", .0.display())]
    Damaged(PathBuf),
    /// There is data, but no key: a new one would silently make what the old one sealed unreadable.
    #[error("{} is missing, but there is data in {} that needs it: restore it from a backup", path.display(), data.display())]
    Missing {
        /// Where the key should be.
        path: PathBuf,
        /// The data that was sealed with it.
        data: PathBuf,
    },
    /// The file cannot be read or written.
    #[error("{} cannot be read or written", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Reads the key in the file `path` (64 hexadecimal digits, mode 0600); makes one when there is none and no data either.
///
/// # Errors
/// When the file is not a key, and when there is data in `data` but no key.
pub fn load(path: &Path, data: &Path) -> Result<[u8; 32], MasterKeyError> {
    let failed = |source| MasterKeyError::File { path: path.to_owned(), source };
    match fs::read_to_string(path) {
        Ok(text) => decode(text.trim()).ok_or_else(|| MasterKeyError::Damaged(path.to_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            if data.exists() {
                return Err(MasterKeyError::Missing { path: path.to_owned(), data: data.to_owned() });
            }
            match make(path) {
                // Another service, started at the same moment on the same data, was faster.
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => load(path, data),
                made => made.map_err(failed),
            }
        }
        Err(error) => Err(failed(error)),
    }
}

/// The file appears under its name whole and durable, or not at all: a key that a crash takes away would take along what
/// was sealed with it, and services that start together must all find the same.
fn make(path: &Path) -> std::io::Result<[u8; 32]> {
    let mut key = [0; 32];
    OsRng.fill_bytes(&mut key);
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(parent)?;
    let draft = path.with_extension(format!("{}.draft", std::process::id()));
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&draft)?;
    let text: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    writeln!(file, "{text}")?;
    file.sync_all()?;
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    linked?;
    fs::File::open(parent)?.sync_all()?;
    Ok(key)
}

fn decode(text: &str) -> Option<[u8; 32]> {
    let mut key = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (byte, at) in key.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_never_beside_data() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (path, store) = (dir.path().join("keys/master.key"), dir.path().join("users"));
        let key = load(&path, &store).expect("a new key");
        assert_eq!(load(&path, &store).expect("the same key"), key);
        fs::create_dir(&store).expect("data");
        assert_eq!(load(&path, &store).expect("the same key"), key);
        fs::remove_file(&path).expect("a lost key");
        assert!(load(&path, &store).is_err());
        fs::write(&path, "abc").expect("a broken key");
        assert!(load(&path, &store).is_err());
    }
}
