//! The page of a seller. Required: the profile. Optional: reviews, active publications and what their cards show.

use tonic::Status;
use vitrina_proto::publications::v1::SearchRequest;
use vitrina_proto::storefront::v1::{SellerPage, SellerPageRequest};

use super::cards::{card_seller, summary};
use super::{Missing, Pages};

pub(super) async fn page(pages: &Pages, request: SellerPageRequest) -> Result<SellerPage, Status> {
    let optional = pages.optional();
    let search = SearchRequest {
        seller: Some(request.id.clone()),
        sort: Some("newest".to_owned()),
        ..SearchRequest::default()
    };
    let (seller, reviews, found) = tokio::join!(
        pages.seller(&pages.scope, &request.id),
        pages.reviews(&request.id),
        pages.search(&optional, search),
    );
    let seller = seller?;

    let mut missing = Missing::default();
    let reviews = missing.optional("reviews", reviews).map(summary);
    let found = missing.optional("publications", found).unwrap_or_default();
    let products = super::cards::products_of(&found.items);
    // The seller of all of them is known already.
    let joined = pages.join(products, [].into(), &mut missing).await;
    let mut publications: Vec<_> = found.items.into_iter().map(|item| joined.found(item)).collect();
    for card in &mut publications {
        card.seller = Some(card_seller(&seller));
    }
    Ok(SellerPage {
        seller: Some(seller),
        reviews,
        publications,
        next_cursor: found.next_cursor,
        degraded: missing.0,
    })
}
