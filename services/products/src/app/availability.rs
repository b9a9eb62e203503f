//! GetAvailability.
//!
//! A publication is made by another service, and its event may be on its way when the first buyer asks: an unknown one is
//! waited for a little.

use vitrina_chassis::rows::fixed;
use vitrina_chassis::{Answer, Call};
use vitrina_proto::products::v1 as pb;
use vitrina_storage::Row;

use super::App;
use crate::error::Error;
use crate::model::{ProductId, PublicationId};
use crate::store::rows::PublicationRow;
use crate::{store, wire};

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
        let product = ProductId::from_bytes(fixed(&row.product, "product")?);
        let product =
            store::product(&self.store, product)?.map(|row| row.value).filter(|product| !product.is_deleted);
        let product = product.ok_or(Error::PublicationUnknown)?;
        Ok(Answer::new(wire::availability(&product, id, is_paused, call.now_ms)))
    }

    async fn known_publication(&self, id: PublicationId) -> Result<Row<PublicationRow>, Error> {
        let found = self.publication_waits.until(|| store::publication(&self.store, id)).await?;
        found.ok_or(Error::PublicationUnknown)
    }
}
