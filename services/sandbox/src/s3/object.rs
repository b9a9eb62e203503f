//! An object's file: the content, then what is known of it, then where that begins.
//!
//! ```text
//! content … │ meta (JSON) │ length of meta (u32, big-endian) │ "VS3\x01"
//! ```
//! One file, so that content and meta can only change together; the meta comes last because the digests are known last.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::digest::Given;

const MAGIC: &[u8; 4] = b"VS3\x01";

/// Length and magic.
const TAIL_BYTES: u64 = 8;

/// Longest meta: S3 allows 2 KB of the user's own, a key of 1,024 bytes and a few headers.
const META_BYTES_MAX: u64 = 64 * 1024;

/// What is known of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Meta {
    pub(super) key: String,
    pub(super) size: u64,
    /// MD5 of the content in hex: the entity tag.
    pub(super) md5: String,
    pub(super) modified_ms: u64,
    pub(super) headers: Headers,
    /// Checksums that the writer gave, by algorithm, base64; they were right.
    pub(super) checksums: BTreeMap<String, String>,
}

/// Headers that are kept and shown again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Headers {
    pub(super) content_type: Option<String>,
    pub(super) content_encoding: Option<String>,
    pub(super) content_disposition: Option<String>,
    pub(super) content_language: Option<String>,
    pub(super) cache_control: Option<String>,
    /// `x-amz-meta-…`
    pub(super) user: HashMap<String, String>,
}

/// Name of the file of a key: a digest, so that no key is too long, leads out of its folder or differs only in case.
pub(super) fn file_name(key: &str) -> String {
    Sha256::digest(key.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What comes after the content.
pub(super) fn trailer(meta: &Meta) -> io::Result<Vec<u8>> {
    let mut trailer = serde_json::to_vec(meta)?;
    let length = u32::try_from(trailer.len()).ok().filter(|length| u64::from(*length) <= META_BYTES_MAX);
    let length = length.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "too much metadata"))?;
    trailer.extend_from_slice(&length.to_be_bytes());
    trailer.extend_from_slice(MAGIC);
    Ok(trailer)
}

/// Reads what is known of the object in this file and leaves it at the beginning of the content.
pub(super) fn read_meta(file: &mut File) -> io::Result<Meta> {
    let broken = |what: &'static str| io::Error::new(io::ErrorKind::InvalidData, what);
    let length = file.metadata()?.len();
    let tail_at = length.checked_sub(TAIL_BYTES).ok_or_else(|| broken("the file is too short"))?;
    file.seek(SeekFrom::Start(tail_at))?;
    let (mut meta_length, mut magic) = ([0; 4], [0; 4]);
    file.read_exact(&mut meta_length)?;
    file.read_exact(&mut magic)?;
    let meta_length = u64::from(u32::from_be_bytes(meta_length));
    let meta_at =
        tail_at.checked_sub(meta_length).filter(|_| &magic == MAGIC && meta_length <= META_BYTES_MAX);
    let meta_at = meta_at.ok_or_else(|| broken("the file does not end as an object does"))?;
    file.seek(SeekFrom::Start(meta_at))?;
    let meta: Meta = serde_json::from_reader(file.take(meta_length))?;
    if meta.size != meta_at {
        return Err(broken("the content has another length than it should"));
    }
    file.seek(SeekFrom::Start(0))?;
    Ok(meta)
}

/// Whether a file is the object that its name says, with the content that was put.
pub(super) fn is_whole(path: &Path) -> io::Result<bool> {
    let mut file = File::open(path)?;
    let meta = read_meta(&mut file)?;
    let mut digests = Given::default().digests("");
    let mut content = BufReader::new(file.take(meta.size));
    loop {
        let part = content.fill_buf()?;
        if part.is_empty() {
            break;
        }
        digests.update(part);
        let length = part.len();
        content.consume(length);
    }
    let is_named = path.file_name().is_some_and(|name| name.to_str() == Some(&file_name(&meta.key)));
    Ok(is_named && digests.finish().md5 == meta.md5)
}
