//! The caller's wishlist. Required: the wishes and their publications. Optional: prices, sellers, images.

use tonic::Status;
use vitrina_proto::storefront::v1::{WishlistPage, WishlistPageRequest};
use vitrina_proto::users::v1::ListWishlistRequest;

use super::{Missing, Pages};

pub(super) async fn page(pages: &Pages, request: WishlistPageRequest) -> Result<WishlistPage, Status> {
    let scope = &pages.scope;
    let wishes = scope
        .repeat("vitrina.users.v1.Users/ListWishlist", || {
            let mut client = pages.clients.users.clone();
            let request =
                scope.request(ListWishlistRequest { limit: request.limit, cursor: request.cursor.clone() });
            async move { client.list_wishlist(request).await }
        })
        .await?
        .into_inner();
    let ids: Vec<String> = wishes.items.into_iter().map(|wish| wish.publication_id).collect();
    let publications = pages.publications(scope, ids.iter().cloned().collect()).await?;

    let mut missing = Missing::default();
    let cards = pages.publication_cards(&ids, &publications, &mut missing).await;
    Ok(WishlistPage { cards, next_cursor: wishes.next_cursor, degraded: missing.0 })
}
