//! GetPublication, ListMyPublications, BatchGetPublications and GetSellerFigures.

use vitrina_chassis::ids::UserId;
use vitrina_chassis::{Answer, Call, Fault, page};
use vitrina_proto::publications::v1 as pb;

use super::App;
use crate::error::Error;
use crate::model::PublicationId;
use crate::search::Wanted;
use crate::{store, wire};

/// Most publications that one call may name.
const IDS_MAX: usize = 100;
/// Publications that a page with a status looks through at most.
const LOOKED_AT_MAX: usize = 1000;

impl App {
    /// One publication.
    pub(crate) fn get_publication(
        &self,
        call: &Call<pb::GetPublicationRequest>,
    ) -> Result<Answer<pb::Publication>, Error> {
        let row = self.visible(call, &call.request.id)?;
        Ok(Answer::new(wire::publication(&row.value, row.version)).version(row.version))
    }

    /// The caller's publications, newest first.
    pub(crate) fn list_my_publications(
        &self,
        call: &Call<pb::ListMyPublicationsRequest>,
    ) -> Result<Answer<pb::PublicationList>, Error> {
        let seller = call.caller.require_seller()?;
        let limit = wire::limit(call.request.limit, page::LIMIT_DEFAULT, page::LIMIT_MAX)?;
        let after = page::after::<PublicationId>(call.request.cursor())?;
        let status = call.request.status.map(wire::status).transpose()?;
        let looked_at = if status.is_some() { LOOKED_AT_MAX } else { limit + 1 };
        let ids = store::of_seller(&self.store, seller, after, looked_at)?;
        // A page that looked at all it may but is not full goes on behind the last one looked at.
        let rest = ids.last().filter(|_| status.is_some() && ids.len() == looked_at).map(page::cursor);
        let mut rows = store::publications(&self.store, &ids)?;
        rows.retain(|row| status.is_none_or(|status| row.value.status == status));
        let (rows, next_cursor) = page::cut(rows, limit, |row| &row.value.id);
        let items = rows.iter().map(|row| wire::publication(&row.value, row.version)).collect();
        Ok(Answer::new(pb::PublicationList { items, next_cursor: next_cursor.or(rest) }))
    }

    /// Several publications in the order that was asked for; unknown ones are left out.
    pub(crate) fn batch_get_publications(
        &self,
        call: &Call<pb::BatchGetPublicationsRequest>,
    ) -> Result<Answer<pb::PublicationList>, Error> {
        if call.request.ids.len() > IDS_MAX {
            return Err(Fault::invalid_field("ids", "out_of_range", "must have at most 100 items").into());
        }
        let ids: Vec<PublicationId> = call.request.ids.iter().filter_map(|id| id.parse().ok()).collect();
        let rows = store::publications(&self.store, &ids)?;
        let items = rows.iter().map(|row| wire::publication(&row.value, row.version)).collect();
        Ok(Answer::new(pb::PublicationList { items, next_cursor: None }))
    }

    /// Figures of a seller; the active publications are counted by the index.
    pub(crate) async fn get_seller_figures(
        &self,
        call: &Call<pb::GetSellerFiguresRequest>,
    ) -> Result<Answer<pb::SellerFigures>, Error> {
        let malformed = |_| Fault::invalid_field("sellerId", "malformed", "is not the id of a user");
        let seller: UserId = call.request.seller_id.parse().map_err(malformed)?;
        let wanted = Wanted { seller: Some(seller.to_string()), now_ms: call.now_ms, ..Wanted::default() };
        let (found, _) = self.searched(&self.lists, move |search| search.find(&wanted)).await?;
        Ok(Answer::new(pb::SellerFigures {
            unanswered_questions: store::unanswered(&self.store, seller)?,
            active_publications: found.total,
        }))
    }
}
