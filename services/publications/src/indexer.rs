//! Brings the index after the store: reads the queue, indexes what the store holds, commits the index, empties the queue.
//!
//! In this order a crash at any point only repeats work. The queue is looked at every few milliseconds, because commits of
//! the inbox wake nobody, and a look at an empty table is one read in memory.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use vitrina_storage::{Commit, Store};

use crate::error::Error;
use crate::events;
use crate::model::{PublicationId, Status};
use crate::search::{Entry, Search};
use crate::store;

/// Between two looks at an empty queue; with the commit of the index (about 30 ms) well under 200 ms.
const LOOK_INTERVAL: Duration = Duration::from_millis(60);
/// Between two tries after a failure.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// Between two notes to the edges that answers of searches are old.
const TELL_INTERVAL: Duration = Duration::from_secs(1);
/// Publications a round: half of what a commit of the store may hold.
const BATCH: usize = 500;

/// Runs until it is dropped.
pub(crate) async fn run(store: Store, search: Arc<Search>) {
    let mut is_untold = false;
    let mut told_at = Instant::now();
    loop {
        let wait = match round(&store, &search).await {
            Ok(0) => LOOK_INTERVAL,
            Ok(count) => {
                is_untold = true;
                if count < BATCH { LOOK_INTERVAL } else { Duration::ZERO }
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
async fn round(store: &Store, search: &Arc<Search>) -> Result<usize, Error> {
    if !search.is_complete() {
        fill(store, search).await?;
    }
    let queued = store::queued(store, BATCH)?;
    if queued.is_empty() {
        return Ok(0);
    }
    apply(store, search, queued.iter().map(|(id, _)| *id).collect()).await?;
    // One commit for all; when one of them was queued again meanwhile, each for itself.
    let mut all = Commit::new();
    queued.iter().for_each(|(id, version)| store::dequeue(&mut all, *id, *version));
    match store.commit(all).await {
        Err(vitrina_storage::Error::Conflict) => {
            for (id, version) in &queued {
                let mut one = Commit::new();
                store::dequeue(&mut one, *id, *version);
                match store.commit(one).await {
                    Ok(_) | Err(vitrina_storage::Error::Conflict) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        other => {
            other?;
        }
    }
    Ok(queued.len())
}

/// Takes in everything that the store has.
async fn fill(store: &Store, search: &Arc<Search>) -> Result<(), Error> {
    let mut after = None;
    loop {
        let ids = store::all(store, after, BATCH)?;
        let Some(last) = ids.last() else { break };
        after = Some(*last);
        apply(store, search, ids).await?;
    }
    search.set_complete()
}

async fn apply(store: &Store, search: &Arc<Search>, ids: Vec<PublicationId>) -> Result<(), Error> {
    let (store, search) = (store.clone(), Arc::clone(search));
    tokio::task::spawn_blocking(move || {
        let changes = ids.into_iter().map(|id| Ok((id, entry(&store, id)?)));
        search.apply(&changes.collect::<Result<Vec<_>, Error>>()?)
    })
    .await?
}

/// What the index shall know of a publication; `None` when it is not on sale.
fn entry(store: &Store, id: PublicationId) -> Result<Option<Entry>, Error> {
    let publication = store::publication(store, id)?.map(|row| row.value);
    let Some(publication) = publication.filter(|publication| publication.status == Status::Active) else {
        return Ok(None);
    };
    let Some(product) = store::product(store, publication.product)?.map(|row| row.value) else {
        return Ok(None);
    };
    Ok(Some(Entry {
        id,
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
        wishes: store::wishes(store, id)?,
    }))
}
