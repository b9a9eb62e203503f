//! The search index: which publications match, counted and in order. Derived from the store and never the truth: it knows
//! ids and numbers, and what is shown is read from the store.
//!
//! A crash leaves the last committed state of the index; what came after it still stands in the store's queue. The file
//! `vitrina-name` says which store the index was made from and in which shape. Whatever does not fit or is damaged is refused
//! by [`Search::open`], and the caller makes it anew.

mod collect;
mod query;
mod schema;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Mutex;

use tantivy::index::SegmentComponent;
use tantivy::indexer::IndexWriterOptions;
use tantivy::query::{AllQuery, Query};
use tantivy::{Index, IndexReader, IndexWriter, ReloadPolicy, TantivyDocument, TantivyError, Term};

use crate::error::Error;
use crate::model::PublicationId;
use crate::search::collect::Gather;
use crate::search::schema::Fields;

pub(crate) use collect::Found;
pub(crate) use query::fold;

/// Grows with every change of fields or analysis.
const SHAPE: &str = "1";
/// File beside the index with its shape and name.
const NAME_FILE: &str = "vitrina-name";
/// The files that every segment has; some are opened only by the first search that needs them.
const COMPONENTS: [SegmentComponent; 6] = [
    SegmentComponent::Postings,
    SegmentComponent::Positions,
    SegmentComponent::FastFields,
    SegmentComponent::FieldNorms,
    SegmentComponent::Terms,
    SegmentComponent::Store,
];

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
    writer: Mutex<Writer>,
}

struct Writer {
    index: IndexWriter,
    /// Whether the reader shows everything that the index was given: not after a failure.
    is_shown: bool,
}

impl Search {
    /// Opens the index called `name`; `None` when it is missing, damaged, of another shape or of another store.
    ///
    /// # Errors
    /// When another process writes it.
    pub(crate) fn open(dir: &Path, name: &str, memory_bytes: usize) -> Result<Option<Search>, Error> {
        if !fs::read(dir.join(NAME_FILE)).is_ok_and(|found| found == full_name(name).as_bytes()) {
            return Ok(None);
        }
        // Damage that no checksum covers may make the library panic, which must not keep the service from starting.
        let result = catch_unwind(AssertUnwindSafe(|| {
            let search = Search::of(Index::open_in_dir(dir)?, memory_bytes)?;
            search.check()?;
            Ok(search)
        }));
        match result {
            Ok(Ok(search)) => Ok(Some(search)),
            Ok(Err(error @ TantivyError::LockFailure(..))) => Err(error.into()),
            Ok(Err(error)) => {
                tracing::warn!(%error, "the search index is damaged");
                Ok(None)
            }
            Err(_) => Ok(None),
        }
    }

    /// Makes an empty index called `name` in place of whatever is there.
    ///
    /// # Errors
    /// When the directory cannot be made or written.
    pub(crate) fn create(dir: &Path, name: &str, memory_bytes: usize) -> Result<Search, Error> {
        if dir.exists() {
            fs::remove_dir_all(dir)?;
        }
        fs::create_dir_all(dir)?;
        let search = Search::of(Index::create_in_dir(dir, schema::schema().0)?, memory_bytes)?;
        fs::write(dir.join(NAME_FILE), full_name(name))?;
        Ok(search)
    }

    /// Takes in what became of publications (`None`: not to be found) and makes it durable and visible.
    pub(crate) fn apply(&self, changes: &[(PublicationId, Option<Entry>)]) -> Result<(), Error> {
        let mut writer = self.writer.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let is_shown = std::mem::replace(&mut writer.is_shown, false);
        let shown = self.reader.searcher();
        for (id, entry) in changes {
            let term = Term::from_field_text(self.fields.id, &id.to_string());
            // A deletion has the commit open and search every segment, so that only what is there is deleted.
            if !is_shown || shown.doc_freq(&term)? > 0 {
                writer.index.delete_term(term);
            }
            if let Some(entry) = entry {
                let document: TantivyDocument = schema::document(&self.fields, entry);
                writer.index.add_document(document)?;
            }
        }
        writer.index.commit()?;
        self.reader.reload()?;
        writer.is_shown = true;
        Ok(())
    }

    /// What matches; with typing errors when nothing else does.
    pub(crate) fn find(&self, wanted: &Wanted) -> Result<(Found, Reading), Error> {
        let exact = self.find_as(wanted, Reading::Exact)?;
        if wanted.words.is_empty() || exact.total > 0 {
            return Ok((exact, Reading::Exact));
        }
        Ok((self.find_as(wanted, Reading::Fuzzy)?, Reading::Fuzzy))
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

    fn of(index: Index, memory_bytes: usize) -> tantivy::Result<Search> {
        let (schema, fields) = schema::schema();
        if index.schema() != schema {
            return Err(TantivyError::SchemaError("another shape".to_owned()));
        }
        schema::register(&index);
        // One thread each: the machine has better to do than to merge segments, and batches are small.
        let options = IndexWriterOptions::builder()
            .num_worker_threads(1)
            .num_merge_threads(1)
            .memory_budget_per_thread(memory_bytes)
            .build();
        let writer = Mutex::new(Writer { index: index.writer_with_options(options)?, is_shown: true });
        // It is reloaded after each commit of ours; a thread that watches the directory would add nothing.
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
        Ok(Search { fields, index, reader, writer })
    }

    /// Checks every file of the index, and what no checksum covers: that the list of segments fits the files, and that all
    /// can be read through.
    fn check(&self) -> tantivy::Result<()> {
        for segment in self.index.searchable_segment_metas()? {
            let deletes = segment.has_deletes().then_some(SegmentComponent::Delete);
            for component in COMPONENTS.into_iter().chain(deletes) {
                let file = segment.relative_path(component);
                if !self.index.directory().validate_checksum(&file)? {
                    return Err(damaged(&file.to_string_lossy()));
                }
            }
        }
        let searcher = self.reader.searcher();
        for segment in searcher.segment_readers() {
            let ids = segment.fast_fields().u64(schema::fast::ID_LOW)?;
            if ids.num_docs() != segment.max_doc() {
                return Err(damaged("meta.json"));
            }
        }
        let all = Wanted { limit: 1, ..Wanted::default() };
        searcher.search(&AllQuery, &Gather::new(&all)).map(drop)
    }

    fn gather(&self, query: &dyn Query, wanted: &Wanted) -> Result<Found, Error> {
        Ok(self.reader.searcher().search(query, &Gather::new(wanted))?)
    }
}

fn full_name(name: &str) -> String {
    format!("{SHAPE} {name}")
}

fn damaged(file: &str) -> TantivyError {
    TantivyError::SystemError(format!("{file} is damaged"))
}

#[cfg(test)]
mod tests;
