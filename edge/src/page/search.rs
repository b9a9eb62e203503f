//! The search page. Required: the search. Optional: live prices, sellers, images.

use tonic::Status;
use vitrina_proto::publications::v1::SearchRequest;
use vitrina_proto::storefront::v1::SearchPage;

use super::{Missing, Pages};

pub(super) async fn page(pages: &Pages, request: SearchRequest) -> Result<SearchPage, Status> {
    let found = pages.search(&pages.scope, request).await?;
    let mut missing = Missing::default();
    let cards = pages.cards(found.items, &mut missing).await;
    Ok(SearchPage {
        cards,
        facets: found.facets,
        total: found.total,
        next_cursor: found.next_cursor,
        degraded: missing.0,
    })
}
