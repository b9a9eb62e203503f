//! The data directory: what lies where, and the small files that the operator's commands find a running shop by.
//!
//! | path | what | mode |
//! |---|---|---|
//! | `users/`, `products/`, `publications/`, `images/`, `notifications/`, `orders/` | a service's store (and search index) | |
//! | `sandbox/` | what the stand-ins of outside services keep: payments, objects of S3 | |
//! | `broker/` | the embedded broker's store | |
//! | `master.key` | 64 hexadecimal digits; every other key is derived from it | 0600 |
//! | `admin.token` | bearer token of the admin listener | 0600 |
//! | `edge.url`, `admin.url` | where the running shop listens; written at each start | |
//! | `demo.unfinished` | there while `up --demo` fills the shop: the next one goes on with it | |

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rand::RngCore;
use vitrina_users::master_key;

/// Length of the master key.
pub(crate) const KEY_BYTES: usize = 32;

/// The data directory of a shop.
#[derive(Clone, Debug)]
pub(crate) struct Data(PathBuf);

impl Data {
    pub(crate) fn at(folder: &Path) -> Data {
        Data(folder.to_owned())
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.0
    }

    /// The folder of a service's or the broker's store.
    pub(crate) fn store(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn key_file(&self) -> PathBuf {
        self.0.join("master.key")
    }

    /// The master key, made at the first start.
    pub(crate) fn master_key(&self) -> Result<[u8; KEY_BYTES]> {
        Ok(master_key::load(&self.key_file(), &self.store("users"))?)
    }

    /// The token of the admin listener, made at the first start.
    pub(crate) fn admin_token(&self) -> Result<String> {
        let path = self.0.join("admin.token");
        match fs::read_to_string(&path) {
            Ok(token) => Ok(token.trim().to_owned()),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let mut bytes = [0; 24];
                rand::rngs::OsRng.fill_bytes(&mut bytes);
                let token: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                write_secret(&path, token.as_bytes())?;
                Ok(token)
            }
            Err(error) => Err(error).with_context(|| format!("{} can't be read", path.display())),
        }
    }

    /// Tells the operator's commands where this shop listens.
    pub(crate) fn write_urls(&self, edge: &str, admin: &str) -> Result<()> {
        fs::write(self.0.join("edge.url"), edge).context("the address can't be written")?;
        fs::write(self.0.join("admin.url"), admin).context("the address can't be written")
    }

    /// Where the running shop listens: (edge, admin).
    pub(crate) fn urls(&self) -> Result<(String, String)> {
        let read = |name: &str| {
            fs::read_to_string(self.0.join(name)).with_context(|| {
                format!("no shop was started with its data in {}: start it with `vitrina up`, or name another by --data or --url", self.0.display())
            })
        };
        Ok((read("edge.url")?, read("admin.url")?))
    }

    /// Notes that a generated shop is being made here.
    pub(crate) fn begin_demo(&self) -> Result<()> {
        fs::write(self.demo_file(), "").context("the demo can't be begun")
    }

    /// Whether a generated shop was begun here and is not complete.
    pub(crate) fn has_unfinished_demo(&self) -> bool {
        self.demo_file().exists()
    }

    /// Notes that the generated shop is complete.
    pub(crate) fn end_demo(&self) -> Result<()> {
        fs::remove_file(self.demo_file()).context("the demo can't be ended")
    }

    fn demo_file(&self) -> PathBuf {
        self.0.join("demo.unfinished")
    }

    /// Makes the folder when it is not there.
    pub(crate) fn create(&self) -> Result<()> {
        fs::create_dir_all(&self.0).with_context(|| format!("{} can't be made", self.0.display()))
    }

    /// Whether nothing is in the folder.
    pub(crate) fn is_empty(&self) -> bool {
        fs::read_dir(&self.0).map_or(true, |mut entries| entries.next().is_none())
    }
}

/// Writes a file that only its owner may read, on disk when it returns; a file that is there is an error.
pub(crate) fn write_secret(path: &Path, bytes: &[u8]) -> Result<()> {
    let write = || -> std::io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        match path.parent() {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    };
    write().with_context(|| format!("{} can't be written", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_made_once_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let data = Data::at(folder.path());
        assert_eq!(data.master_key().unwrap(), data.master_key().unwrap());
        assert_eq!(data.admin_token().unwrap(), data.admin_token().unwrap());
    }
}
