//! CreateReview, GetReview and ListReviews.

use vitrina_chassis::{Answer, Call, Decision, page, unit};
use vitrina_proto::orders::v1 as pb;
use vitrina_storage::Commit;

use super::{App, Role, require};
use crate::error::Error;
use crate::model::order::State;
use crate::model::{Refusal, UserId};
use crate::store::rows::{ReviewRow, id};
use crate::{events, store, wire};

const CREATE_RPC: &str = "vitrina.orders.v1.Orders/CreateReview";

impl App {
    /// The buyer reviews a finished order, once; it counts for the seller's score.
    pub(crate) async fn create_review(
        &self,
        call: Call<pb::CreateReviewRequest>,
    ) -> Result<Answer<pb::Review>, Error> {
        wire::check_review(&call.request)?;
        unit(&self.store, &call, CREATE_RPC, || {
            let (order, row, role) = self.party_order(&call.caller, &call.request.id)?;
            require(role, Role::Buyer)?;
            if store::review(&self.store, order)?.is_some() {
                return Err(Error::AlreadyReviewed);
            }
            if row.value.state() != State::Finished {
                return Err(Refusal::State.into());
            }
            let seller: UserId = id(&row.value.seller, "seller")?;
            let review = ReviewRow {
                rating: call.request.rating,
                text: call.request.text.clone(),
                created_at_ms: call.now_ms,
            };
            let mut commit = Commit::new();
            let before = store::score(&self.store, seller)?;
            let score = store::add_review(&mut commit, (order, seller), &review, before.as_ref());
            let reply = wire::review(order, &review);
            commit.emit(events::reviewed(reply.clone(), &row.value.seller, &score));
            Ok(Decision::new(commit, Answer::new(reply).changed(format!("seller:{seller}"))))
        })
        .await
    }

    /// The review of an order.
    pub(crate) fn get_review(&self, call: &Call<pb::OrderRequest>) -> Result<Answer<pb::Review>, Error> {
        let (order, _, _) = self.party_order(&call.caller, &call.request.id)?;
        let row = store::review(&self.store, order)?.ok_or(Error::Unknown("review"))?;
        Ok(Answer::new(wire::review(order, &row.value)))
    }

    /// The reviews of a seller, newest first, with the score of all.
    pub(crate) fn list_reviews(
        &self,
        call: &Call<pb::ListReviewsRequest>,
    ) -> Result<Answer<pb::ReviewList>, Error> {
        let seller: UserId = call.request.seller_id.parse().map_err(|_| Error::Unknown("seller"))?;
        let limit = page::limit(call.request.limit)?;
        let after = page::after::<u64>(call.request.cursor())?;
        let rows = store::reviews_of(&self.store, seller, after, limit + 1)?;
        let (rows, next_cursor) = page::cut(rows, limit, |(number, _, _)| number);
        let score = store::score(&self.store, seller)?.map(|row| row.value).unwrap_or_default();
        Ok(Answer::new(pb::ReviewList {
            items: rows.iter().map(|(_, order, row)| wire::review(*order, row)).collect(),
            next_cursor,
            mean: score.mean(),
            count: score.count,
        }))
    }
}
