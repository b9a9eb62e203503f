//! How the sandbox itself can fail; what a stand-in answers is its vendor's own shape, beside the stand-in.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why the sandbox cannot start or keep something.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder of the sandbox cannot be read or written.
    #[error("cannot use {path}")]
    File {
        /// What was to be used.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A whole line of the journal is not what this version writes.
    #[error("line {line} of the journal {path} cannot be understood")]
    Journal {
        /// The journal.
        path: PathBuf,
        /// Number of the line, from 1.
        line: usize,
        /// Why not.
        #[source]
        source: serde_json::Error,
    },
    /// Another sandbox uses the data folder.
    #[error("another sandbox uses {path}")]
    InUse {
        /// The journal.
        path: PathBuf,
    },
    /// Objects of S3 whose content is not what was put.
    #[error("damaged: {}", list(.paths))]
    Objects {
        /// Their files.
        paths: Vec<PathBuf>,
    },
    /// A listener's address cannot be taken.
    #[error("cannot listen on {addr}")]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The key that mail events are signed with cannot be made or read.
    #[error("the signing key {path} is not usable")]
    Key {
        /// The file.
        path: PathBuf,
    },
    /// The HTTP client that sends notifications cannot be made.
    #[error("cannot make the client of notifications")]
    Client(#[source] reqwest::Error),
    /// A write failed earlier, so that nothing is known to be kept any more: the sandbox has to be started anew.
    #[error("the journal failed and takes no more writes")]
    Broken,
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}
