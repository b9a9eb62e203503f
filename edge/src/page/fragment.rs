//! The calls that pages are made of, each named once. Lists are asked for by batches with every id once, and of those what
//! is kept is not asked for again.

use std::collections::{BTreeMap, BTreeSet};

use tonic::Status;
use vitrina_proto::images::v1::{BatchListImagesRequest, Image, OwnerImages};
use vitrina_proto::orders::v1::{ListReviewsRequest, ReviewList};
use vitrina_proto::products::v1::{BatchGetProductsRequest, Product};
use vitrina_proto::publications::v1::{BatchGetPublicationsRequest, Publication, SearchReply, SearchRequest};
use vitrina_proto::users::v1::{BatchGetSellersRequest, GetSellerRequest, Seller};

use super::Pages;
use super::part::Kind;
use crate::upstream::Scope;

/// Percent of the time left that an optional fragment may take: the rest is for joining and for what comes after.
const OPTIONAL_SHARE: u32 = 80;

const PRODUCTS: Kind = Kind { rpc: "vitrina.products.v1.Products/BatchGetProducts", tag: "product:" };
const SELLERS: Kind = Kind { rpc: "vitrina.users.v1.Users/BatchGetSellers", tag: "seller:" };
const IMAGES: Kind = Kind { rpc: "vitrina.images.v1.Images/BatchListImages", tag: "images:" };
const SEARCH: Kind = Kind { rpc: "vitrina.publications.v1.Publications/Search", tag: "search" };
const SELLER: Kind = Kind { rpc: "vitrina.users.v1.Users/GetSeller", tag: "seller:" };
const REVIEWS: Kind = Kind { rpc: "vitrina.orders.v1.Orders/ListReviews", tag: "seller:" };

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
        self.parts(PRODUCTS, ids, price_ends_ms, async |ids| {
            let scope = self.optional();
            let request = BatchGetProductsRequest { ids };
            let list = scope
                .repeat(PRODUCTS.rpc, || {
                    let mut client = self.clients.products.clone();
                    let request = scope.request(request.clone());
                    async move { client.batch_get_products(request).await }
                })
                .await?;
            let items = list.into_inner().items;
            Ok(items.into_iter().map(|item| (item.id.clone(), item)).collect())
        })
        .await
    }

    /// Sellers by id.
    pub(super) async fn sellers(&self, ids: BTreeSet<String>) -> Result<BTreeMap<String, Seller>, Status> {
        self.parts(SELLERS, ids, never_ends, async |ids| {
            let scope = self.optional();
            let request = BatchGetSellersRequest { ids };
            let list = scope
                .repeat(SELLERS.rpc, || {
                    let mut client = self.clients.users.clone();
                    let request = scope.request(request.clone());
                    async move { client.batch_get_sellers(request).await }
                })
                .await?;
            let items = list.into_inner().items;
            Ok(items.into_iter().map(|item| (item.id.clone(), item)).collect())
        })
        .await
    }

    /// Pictures by product, in the order that the seller gave them.
    pub(super) async fn images(
        &self,
        owners: BTreeSet<String>,
    ) -> Result<BTreeMap<String, Vec<Image>>, Status> {
        let albums = self
            .parts(IMAGES, owners, never_ends, async |owner_ids| {
                let scope = self.optional();
                let request = BatchListImagesRequest { owner_ids: owner_ids.clone() };
                let list = scope
                    .repeat(IMAGES.rpc, || {
                        let mut client = self.clients.images.clone();
                        let request = scope.request(request.clone());
                        async move { client.batch_list_images(request).await }
                    })
                    .await?;
                // Who has no pictures is left out of the reply, and kept as such.
                let empty = |owner_id: String| OwnerImages { owner_id, images: Vec::new() };
                let mut albums: BTreeMap<String, OwnerImages> =
                    owner_ids.into_iter().map(|id| (id.clone(), empty(id))).collect();
                albums.extend(list.into_inner().items.into_iter().map(|item| (item.owner_id.clone(), item)));
                Ok(albums)
            })
            .await?;
        let pictured = albums.into_iter().filter(|(_, album)| !album.images.is_empty());
        Ok(pictured.map(|(id, album)| (id, album.images)).collect())
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
        self.part(SEARCH, "", &request, async || {
            let reply = scope
                .repeat(SEARCH.rpc, || {
                    let mut client = self.clients.publications.clone();
                    let request = scope.request(request.clone());
                    async move { client.search(request).await }
                })
                .await?;
            Ok(reply.into_inner())
        })
        .await
    }

    /// One seller.
    pub(super) async fn seller(&self, scope: &Scope, id: &str) -> Result<Seller, Status> {
        let request = GetSellerRequest { id: id.to_owned() };
        self.part(SELLER, id, &request, async || {
            let reply = scope
                .repeat(SELLER.rpc, || {
                    let mut client = self.clients.users.clone();
                    let request = scope.request(request.clone());
                    async move { client.get_seller(request).await }
                })
                .await?;
            Ok(reply.into_inner())
        })
        .await
    }

    /// The last reviews of a seller.
    pub(super) async fn reviews(&self, seller_id: &str) -> Result<ReviewList, Status> {
        let scope = self.optional();
        let request =
            ListReviewsRequest { seller_id: seller_id.to_owned(), limit: Some(REVIEWS_SHOWN), cursor: None };
        self.part(REVIEWS, seller_id, &request, async || {
            let reply = scope
                .repeat(REVIEWS.rpc, || {
                    let mut client = self.clients.orders.clone();
                    let request = scope.request(request.clone());
                    async move { client.list_reviews(request).await }
                })
                .await?;
            Ok(reply.into_inner())
        })
        .await
    }
}

/// When a price of the product changes by itself: at the start or the end of an offer.
fn price_ends_ms(product: &Product, now_ms: u64) -> u64 {
    let offers =
        product.offer.iter().chain(product.variants.iter().filter_map(|variant| variant.offer.as_ref()));
    offers
        .flat_map(|offer| [offer.starts_at, offer.ends_at])
        .flatten()
        .map(|at| at.unix_ms())
        .filter(|at_ms| *at_ms > now_ms)
        .min()
        .unwrap_or(u64::MAX)
}

fn never_ends<M>(_: &M, _: u64) -> u64 {
    u64::MAX
}
