//! The way to an open store: lock, recover the log, compare it with the mark, check the rows.
//!
//! Of a store below 1 GB all rows are checked before it opens, and their sum against the head, which shows rows that are
//! missing or old. Of a larger one a sample is checked first, the rest on a thread while it is already at work.

use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;

use prost::Message;
use rand::RngCore;
use tracing::{error, info};

use crate::engine::sled::{OpenFailure, SledEngine, unsynced_values};
use crate::engine::{Direction, Engine, Range, files};
use crate::envelope::{Envelope, carried_checksum};
use crate::error::Error;
use crate::layout;
use crate::records::Head;
use crate::store::Options;
use crate::view::assemble;

/// Up to this size all rows are checked before the start; about 2 s per GB when the files are in memory.
const FULL_CHECK_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// The sample of a larger store: so many places, so many rows from each.
const SAMPLE_PLACES: usize = 256;
const SAMPLE_ROWS: usize = 64;
/// Rows read at once while checking.
const CHECK_PAGE_ROWS: usize = 1000;

/// What a check of all rows found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) rows: u64,
    pub(crate) digest: u64,
}

/// Opens the engine in a directory; a damaged store is moved aside.
pub(crate) fn open_checked(dir: &Path, options: &Options) -> Result<Arc<dyn Engine>, Error> {
    files::refuse_if_noted(dir)?;
    std::fs::create_dir_all(dir).map_err(|error| Error::io("create the directory", error))?;
    let engine = match open_and_check(dir, options.cache_bytes) {
        Ok(engine) => Arc::new(engine),
        Err(OpenFailure::Damaged(reason)) => {
            error!(dir = %dir.display(), reason, "the store is damaged and moved aside");
            return Err(files::move_aside(dir, &reason));
        }
        Err(OpenFailure::Other(error)) => return Err(error),
    };
    if engine.disk_bytes() > FULL_CHECK_BYTES_MAX {
        check_in_background(Arc::clone(&engine))?;
    }
    Ok(engine)
}

/// Opens and checks without touching anything when it is damaged; the engine is closed again in that case.
pub(crate) fn open_and_check(dir: &Path, cache_bytes: u64) -> Result<SledEngine, OpenFailure> {
    let count = unsynced_values(dir).map_err(|error| OpenFailure::Other(Error::io("open", error)))?;
    if count > 0 {
        return Err(OpenFailure::Other(Error::Unsynced { dir: dir.to_owned(), count }));
    }
    let engine = SledEngine::open(dir, cache_bytes)?;
    match check(&engine) {
        Ok(()) => Ok(engine),
        Err(failure) => {
            engine.close();
            Err(match failure {
                Error::Corrupt { .. } => OpenFailure::Damaged(failure.to_string()),
                other => OpenFailure::Other(other),
            })
        }
    }
}

/// The counters; all zero for a store without commits.
pub(crate) fn read_head(engine: &dyn Engine) -> Result<Head, Error> {
    let Some(stored) = engine.get(&layout::HEAD)? else {
        return Ok(Head::default());
    };
    let envelope = Envelope::open_whole(&layout::HEAD, &stored)?;
    Head::decode(envelope.value).map_err(|error| Error::corrupt(&layout::HEAD, error.to_string()))
}

/// Reads all rows and checks each; gives what the head must say about them.
pub(crate) fn tally(engine: &dyn Engine) -> Result<Tally, Error> {
    let mut tally = Tally::default();
    let mut range: Range = (Bound::Unbounded, Bound::Unbounded);
    loop {
        let page = engine.scan(&range, CHECK_PAGE_ROWS, Direction::Forward)?;
        for (key, stored) in &page {
            if key[..] != layout::HEAD {
                assemble(key, stored, |part| engine.get(part))?;
                tally.rows += 1;
                tally.digest = tally.digest.wrapping_add(u64::from(carried_checksum(stored)));
            }
        }
        match page.into_iter().next_back() {
            Some((last, _)) => range.0 = Bound::Excluded(last),
            None => return Ok(tally),
        }
    }
}

/// Compares what was counted with the head.
pub(crate) fn compare(tally: Tally, head: &Head) -> Result<(), Error> {
    let expected = Tally { rows: head.rows, digest: head.digest };
    if tally == expected {
        return Ok(());
    }
    let reason =
        format!("{} rows with sum {:x}, not {} with {:x}", tally.rows, tally.digest, head.rows, head.digest);
    Err(Error::corrupt(&layout::HEAD, reason))
}

fn check(engine: &SledEngine) -> Result<(), Error> {
    let head = read_head(engine)?;
    if head.commit_seq < engine.durable_seq() {
        let reason =
            format!("the last commit is {}, but {} was durable", head.commit_seq, engine.durable_seq());
        return Err(Error::corrupt(&layout::HEAD, reason));
    }
    if engine.disk_bytes() > FULL_CHECK_BYTES_MAX {
        return check_sample(engine);
    }
    let tally = tally(engine)?;
    compare(tally, &head)?;
    engine.note_touched(tally.rows);
    engine.rest()
}

fn check_sample(engine: &dyn Engine) -> Result<(), Error> {
    let mut random = rand::thread_rng();
    for _ in 0..SAMPLE_PLACES {
        // Keys share their first bytes, so a place is looked for at several depths.
        let mut place = vec![0; 1 + (random.next_u32() % 9) as usize];
        random.fill_bytes(&mut place);
        let range = (Bound::Included(place), Bound::Unbounded);
        for (key, stored) in engine.scan(&range, SAMPLE_ROWS, Direction::Forward)? {
            assemble(&key, &stored, |part| engine.get(part))?;
        }
    }
    Ok(())
}

/// Checks every row of a large store while it works. A value that changes meanwhile is read twice before it counts.
fn check_in_background(engine: Arc<SledEngine>) -> Result<(), Error> {
    let check = move || {
        let mut range: Range = (Bound::Unbounded, Bound::Unbounded);
        let mut rows = 0u64;
        while let Ok(page) = engine.scan(&range, CHECK_PAGE_ROWS, Direction::Forward) {
            for (key, stored) in &page {
                if let Err(first) = assemble(key, stored, |part| engine.get(part)) {
                    let again = engine.get(key).ok().flatten();
                    if again.as_ref() == Some(stored) {
                        error!(reason = %first, "a damaged row; restore it from a backup");
                    }
                }
            }
            rows += page.len() as u64;
            match page.into_iter().next_back() {
                Some((last, _)) => range.0 = Bound::Excluded(last),
                None => break,
            }
        }
        info!(rows, "all rows are checked");
    };
    let spawned = std::thread::Builder::new().name("storage-check".into()).spawn(check);
    spawned.map(drop).map_err(|source| Error::io("start a thread", source))
}
