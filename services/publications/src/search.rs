//! The search index: which publications match, counted and in order. Derived from the store and never the truth: it knows
//! ids and numbers, and what is shown is read from the store.
//!
//! A crash leaves the last committed state of the index; what came after it still stands in the store's queue. The file
//! `complete` is written after the first filling: without it, with another number in it, or with damaged files, the
//! directory is made anew.

mod collect;
mod query;
mod schema;

use std::fs;
use std::path::Path;
use std::sync::Mutex;

use tantivy::{Index, IndexReader, IndexWriter, ReloadPolicy, TantivyDocument, Term};

use crate::error::Error;
use crate::model::PublicationId;
use crate::search::collect::Gather;
use crate::search::schema::Fields;

pub(crate) use collect::Found;
pub(crate) use query::fold;

/// Grows with every change of fields or analysis.
const VERSION: &str = "1";
const COMPLETE: &str = "complete";
/// Below so many exact matches, words with typing errors are looked for too.
const FEW: u32 = 3;

/// How matches are ordered. The numbers stand in cursors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Sort {
    /// Best first.
    Relevance = 0,
    /// Cheapest first, by what it costs now.
    PriceAsc = 1,
    /// Dearest first.
    PriceDesc = 2,
    /// Newest first.
    #[default]
    Newest = 3,
    /// Most wished first.
    Wished = 4,
}

/// What is looked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) words: String,
    pub(crate) category: Option<String>,
    pub(crate) brand: Option<String>,
    pub(crate) seller: Option<String>,
    /// Numbers of the contract.
    pub(crate) condition: Option<u64>,
    /// Inclusive, minor units of what it costs now.
    pub(crate) price_min: Option<u64>,
    pub(crate) price_max: Option<u64>,
    pub(crate) in_stock: Option<bool>,
    pub(crate) on_offer: Option<bool>,
    pub(crate) sort: Sort,
    pub(crate) limit: usize,
    pub(crate) after: Option<Position>,
    pub(crate) now_ms: u64,
}

/// The place of a match in the order: everything that sorts lower comes later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub(crate) rank: u64,
    pub(crate) id: u128,
}

/// Where a page ended, and in which reading of the words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// The words as they are.
    Exact,
    /// With typing errors.
    Fuzzy,
}

/// What the index knows of a publication.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) id: PublicationId,
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) tags: Vec<String>,
    pub(crate) brand: String,
    pub(crate) category: String,
    pub(crate) condition: u64,
    pub(crate) seller: String,
    pub(crate) price_minor: u64,
    pub(crate) offer_minor: u64,
    pub(crate) offer_from_ms: u64,
    pub(crate) offer_until_ms: u64,
    pub(crate) available: u64,
    pub(crate) created_at_ms: u64,
    pub(crate) wishes: u64,
}

/// The index.
pub(crate) struct Search {
    fields: Fields,
    index: Index,
    reader: IndexReader,
    writer: Mutex<IndexWriter>,
    dir: std::path::PathBuf,
}

impl Search {
    /// Opens the index, empty when it was missing, damaged or of another version: then [`Search::is_complete`] is false.
    pub(crate) fn open(dir: &Path, memory_bytes: usize) -> Result<Search, Error> {
        let (schema, fields) = schema::schema();
        let is_usable = fs::read_to_string(dir.join(COMPLETE)).is_ok_and(|version| version == VERSION);
        let index = match is_usable.then(|| sound(dir)).flatten() {
            Some(index) => index,
            None => {
                if dir.exists() {
                    tracing::warn!("the search index is made anew from the store");
                    fs::remove_dir_all(dir)?;
                }
                fs::create_dir_all(dir)?;
                Index::create_in_dir(dir, schema)?
            }
        };
        schema::register(&index);
        let writer = index.writer_with_num_threads(1, memory_bytes)?;
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
        Ok(Search { fields, index, reader, writer: Mutex::new(writer), dir: dir.to_path_buf() })
    }

    /// Whether it has been filled from the store once.
    pub(crate) fn is_complete(&self) -> bool {
        self.dir.join(COMPLETE).exists()
    }

    /// Notes that it has been filled.
    pub(crate) fn set_complete(&self) -> Result<(), Error> {
        Ok(fs::write(self.dir.join(COMPLETE), VERSION)?)
    }

    /// Takes in what became of publications (`None`: not to be found) and makes it durable and visible.
    pub(crate) fn apply(&self, changes: &[(PublicationId, Option<Entry>)]) -> Result<(), Error> {
        let mut writer = self.writer.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for (id, entry) in changes {
            writer.delete_term(Term::from_field_text(self.fields.id, &id.to_string()));
            if let Some(entry) = entry {
                let document: TantivyDocument = schema::document(&self.fields, entry);
                writer.add_document(document)?;
            }
        }
        writer.commit()?;
        drop(writer);
        Ok(self.reader.reload()?)
    }

    /// What matches; with typing errors when nearly nothing does.
    pub(crate) fn find(&self, wanted: &Wanted) -> Result<(Found, Reading), Error> {
        let exact = self.find_as(wanted, Reading::Exact)?;
        if wanted.words.is_empty() || exact.total >= FEW {
            return Ok((exact, Reading::Exact));
        }
        let fuzzy = self.find_as(wanted, Reading::Fuzzy)?;
        let is_more = fuzzy.total > exact.total;
        Ok(if is_more { (fuzzy, Reading::Fuzzy) } else { (exact, Reading::Exact) })
    }

    /// What matches in one reading of the words: that of the page before.
    pub(crate) fn find_as(&self, wanted: &Wanted, reading: Reading) -> Result<Found, Error> {
        let query = query::build(&self.index, &self.fields, wanted, reading)?;
        self.gather(query.as_ref(), wanted)
    }

    /// Publications with words that begin with what is being typed.
    pub(crate) fn begun(&self, typed: &str, wanted: &Wanted) -> Result<Found, Error> {
        match query::prefix(&self.index, &self.fields, typed)? {
            Some(query) => self.gather(query.as_ref(), wanted),
            None => Ok(Found::default()),
        }
    }

    /// Publications that share words or the category with this one, itself left out.
    pub(crate) fn related(
        &self,
        title: &str,
        category: &str,
        id: PublicationId,
        wanted: &Wanted,
    ) -> Result<Found, Error> {
        let query = query::related(&self.index, &self.fields, (title, category), id)?;
        self.gather(query.as_ref(), wanted)
    }

    fn gather(&self, query: &dyn tantivy::query::Query, wanted: &Wanted) -> Result<Found, Error> {
        Ok(self.reader.searcher().search(query, &Gather::new(wanted))?)
    }
}

/// The index of a directory when all of its files are whole.
fn sound(dir: &Path) -> Option<Index> {
    let index = Index::open_in_dir(dir).ok()?;
    index.validate_checksum().is_ok_and(|damaged| damaged.is_empty()).then_some(index)
}

#[cfg(test)]
mod tests;
