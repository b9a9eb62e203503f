//! The calls that pages are made of, each named once. Lists are asked for by batches with every id once.

use std::collections::{BTreeMap, BTreeSet};

use tonic::Status;
use vitrina_proto::images::v1::{BatchListImagesRequest, Image};
use vitrina_proto::orders::v1::{ListReviewsRequest, ReviewList};
use vitrina_proto::products::v1::{BatchGetProductsRequest, Product};
use vitrina_proto::publications::v1::{BatchGetPublicationsRequest, Publication, SearchReply, SearchRequest};
use vitrina_proto::users::v1::{BatchGetSellersRequest, GetSellerRequest, Seller};

use super::Pages;
use crate::upstream::Scope;

/// Percent of the time left that an optional fragment may take: the rest is for joining and for what comes after.
const OPTIONAL_SHARE: u32 = 80;

/// Reviews shown on a page.
const REVIEWS_SHOWN: u32 = 5;

impl Pages {
    /// The frame of a fragment that the page can do without.
    pub(super) fn optional(&self) -> Scope {
        self.scope.share(OPTIONAL_SHARE)
    }

    /// The caller's user id; the guard has let nobody else pass to a page that asks.
    pub(super) fn user(&self) -> Result<String, Status> {
        self.scope
            .metadata
            .get("x-vitrina-user")
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned)
            .ok_or_else(|| Status::unauthenticated("no caller"))
    }

    /// Products by id, whoever owns them.
    pub(super) async fn products(&self, ids: BTreeSet<String>) -> Result<BTreeMap<String, Product>, Status> {
        if ids.is_empty() {
            return Ok(BTreeMap::new());
        }
        let scope = self.optional();
        let request = BatchGetProductsRequest { ids: ids.into_iter().collect() };
        let list = scope
            .repeat("vitrina.products.v1.Products/BatchGetProducts", || {
                let mut client = self.clients.products.clone();
                let request = scope.request(request.clone());
                async move { client.batch_get_products(request).await }
            })
            .await?;
        let items = list.into_inner().items;
        Ok(items.into_iter().map(|item| (item.id.clone(), item)).collect())
    }

    /// Sellers by id.
    pub(super) async fn sellers(&self, ids: BTreeSet<String>) -> Result<BTreeMap<String, Seller>, Status> {
        if ids.is_empty() {
            return Ok(BTreeMap::new());
        }
        let scope = self.optional();
        let request = BatchGetSellersRequest { ids: ids.into_iter().collect() };
        let list = scope
            .repeat("vitrina.users.v1.Users/BatchGetSellers", || {
                let mut client = self.clients.users.clone();
                let request = scope.request(request.clone());
                async move { client.batch_get_sellers(request).await }
            })
            .await?;
        let items = list.into_inner().items;
        Ok(items.into_iter().map(|item| (item.id.clone(), item)).collect())
    }

    /// Pictures by product, in the order that the seller gave them.
    pub(super) async fn images(
        &self,
        owners: BTreeSet<String>,
    ) -> Result<BTreeMap<String, Vec<Image>>, Status> {
        if owners.is_empty() {
            return Ok(BTreeMap::new());
        }
        let scope = self.optional();
        let request = BatchListImagesRequest { owner_ids: owners.into_iter().collect() };
        let list = scope
            .repeat("vitrina.images.v1.Images/BatchListImages", || {
                let mut client = self.clients.images.clone();
                let request = scope.request(request.clone());
                async move { client.batch_list_images(request).await }
            })
            .await?;
        let items = list.into_inner().items;
        Ok(items.into_iter().map(|item| (item.owner_id, item.images)).collect())
    }

    /// Publications by id.
    pub(super) async fn publications(
        &self,
        scope: &Scope,
        ids: BTreeSet<String>,
    ) -> Result<BTreeMap<String, Publication>, Status> {
        if ids.is_empty() {
            return Ok(BTreeMap::new());
        }
        let request = BatchGetPublicationsRequest { ids: ids.into_iter().collect() };
        let list = scope
            .repeat("vitrina.publications.v1.Publications/BatchGetPublications", || {
                let mut client = self.clients.publications.clone();
                let request = scope.request(request.clone());
                async move { client.batch_get_publications(request).await }
            })
            .await?;
        let items = list.into_inner().items;
        Ok(items.into_iter().map(|item| (item.id.clone(), item)).collect())
    }

    /// A search.
    pub(super) async fn search(&self, scope: &Scope, request: SearchRequest) -> Result<SearchReply, Status> {
        let reply = scope
            .repeat("vitrina.publications.v1.Publications/Search", || {
                let mut client = self.clients.publications.clone();
                let request = scope.request(request.clone());
                async move { client.search(request).await }
            })
            .await?;
        Ok(reply.into_inner())
    }

    /// One seller.
    pub(super) async fn seller(&self, scope: &Scope, id: &str) -> Result<Seller, Status> {
        let reply = scope
            .repeat("vitrina.users.v1.Users/GetSeller", || {
                let mut client = self.clients.users.clone();
                let request = scope.request(GetSellerRequest { id: id.to_owned() });
                async move { client.get_seller(request).await }
            })
            .await?;
        Ok(reply.into_inner())
    }

    /// The last reviews of a seller.
    pub(super) async fn reviews(&self, seller_id: &str) -> Result<ReviewList, Status> {
        let scope = self.optional();
        let reply = scope
            .repeat("vitrina.orders.v1.Orders/ListReviews", || {
                let mut client = self.clients.orders.clone();
                let request = scope.request(ListReviewsRequest {
                    seller_id: seller_id.to_owned(),
                    limit: Some(REVIEWS_SHOWN),
                    cursor: None,
                });
                async move { client.list_reviews(request).await }
            })
            .await?;
        Ok(reply.into_inner())
    }
}
