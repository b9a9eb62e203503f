//! ImportProducts.
//!
//! Rows go in by groups, each in one commit, many of them on their way at once. What makes a second run change nothing is
//! the index of skus: a commit expects each of its skus to be free, and a group that was overtaken looks again. A crash
//! leaves whole groups; the next run does the rest.

use futures::{StreamExt, TryStreamExt, stream};
use vitrina_chassis::ids::UserId;
use vitrina_chassis::{Answer, Call, Refused};
use vitrina_proto::products::v1 as pb;
use vitrina_storage::Commit;

use super::App;
use crate::error::Error;
use crate::model::{ProductId, PublicationId};
use crate::wire::import::{self, ImportRow, Sheet};
use crate::{events, store, wire};

/// Rows of a commit: seven rows of the store each, a third of what a commit may have.
const GROUP_ROWS: usize = 50;
/// Attempts of a group. Only another import of the same seller's same rows can get in the way.
const ATTEMPTS_MAX: u32 = 5;
const FIRST_VERSION: u64 = 1;

impl App {
    /// Makes every row that may go in a product with an active publication; rows whose sku is there already change nothing.
    pub(crate) async fn import_products(
        &self,
        call: Call<pb::ImportProductsRequest>,
    ) -> Result<Answer<pb::ImportReport>, Error> {
        let seller = call.caller.require_seller()?;
        let terms = import::terms(&call.request)?;
        let now_ms = call.now_ms;
        let csv = call.request.csv;
        // Some thousand rows take longer to read than an async thread may be kept.
        let sheet = tokio::task::spawn_blocking(move || import::read(&csv, &terms))
            .await
            .map_err(Error::Import)??;
        let Sheet { read, rows, repeated, rejected } = sheet;
        let groups: Vec<_> =
            rows.chunks(GROUP_ROWS).map(|group| self.import_group(seller, group, now_ms)).collect();
        let created: u32 = stream::iter(groups)
            .buffer_unordered(self.config.import_commits_max.max(1))
            .try_fold(0, |sum, created| async move { Ok(sum + created) })
            .await?;
        let known = u32::try_from(rows.len()).unwrap_or(u32::MAX) - created;
        Ok(Answer::new(pb::ImportReport { read, created, unchanged: known + repeated, rejected }))
    }

    /// Creates the products of a group that are new; says how many.
    async fn import_group(&self, seller: UserId, rows: &[ImportRow], now_ms: u64) -> Result<u32, Error> {
        let skus: Vec<String> = rows.iter().map(|row| row.sku.clone()).collect();
        for _ in 0..ATTEMPTS_MAX {
            let taken = store::are_skus_taken(&self.store, seller, &skus)?;
            let new = rows.iter().zip(taken).filter(|(_, is_taken)| !is_taken);
            let mut commit = Commit::new();
            let mut created = 0;
            for (row, _) in new {
                import_row(&mut commit, seller, row, now_ms);
                created += 1;
            }
            if created == 0 {
                return Ok(0);
            }
            match self.store.commit(commit).await {
                Ok(_) => return Ok(created),
                Err(vitrina_storage::Error::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Refused::Contended.into())
    }
}

/// Adds a product with its publication, and the event that has it made.
fn import_row(commit: &mut Commit, seller: UserId, row: &ImportRow, now_ms: u64) {
    let product = row.product(ProductId::at(now_ms), seller, now_ms);
    let publication = PublicationId::at(now_ms);
    store::create(commit, &product);
    store::publish(commit, &product, publication);
    let payload = wire::product(&product, FIRST_VERSION, Some(publication), now_ms);
    commit.emit(events::published(payload, publication, &row.tags));
}
