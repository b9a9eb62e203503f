//! Cards: a publication as it looks in a list, with live price, picture and seller.

use std::collections::{BTreeMap, BTreeSet};

use vitrina_proto::images::v1::Image;
use vitrina_proto::orders::v1::OrderLine;
use vitrina_proto::products::v1::Product;
use vitrina_proto::publications::v1::{Publication, SearchItem};
use vitrina_proto::storefront::v1::{Card, CardSeller, ReviewSummary};
use vitrina_proto::users::v1::Seller;

use super::{Missing, Pages};

/// What cards are joined from; a part that is missing leaves its fields as the index knows them.
pub(super) struct Joined {
    products: Option<BTreeMap<String, Product>>,
    sellers: Option<BTreeMap<String, Seller>>,
    images: Option<BTreeMap<String, Vec<Image>>>,
}

impl Pages {
    /// Prices, sellers and pictures of these products and sellers, by one call each, all at once.
    pub(super) async fn join(
        &self,
        products: BTreeSet<String>,
        sellers: BTreeSet<String>,
        missing: &mut Missing,
    ) -> Joined {
        let (products, sellers, images) =
            tokio::join!(self.products(products.clone()), self.sellers(sellers), self.images(products),);
        Joined {
            products: missing.optional("product", products),
            sellers: missing.optional("seller", sellers),
            images: missing.optional("images", images),
        }
    }

    /// Cards of found items.
    pub(super) async fn cards(&self, items: Vec<SearchItem>, missing: &mut Missing) -> Vec<Card> {
        let joined = self.join(products_of(&items), sellers_of(&items), missing).await;
        items.into_iter().map(|item| joined.found(item)).collect()
    }
}

impl Pages {
    /// Cards of publications in the order of their ids; one that is gone for good has none.
    pub(super) async fn publication_cards(
        &self,
        ids: &[String],
        publications: &BTreeMap<String, Publication>,
        missing: &mut Missing,
    ) -> Vec<Card> {
        let known = publications.values();
        let products = known.clone().map(|one| one.product_id.clone()).collect();
        let sellers = known.map(|one| one.seller_id.clone()).collect();
        let joined = self.join(products, sellers, missing).await;
        ids.iter().filter_map(|id| publications.get(id)).map(|one| joined.publication(one)).collect()
    }
}

impl Joined {
    /// The card of a found item: the index may lag behind, so the product's own price and stock win.
    pub(super) fn found(&self, item: SearchItem) -> Card {
        let product = self.product(&item.product_id);
        Card {
            title: item.title,
            price: product.map_or(item.price, |product| product.price.clone()),
            effective_price: product.map_or(item.effective_price, |product| product.effective_price.clone()),
            available: product.map_or(item.available, available),
            image: self.image(&item.product_id),
            seller: self.seller(&item.seller_id),
            publication_id: item.id,
        }
    }

    /// The card of a publication.
    pub(super) fn publication(&self, publication: &Publication) -> Card {
        let product = self.product(&publication.product_id);
        Card {
            publication_id: publication.id.clone(),
            title: publication.title.clone(),
            price: product.and_then(|product| product.price.clone()),
            effective_price: product.and_then(|product| product.effective_price.clone()),
            available: product.map_or(0, available),
            image: self.image(&publication.product_id),
            seller: self.seller(&publication.seller_id),
        }
    }

    /// The card of a line of an order, titled as it was bought.
    pub(super) fn bought(&self, line: &OrderLine) -> Card {
        let product = self.product(&line.product_id);
        Card {
            publication_id: line.publication_id.clone(),
            title: line.title.clone(),
            price: product.and_then(|product| product.price.clone()),
            effective_price: product.and_then(|product| product.effective_price.clone()),
            available: product.map_or(0, available),
            image: self.image(&line.product_id),
            seller: None,
        }
    }

    fn product(&self, id: &str) -> Option<&Product> {
        self.products.as_ref()?.get(id)
    }

    fn image(&self, product_id: &str) -> Option<String> {
        let first = self.images.as_ref()?.get(product_id)?.first()?;
        Some(first.variants.as_ref()?.card.clone())
    }

    fn seller(&self, id: &str) -> Option<CardSeller> {
        self.sellers.as_ref()?.get(id).map(card_seller)
    }
}

/// A seller as shown on a card.
pub(super) fn card_seller(seller: &Seller) -> CardSeller {
    CardSeller { id: seller.id.clone(), display_name: seller.display_name.clone(), score: seller.score }
}

/// The reviews as a page shows them.
pub(super) fn summary(list: vitrina_proto::orders::v1::ReviewList) -> ReviewSummary {
    ReviewSummary { mean: list.mean, count: list.count, items: list.items }
}

pub(super) fn products_of(items: &[SearchItem]) -> BTreeSet<String> {
    items.iter().map(|item| item.product_id.clone()).collect()
}

pub(super) fn sellers_of(items: &[SearchItem]) -> BTreeSet<String> {
    items.iter().map(|item| item.seller_id.clone()).collect()
}

fn available(product: &Product) -> u32 {
    product.stock.as_ref().map_or(0, |stock| stock.available)
}
