//! Export, import and verification.
//!
//! | bytes | field |
//! |---|---|
//! | 16 | `VITRINA-STORE-01` |
//! | – | frames: 4 bytes length, 4 bytes CRC-32 of what follows, then zstd-compressed rows |
//! | 4 | length 0, which ends the frames |
//! | 8 × 6 | the head of the store at that moment |
//! | 4 | CRC-32 of the head |
//!
//! A row is 4 bytes key length, 4 bytes value length, key, value in its envelope; numbers are big-endian. An export is of one
//! moment although commits go on. Import builds the store beside its place and renames it when it is whole, so that a crash
//! leaves either no store or all of it; it is also the way to win back disk space and to move between format versions.

use std::io::{Read, Write};
use std::ops::Bound;
use std::path::{Path, PathBuf};

use bytes::{Buf, BufMut, Bytes};
use prost::Message;

use crate::engine::sled::{OpenFailure, SledEngine};
use crate::engine::{Engine, Range, StoredRow, files};
use crate::envelope::{self, carried_checksum};
use crate::error::Error;
use crate::layout;
use crate::open::{self, Tally};
use crate::records::Head;
use crate::store::{Options, Store};

const MAGIC: &[u8; 16] = b"VITRINA-STORE-01";
/// Rows of a frame, with at most 7 KiB each.
const FRAME_ROWS: usize = 500;
/// Far above what such a frame takes; a length beyond it is damage, not a reason to take the memory.
const FRAME_BYTES_MAX: usize = 8 * 1024 * 1024;
const HEAD_BYTES: usize = 48;
/// zstd's own default, a good middle between speed and size.
const LEVEL: i32 = 3;

/// What an export holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExportSummary {
    /// Rows, those of outbox, inbox, idempotency records and of long values included.
    pub rows: u64,
    /// Bytes of their keys and values, with their envelopes.
    pub live_bytes: u64,
    /// The last commit in it.
    pub commit_seq: u64,
}

impl Store {
    /// Writes all rows of one moment, while commits go on. Blocks for as long as it takes.
    ///
    /// # Errors
    /// [`Error::Io`] when `out` or the disk fails, [`Error::Corrupt`] for a damaged row, [`Error::TooLarge`] when more than
    /// 256 MiB are overwritten meanwhile: export again, faster or at another time.
    pub fn export(&self, out: &mut impl Write) -> Result<ExportSummary, Error> {
        let frozen = self.shared().view.freeze();
        let mut range: Range = (Bound::Unbounded, Bound::Unbounded);
        let mut tally = Tally::default();
        put(out, MAGIC)?;
        loop {
            let page = frozen.page(&range, FRAME_ROWS)?;
            let Some((last, _)) = page.last() else { break };
            range.0 = Bound::Excluded(last.clone());
            let rows: Vec<StoredRow> = page.into_iter().filter(|(key, _)| key[..] != layout::HEAD).collect();
            for (_, stored) in &rows {
                tally.rows += 1;
                tally.digest = tally.digest.wrapping_add(u64::from(carried_checksum(stored)));
            }
            if !rows.is_empty() {
                put_frame(out, &rows)?;
            }
        }
        open::compare(tally, &frozen.head)?;
        put_end(out, &frozen.head)?;
        out.flush().map_err(|error| Error::io("write the export", error))?;
        Ok(summary(&frozen.head))
    }

    /// Makes a store out of an export, in a directory that is absent, empty, or was left by a damaged store.
    ///
    /// # Errors
    /// [`Error::NotEmpty`], [`Error::BadExport`] when the export is not whole, [`Error::Io`]. The directory is then as before.
    pub fn import(dir: &Path, input: &mut impl Read) -> Result<ExportSummary, Error> {
        if !files::is_free(dir).map_err(|error| Error::io("open", error))? {
            return Err(Error::NotEmpty { dir: dir.to_owned() });
        }
        let parent = match dir.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        let mut name = dir.file_name().unwrap_or_default().to_owned();
        name.push(".importing");
        let place = parent.join(name);
        let failed = |error| Error::io("write the import", error);
        if place.exists() {
            // What an import that was cut off has left.
            std::fs::remove_dir_all(&place).map_err(failed)?;
        }
        std::fs::create_dir_all(&place).map_err(failed)?;
        let imported = import_into(&place, input);
        if imported.is_err() {
            // The first error is the one to tell; the next import removes what stays.
            let _ = std::fs::remove_dir_all(&place);
            return imported;
        }
        if dir.exists() {
            std::fs::remove_dir_all(dir).map_err(failed)?;
        }
        std::fs::rename(&place, dir).map_err(failed)?;
        files::sync_dir(&parent).map_err(failed)?;
        imported
    }

    /// Reads an export to its end and checks everything that an import would.
    ///
    /// # Errors
    /// [`Error::BadExport`] when it is not whole, [`Error::Corrupt`] for a damaged row.
    pub fn verify(input: &mut impl Read) -> Result<ExportSummary, Error> {
        read_export(input, |_| Ok(())).map(|head| summary(&head))
    }

    /// Opens the store of a directory, checks all rows whatever its size, and closes it. Nothing is moved aside.
    ///
    /// # Errors
    /// [`Error::Corrupt`] for what is damaged, and those of [`Store::open`].
    pub fn verify_dir(dir: &Path) -> Result<ExportSummary, Error> {
        files::refuse_if_noted(dir)?;
        if !dir.is_dir() {
            return Err(Error::io("open", std::io::ErrorKind::NotFound.into()));
        }
        let engine = open::open_and_check(dir, Options::default().cache_bytes).map_err(not_open)?;
        let checked = open::read_head(&engine).and_then(|head| {
            open::compare(open::tally(&engine)?, &head)?;
            Ok(summary(&head))
        });
        engine.close();
        checked
    }
}

