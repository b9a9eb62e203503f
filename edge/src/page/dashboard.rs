//! What a seller looks at in the morning. Every part is optional.

use tonic::Status;
use vitrina_proto::orders::v1::{GetSellerOrdersRequest, SellerOrders};
use vitrina_proto::products::v1::{ListLowStockRequest, Product};
use vitrina_proto::publications::v1::{GetSellerFiguresRequest, SellerFigures};
use vitrina_proto::storefront::v1::SellerDashboard;

use super::{Missing, Pages};

pub(super) async fn page(pages: &Pages) -> SellerDashboard {
    let (figures, low_stock, orders) = tokio::join!(figures(pages), low_stock(pages), orders(pages));
    let mut missing = Missing::default();
    let open_questions = figures.as_ref().map(|figures| figures.unanswered_questions);
    let active = figures.as_ref().map(|figures| figures.active_publications);
    let unanswered_questions = missing.optional("unansweredQuestions", open_questions.map_err(Clone::clone));
    let active_publications = missing.optional("activePublications", active.map_err(Clone::clone));
    let low_stock = missing.optional("lowStock", low_stock).unwrap_or_default();
    let orders = missing.optional("orders", orders).unwrap_or_default();
    SellerDashboard {
        unanswered_questions,
        active_publications,
        low_stock,
        orders: orders.states,
        revenue: orders.revenue,
        degraded: missing.0,
    }
}

async fn figures(pages: &Pages) -> Result<SellerFigures, Status> {
    let scope = pages.optional();
    let seller_id = pages.user()?;
    let reply = scope
        .repeat("vitrina.publications.v1.Publications/GetSellerFigures", || {
            let mut client = pages.clients.publications.clone();
            let request = scope.request(GetSellerFiguresRequest { seller_id: seller_id.clone() });
            async move { client.get_seller_figures(request).await }
        })
        .await?;
    Ok(reply.into_inner())
}

async fn low_stock(pages: &Pages) -> Result<Vec<Product>, Status> {
    let scope = pages.optional();
    let seller_id = pages.user()?;
    let reply = scope
        .repeat("vitrina.products.v1.Products/ListLowStock", || {
            let mut client = pages.clients.products.clone();
            let request =
                scope.request(ListLowStockRequest { seller_id: seller_id.clone(), available_max: None });
            async move { client.list_low_stock(request).await }
        })
        .await?;
    Ok(reply.into_inner().items)
}

async fn orders(pages: &Pages) -> Result<SellerOrders, Status> {
    let scope = pages.optional();
    let seller_id = pages.user()?;
    let reply = scope
        .repeat("vitrina.orders.v1.Orders/GetSellerOrders", || {
            let mut client = pages.clients.orders.clone();
            let request = scope.request(GetSellerOrdersRequest { seller_id: seller_id.clone() });
            async move { client.get_seller_orders(request).await }
        })
        .await?;
    Ok(reply.into_inner())
}
