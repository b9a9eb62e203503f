//! GetAvailability.
//!
//! A publication is made by another service, and its event may be on its way when the first buyer asks. So an unknown one is
//! waited for a little, by looking again: the commit of the inbox wakes nobody, and a look is one read in memory.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;
use vitrina_chassis::{Answer, Call};
use vitrina_proto::products::v1 as pb;
use vitrina_storage::Row;

use super::App;
use crate::error::Error;
use crate::model::{ProductId, PublicationId};
use crate::store::rows::{PublicationRow, id16};
use crate::{store, wire};

/// Between two looks: an event takes some milliseconds.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);
/// Calls that wait at once. Asking for publications that never were must not tie up more than this.
const WAITS_MAX: usize = 256;

/// The places of those who wait.
#[derive(Clone, Debug)]
pub(super) struct Waits(Arc<Semaphore>);

impl Default for Waits {
    fn default() -> Waits {
        Waits(Arc::new(Semaphore::new(WAITS_MAX)))
    }
}

impl App {
    /// Whether a publication can be bought now, and for how much.
    pub(crate) async fn get_availability(
        &self,
        call: Call<pb::GetAvailabilityRequest>,
    ) -> Result<Answer<pb::Availability>, Error> {
        let id: PublicationId = call.request.publication_id.parse().map_err(|_| Error::PublicationUnknown)?;
        let row = self.known_publication(id).await?.value;
        let is_paused = match row.status {
            PublicationRow::ACTIVE => false,
            PublicationRow::PAUSED => true,
            // A draft is its seller's own business, a closed one is over.
            _ => return Err(Error::PublicationUnknown),
        };
        let product = ProductId::from_bytes(id16(&row.product, "product")?);
        let product =
            store::product(&self.store, product)?.map(|row| row.value).filter(|product| !product.is_deleted);
        let product = product.ok_or(Error::PublicationUnknown)?;
        Ok(Answer::new(wire::availability(&product, id, is_paused, call.now_ms)))
    }

    async fn known_publication(&self, id: PublicationId) -> Result<Row<PublicationRow>, Error> {
        if let Some(row) = store::publication(&self.store, id)? {
            return Ok(row);
        }
        let _place = self.availability_waits.0.try_acquire().map_err(|_| Error::PublicationUnknown)?;
        let end = Instant::now() + Duration::from_millis(self.config.publication_wait_ms);
        while Instant::now() < end {
            tokio::time::sleep(LOOK_INTERVAL).await;
            if let Some(row) = store::publication(&self.store, id)? {
                return Ok(row);
            }
        }
        Err(Error::PublicationUnknown)
    }
}
