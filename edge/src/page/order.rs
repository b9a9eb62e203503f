//! The page of an order. Required: the order. Optional: its seller, and the products and pictures of what was bought.
//!
//! A line of an order names its product, so its card needs no publication, which may be closed since.

use std::collections::BTreeSet;

use tonic::Status;
use vitrina_proto::orders::v1::{Order, OrderRequest};
use vitrina_proto::storefront::v1::{OrderPage, OrderPageRequest};

use super::cards::card_seller;
use super::{Missing, Pages};

pub(super) async fn page(pages: &Pages, request: OrderPageRequest) -> Result<OrderPage, Status> {
    let order = order(pages, &request.id).await?;
    let products: BTreeSet<String> = order.lines.iter().map(|line| line.product_id.clone()).collect();
    let optional = pages.optional();
    let mut missing = Missing::default();
    let (seller, joined) = tokio::join!(
        pages.seller(&optional, &order.seller_id),
        // The seller of all lines is the order's.
        pages.join(products, BTreeSet::new(), &mut missing),
    );
    let seller = missing.optional("seller", seller).as_ref().map(card_seller);
    let mut shown = BTreeSet::new();
    let lines = order.lines.iter().filter(|line| shown.insert(line.publication_id.as_str()));
    let mut cards: Vec<_> = lines.map(|line| joined.bought(line)).collect();
    for card in &mut cards {
        card.seller.clone_from(&seller);
    }
    Ok(OrderPage { order: Some(order), seller, cards, degraded: missing.0 })
}

async fn order(pages: &Pages, id: &str) -> Result<Order, Status> {
    let scope = &pages.scope;
    let reply = scope
        .repeat("vitrina.orders.v1.Orders/GetOrder", || {
            let mut client = pages.clients.orders.clone();
            let request = scope.request(OrderRequest { id: id.to_owned() });
            async move { client.get_order(request).await }
        })
        .await?;
    Ok(reply.into_inner())
}
