//! Brings the index after the store: reads the queue, indexes what the store holds, commits the index, empties the queue.
//!
//! In this order a crash at any point only repeats work. An index that is missing, damaged or was made from another store
//! is made anew: everything is indexed, and only then the store takes down its name, so that an interrupted start begins
//! again.
//!
//! The queue is looked at every few milliseconds, because commits of the inbox wake nobody, and a look at an empty table is
//! one read in memory. After a round that took in many, as while a catalogue is imported, it is left to fill for longer: what
//! a commit of the index costs hardly depends on how much it takes in.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use vitrina_chassis::Context;
use vitrina_storage::{Commit, Store};

use crate::config::Config;
use crate::error::Error;
use crate::events;
use crate::model::{ProductId, Publication, PublicationId, Status};
use crate::search::{Entry, Search};
use crate::store::{self, rows::ProductRow};

/// Between two looks at an empty queue; with the commit of the index (about 30 ms) well under 200 ms.
const LOOK_INTERVAL: Duration = Duration::from_millis(60);
/// After a round of at least [`MANY`], so that the next one is large too; still well under half a second.
const FILL_INTERVAL: Duration = Duration::from_millis(250);
/// Between two tries after a failure.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// Between two notes to the edges that answers of searches are old.
const TELL_INTERVAL: Duration = Duration::from_secs(1);
/// Publications a round: as many as a commit of the store may take out of the queue.
const BATCH: usize = 1000;
/// A round of that many is one of a crowd.
const MANY: usize = 50;

/// An index, and its name when it is new and has to be filled.
pub(crate) struct Opened {
    pub(crate) search: Search,
    pub(crate) new_name: Option<String>,
}

/// Opens the index of this store, or makes an empty one in its place.
pub(crate) fn open(ctx: &Context, config: &Config) -> Result<Opened, Error> {
    let (dir, memory_bytes) = (config.index_dir.as_path(), config.index_memory_bytes);
    if let Some(name) = store::index_name(&ctx.store)? {
        if let Some(search) = Search::open(dir, &name, memory_bytes)? {
            return Ok(Opened { search, new_name: None });
        }
        tracing::warn!("the search index is missing or damaged and made anew from the store");
    }
    let name = vitrina_chassis::ids::uuid_at(ctx.clock.now_ms()).to_string();
    Ok(Opened { search: Search::create(dir, &name, memory_bytes)?, new_name: Some(name) })
}

/// Runs until it is dropped.
pub(crate) async fn run(store: Store, search: Arc<Search>, mut new_name: Option<String>) {
    let mut is_untold = false;
    let mut told_at = Instant::now();
    loop {
        let wait = match round(&store, &search, &mut new_name).await {
            Ok(0) => LOOK_INTERVAL,
            Ok(count) => {
                is_untold = true;
                match count {
                    BATCH.. => Duration::ZERO,
                    MANY.. => FILL_INTERVAL,
                    _ => LOOK_INTERVAL,
                }
            }
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the index cannot follow the store");
                RETRY_INTERVAL
            }
        };
        if is_untold && told_at.elapsed() >= TELL_INTERVAL {
            let mut commit = Commit::new();
            commit.emit(events::search_invalidated());
            is_untold = store.commit(commit).await.is_err();
            told_at = Instant::now();
        }
        tokio::time::sleep(wait).await;
    }
}

/// One round; how many publications it took in.
async fn round(store: &Store, search: &Arc<Search>, new_name: &mut Option<String>) -> Result<usize, Error> {
    if let Some(name) = new_name {
        fill(store, search, name).await?;
        *new_name = None;
    }
    let queued = store::queued(store, BATCH)?;
    if queued.is_empty() {
        return Ok(0);
    }
    apply(store, search, queued.iter().map(|(id, _)| *id).collect()).await?;
    match dequeue(store, &queued).await {
        // Some were queued again meanwhile: those stay, the others leave. Should it happen once more, all are indexed twice.
        Err(vitrina_storage::Error::Conflict) => {
            let now = store::queued(store, BATCH)?;
            let same: Vec<_> = queued.iter().filter(|row| now.contains(row)).copied().collect();
            match dequeue(store, &same).await {
                Ok(()) | Err(vitrina_storage::Error::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        other => other?,
    }
    Ok(queued.len())
}

async fn dequeue(store: &Store, rows: &[(PublicationId, u64)]) -> Result<(), vitrina_storage::Error> {
    let mut commit = Commit::new();
    rows.iter().for_each(|(id, version)| store::dequeue(&mut commit, *id, *version));
    store.commit(commit).await.map(drop)
}

/// Takes in everything that the store has.
async fn fill(store: &Store, search: &Arc<Search>, name: &str) -> Result<(), Error> {
    let mut after = None;
    loop {
        let ids = store::all(store, after, BATCH)?;
        let Some(last) = ids.last() else { break };
        after = Some(*last);
        apply(store, search, ids).await?;
    }
    let mut commit = Commit::new();
    store::name_index(&mut commit, name);
    store.commit(commit).await?;
    Ok(())
}

async fn apply(store: &Store, search: &Arc<Search>, ids: Vec<PublicationId>) -> Result<(), Error> {
    let (store, search) = (store.clone(), Arc::clone(search));
    tokio::task::spawn_blocking(move || search.apply(&entries(&store, &ids)?)).await?
}

/// What the index shall know of publications; `None` of one that is not on sale.
fn entries(store: &Store, ids: &[PublicationId]) -> Result<Vec<(PublicationId, Option<Entry>)>, Error> {
    let publications: HashMap<PublicationId, Publication> = store::publications(store, ids)?
        .into_iter()
        .map(|row| row.value)
        .filter(|publication| publication.status == Status::Active)
        .map(|publication| (publication.id, publication))
        .collect();
    let active: Vec<PublicationId> = publications.keys().copied().collect();
    let of: Vec<ProductId> = publications.values().map(|publication| publication.product).collect();
    let products = store::products(store, &of)?.into_iter();
    let wishes = store::wishes(store, &active)?.into_iter();
    let mut entries: HashMap<PublicationId, Entry> = publications
        .into_values()
        .zip(products.zip(wishes))
        .filter_map(|(publication, (product, wishes))| {
            Some((publication.id, entry(publication, product?, wishes)))
        })
        .collect();
    Ok(ids.iter().map(|id| (*id, entries.remove(id))).collect())
}

fn entry(publication: Publication, product: ProductRow, wishes: u64) -> Entry {
    Entry {
        id: publication.id,
        title: publication.title,
        description: publication.description,
        tags: publication.tags,
        brand: product.brand,
        category: product.category,
        condition: u64::try_from(product.condition).unwrap_or(0),
        seller: publication.seller.to_string(),
        price_minor: product.price_minor,
        offer_minor: product.offer_minor,
        offer_from_ms: product.offer_from_ms,
        offer_until_ms: product.offer_until_ms,
        available: u64::from(product.available),
        created_at_ms: publication.created_at_ms,
        wishes,
    }
}