fn import_into(place: &Path, input: &mut impl Read) -> Result<ExportSummary, Error> {
    let engine = SledEngine::open(place, Options::default().cache_bytes).map_err(not_open)?;
    let imported = read_export(input, |rows| {
        let batch: Vec<_> = rows.into_iter().map(|(key, stored)| (key, Some(stored))).collect();
        engine.apply(&batch)
    })
    .and_then(|head| {
        let (row, _) = envelope::seal(&layout::HEAD, head.commit_seq, &head.encode_to_vec());
        engine.apply(&[(layout::HEAD.to_vec(), Some(row))])?;
        engine.sync(head.commit_seq)?;
        // Long values and repeated keys show only now that all rows are there.
        open::compare(open::tally(&engine)?, &head)?;
        Ok(summary(&head))
    });
    engine.close();
    imported
}

fn not_open(failure: OpenFailure) -> Error {
    match failure {
        OpenFailure::Damaged(reason) => Error::corrupt(&[], reason),
        OpenFailure::Other(error) => error,
    }
}

fn summary(head: &Head) -> ExportSummary {
    ExportSummary { rows: head.rows, live_bytes: head.live_bytes, commit_seq: head.commit_seq }
}

fn put(out: &mut impl Write, bytes: &[u8]) -> Result<(), Error> {
    out.write_all(bytes).map_err(|error| Error::io("write the export", error))
}

fn put_frame(out: &mut impl Write, rows: &[StoredRow]) -> Result<(), Error> {
    let mut plain = Vec::new();
    for (key, stored) in rows {
        // Both are bounded far below 4 GiB.
        plain.put_u32(key.len() as u32);
        plain.put_u32(stored.len() as u32);
        plain.put_slice(key);
        plain.put_slice(stored);
    }
    let packed = zstd::bulk::compress(&plain, LEVEL).map_err(|error| Error::io("compress", error))?;
    put(out, &(packed.len() as u32).to_be_bytes())?;
    put(out, &crc32fast::hash(&packed).to_be_bytes())?;
    put(out, &packed)
}

fn put_end(out: &mut impl Write, head: &Head) -> Result<(), Error> {
    let mut end = Vec::with_capacity(HEAD_BYTES);
    for number in
        [head.commit_seq, head.outbox_seq, head.outbox_pending, head.rows, head.live_bytes, head.digest]
    {
        end.put_u64(number);
    }
    put(out, &0u32.to_be_bytes())?;
    put(out, &end)?;
    put(out, &crc32fast::hash(&end).to_be_bytes())
}

/// Reads an export, hands over its rows frame by frame, and gives its head when all of it was whole.
fn read_export(
    input: &mut impl Read,
    mut take: impl FnMut(Vec<StoredRow>) -> Result<(), Error>,
) -> Result<Head, Error> {
    if take_array::<16>(input)? != *MAGIC {
        return Err(bad("it does not begin as an export"));
    }
    let mut tally = Tally::default();
    loop {
        let length = u32::from_be_bytes(take_array(input)?) as usize;
        if length == 0 {
            break;
        }
        if length > FRAME_BYTES_MAX {
            return Err(bad("a frame is too long"));
        }
        let checksum = u32::from_be_bytes(take_array(input)?);
        let mut packed = vec![0; length];
        input.read_exact(&mut packed).map_err(cut_off)?;
        if crc32fast::hash(&packed) != checksum {
            return Err(bad("the checksum of a frame does not match"));
        }
        let rows = unpack(&packed)?;
        for (key, stored) in &rows {
            // A row with parts is checked as a whole once it is imported; its parts are checked here like any row.
            let envelope = envelope::Envelope::open(key, stored)?;
            if envelope.parts == 0 {
                envelope.check(key, &envelope.value)?;
            }
            tally.rows += 1;
            tally.digest = tally.digest.wrapping_add(u64::from(envelope.checksum));
        }
        take(rows)?;
    }
    let end: [u8; HEAD_BYTES] = take_array(input)?;
    if take_array(input)? != crc32fast::hash(&end).to_be_bytes() {
        return Err(bad("the checksum of its end does not match"));
    }
    let mut end = &end[..];
    let head = Head {
        commit_seq: end.get_u64(),
        outbox_seq: end.get_u64(),
        outbox_pending: end.get_u64(),
        rows: end.get_u64(),
        live_bytes: end.get_u64(),
        digest: end.get_u64(),
    };
    open::compare(tally, &head).map_err(|_| bad("rows are missing"))?;
    Ok(head)
}

fn unpack(packed: &[u8]) -> Result<Vec<StoredRow>, Error> {
    let plain =
        zstd::bulk::decompress(packed, FRAME_BYTES_MAX).map_err(|_| bad("a frame does not unpack"))?;
    let mut plain = Bytes::from(plain);
    let mut rows = Vec::new();
    while plain.has_remaining() {
        if plain.remaining() < 8 {
            return Err(bad("a row is cut off"));
        }
        let (key_bytes, value_bytes) = (plain.get_u32() as usize, plain.get_u32() as usize);
        if plain.remaining() < key_bytes.saturating_add(value_bytes) || key_bytes == 0 {
            return Err(bad("a row is cut off"));
        }
        let key = plain.split_to(key_bytes).to_vec();
        rows.push((key, plain.split_to(value_bytes)));
    }
    Ok(rows)
}

fn take_array<const N: usize>(input: &mut impl Read) -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    input.read_exact(&mut bytes).map_err(cut_off)?;
    Ok(bytes)
}

fn cut_off(error: std::io::Error) -> Error {
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof => bad("it is cut off"),
        _ => Error::io("read the export", error),
    }
}

fn bad(reason: &str) -> Error {
    Error::BadExport { reason: reason.to_owned() }
}
