//! What a seller looks at in the morning. Every part is optional.

use tonic::Status;
use vitrina_proto::products::v1::{ListLowStockRequest, Product};
use vitrina_proto::publications::v1::{GetSellerFiguresRequest, SellerFigures};
use vitrina_proto::storefront::v1::SellerDashboard;

use super::{Missing, Pages};
use crate::upstream::not_configured;

pub(super) async fn page(pages: &Pages) -> SellerDashboard {
    let (figures, low_stock) = tokio::join!(figures(pages), low_stock(pages));
    let mut missing = Missing::default();
    let open_questions = figures.as_ref().map(|figures| figures.unanswered_questions);
    let active = figures.as_ref().map(|figures| figures.active_publications);
    let unanswered_questions = missing.optional("unansweredQuestions", open_questions.map_err(Clone::clone));
    let active_publications = missing.optional("activePublications", active.map_err(Clone::clone));
    let low_stock = missing.optional("lowStock", low_stock).unwrap_or_default();
    // The orders service tells no figures yet.
    for part in ["orders", "revenue"] {
        missing.optional::<()>(part, Err(not_configured("orders")));
    }
    SellerDashboard {
        unanswered_questions,
        active_publications,
        low_stock,
        orders: Vec::new(),
        revenue: None,
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
