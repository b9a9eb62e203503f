//! The page of a cart. Required: the cart, which has live prices and stock by itself. Optional: the cards of its lines.

use tonic::Status;
use vitrina_proto::orders::v1::{Cart, GetCartRequest};
use vitrina_proto::storefront::v1::{CartPage, CartPageRequest};

use super::{Missing, Pages};

pub(super) async fn page(pages: &Pages, request: CartPageRequest) -> Result<CartPage, Status> {
    let cart = cart(pages, &request.id).await?;
    let mut ids: Vec<String> = Vec::new();
    // Two variants of a publication are two lines and one card.
    for line in &cart.lines {
        if !ids.contains(&line.publication_id) {
            ids.push(line.publication_id.clone());
        }
    }
    let publications = pages.publications(&pages.optional(), ids.iter().cloned().collect()).await;
    let mut missing = Missing::default();
    let cards = match missing.optional("cards", publications) {
        Some(publications) => pages.publication_cards(&ids, &publications, &mut missing).await,
        None => Vec::new(),
    };
    Ok(CartPage { cart: Some(cart), cards, degraded: missing.0 })
}

async fn cart(pages: &Pages, id: &str) -> Result<Cart, Status> {
    let scope = &pages.scope;
    let reply = scope
        .repeat("vitrina.orders.v1.Orders/GetCart", || {
            let mut client = pages.clients.orders.clone();
            let request = scope.request(GetCartRequest { id: id.to_owned() });
            async move { client.get_cart(request).await }
        })
        .await?;
    Ok(reply.into_inner())
}
