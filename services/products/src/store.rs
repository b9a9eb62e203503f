//! How it is read and changed: one function, one question or one part of a commit.
//!
//! A function that changes takes what was read and adds the expectation of exactly that version, so that whoever was faster
//! is noticed. A crash leaves each commit whole or not at all, so no index row can be without its product.

pub(crate) mod rows;

use prost::Message;
use vitrina_chassis::ids::UserId;
use vitrina_chassis::rows::fixed;
use vitrina_storage::{Commit, Direction, Row, Scan, Store, prefix};

use crate::error::Error;
use crate::keys::{
    ADJUSTMENTS, BY_SELLER, LEASES, LISTINGS, LOW_STOCK, PRODUCTS, PUBLICATIONS, RESERVATIONS, SKUS,
};
use crate::model::reservation::{Reservation, State};
use crate::model::{OrderId, Product, ProductId, PublicationId};
use crate::store::rows::{AdjustmentRow, ListingRow, MarkRow, ProductRow, PublicationRow, SkuRow};

/// Most units available at which a product counts as running out. The index holds these only: a full shelf costs no row.
pub(crate) const LOW_STOCK_MAX: u32 = 9;

/// A product, if it was ever there; a deleted one too.
pub(crate) fn product(store: &Store, id: ProductId) -> Result<Option<Row<Product>>, Error> {
    PRODUCTS.get(store, &id)?.map(|row| read_product(id, row)).transpose()
}

/// Several products, in the order of the ids.
pub(crate) fn products(store: &Store, ids: &[ProductId]) -> Result<Vec<Option<Row<Product>>>, Error> {
    let rows = PRODUCTS.get_many(store, ids)?;
    ids.iter().zip(rows).map(|(id, row)| row.map(|row| read_product(*id, row)).transpose()).collect()
}

/// The active publication of a product.
pub(crate) fn listing(store: &Store, id: ProductId) -> Result<Option<PublicationId>, Error> {
    LISTINGS.get(store, &id)?.map(|row| read_listing(&row.value)).transpose()
}

/// The active publications of several products, in the order of the ids.
pub(crate) fn listings(store: &Store, ids: &[ProductId]) -> Result<Vec<Option<PublicationId>>, Error> {
    let rows = LISTINGS.get_many(store, ids)?;
    rows.into_iter().map(|row| row.map(|row| read_listing(&row.value)).transpose()).collect()
}

/// Products of a seller, newest first, those behind `after`.
pub(crate) fn of_seller(
    store: &Store,
    seller: UserId,
    after: Option<ProductId>,
    limit: usize,
) -> Result<Vec<ProductId>, Error> {
    let after = after.map(|product| (seller, product));
    let scan = Scan { within: prefix(&seller), after: after.as_ref(), limit, direction: Direction::Backward };
    Ok(BY_SELLER.scan(store, scan)?.into_iter().map(|((_, product), _)| product).collect())
}

/// Products of a seller with at most `available_max` units, fewest first.
pub(crate) fn running_out(
    store: &Store,
    seller: UserId,
    available_max: u32,
    limit: usize,
) -> Result<Vec<ProductId>, Error> {
    let rows = LOW_STOCK.scan(store, Scan::first(prefix(&seller), limit))?;
    let keys = rows.into_iter().map(|(key, _)| key);
    Ok(keys.take_while(|(_, units, _)| *units <= available_max).map(|(_, _, product)| product).collect())
}

/// Which of the seller's skus are taken, in the order of the skus.
pub(crate) fn are_skus_taken(store: &Store, seller: UserId, skus: &[String]) -> Result<Vec<bool>, Error> {
    let keys: Vec<_> = skus.iter().map(|sku| (seller, sku.clone())).collect();
    Ok(SKUS.get_many(store, &keys)?.into_iter().map(|row| row.is_some()).collect())
}

/// What was last heard of a publication.
pub(crate) fn publication(store: &Store, id: PublicationId) -> Result<Option<Row<PublicationRow>>, Error> {
    Ok(PUBLICATIONS.get(store, &id)?)
}

/// What an order holds or held.
pub(crate) fn reservation(store: &Store, order: OrderId) -> Result<Option<Row<Reservation>>, Error> {
    let Some(Row { value, version }) = RESERVATIONS.get(store, &order)? else { return Ok(None) };
    Ok(Some(Row { value: value.reservation(order)?, version }))
}

/// Orders whose leases are over, the longest over first.
pub(crate) fn leases_over(store: &Store, now_ms: u64, limit: usize) -> Result<Vec<OrderId>, Error> {
    let keys = LEASES.scan(store, Scan::first(Vec::new(), limit))?.into_iter().map(|(key, _)| key);
    Ok(keys.take_while(|(until_ms, _)| *until_ms <= now_ms).map(|(_, order)| order).collect())
}

/// Adds a new product; a conflict when one of its skus is taken meanwhile.
pub(crate) fn create(commit: &mut Commit, product: &Product) {
    commit.expect_absent(&PRODUCTS, &product.id).put(&PRODUCTS, &product.id, &product.into());
    commit.put(&BY_SELLER, &(product.seller, product.id), &MarkRow {});
    let owner = SkuRow { product: product.id.bytes().to_vec() };
    for sku in product.skus() {
        let key = (product.seller, sku.clone());
        commit.expect_absent(&SKUS, &key).put(&SKUS, &key, &owner);
    }
    if let Some(key) = low_stock_key(product) {
        commit.put(&LOW_STOCK, &key, &MarkRow {});
    }
}

/// Adds the publication that an import asks for, as if it had been heard of already.
pub(crate) fn publish(commit: &mut Commit, product: &Product, publication: PublicationId) {
    let row =
        PublicationRow { product: product.id.bytes().to_vec(), version: 0, status: PublicationRow::ACTIVE };
    commit.put(&PUBLICATIONS, &publication, &row);
    commit.put(&LISTINGS, &product.id, &ListingRow { publication: publication.bytes().to_vec() });
}

/// Puts a product in place of what was read.
pub(crate) fn replace(commit: &mut Commit, before: &Row<Product>, after: &Product) {
    commit.expect(&PRODUCTS, &after.id, before.version).put(&PRODUCTS, &after.id, &after.into());
    let (old, new) = (low_stock_key(&before.value), low_stock_key(after));
    if old == new {
        return;
    }
    if let Some(key) = old {
        commit.delete(&LOW_STOCK, &key);
    }
    if let Some(key) = new {
        commit.put(&LOW_STOCK, &key, &MarkRow {});
    }
}

/// Takes a product out of every list and frees its skus; the row stays, marked as deleted, for the orders that name it. A
/// conflict when it is published meanwhile.
pub(crate) fn delete(commit: &mut Commit, before: &Row<Product>, after: &Product) {
    replace(commit, before, after);
    commit.expect_absent(&LISTINGS, &after.id);
    commit.delete(&BY_SELLER, &(after.seller, after.id));
    for sku in before.value.skus() {
        commit.delete(&SKUS, &(after.seller, sku.clone()));
    }
}

/// Puts a reservation in place of what was read, and keeps the leases in step with it.
pub(crate) fn put_reservation(commit: &mut Commit, before: Option<&Row<Reservation>>, after: &Reservation) {
    match before {
        None => commit.expect_absent(&RESERVATIONS, &after.order),
        Some(row) => commit.expect(&RESERVATIONS, &after.order, row.version),
    };
    commit.put(&RESERVATIONS, &after.order, &after.into());
    if let Some(row) = before {
        commit.delete(&LEASES, &(row.value.until_ms, after.order));
    }
    if after.state == State::Held {
        commit.put(&LEASES, &(after.until_ms, after.order), &MarkRow {});
    }
}

/// Notes who moved a stock and why, beside the product's new version.
pub(crate) fn note_adjustment(commit: &mut Commit, product: ProductId, version: u64, row: &AdjustmentRow) {
    commit.put(&ADJUSTMENTS, &(product, version), row);
}

/// Takes over what was heard of a publication.
pub(crate) fn put_publication(
    store: &Store,
    id: PublicationId,
    product: ProductId,
    row: &PublicationRow,
) -> Result<Option<Commit>, Error> {
    let before = publication(store, id)?;
    if before.as_ref().is_some_and(|before| before.value.version >= row.version) {
        return Ok(None);
    }
    let mut commit = Commit::new();
    match before {
        None => commit.expect_absent(&PUBLICATIONS, &id),
        Some(before) => commit.expect(&PUBLICATIONS, &id, before.version),
    };
    commit.put(&PUBLICATIONS, &id, row);
    let listed = LISTINGS.get(store, &product)?;
    let is_listed = listed.as_ref().is_some_and(|listed| listed.value.publication == id.bytes());
    match (&listed, row.status == PublicationRow::ACTIVE) {
        (None, true) => {
            commit.expect_absent(&LISTINGS, &product);
            commit.put(&LISTINGS, &product, &ListingRow { publication: id.bytes().to_vec() });
        }
        // Two events of two publications may come in either order; what becomes active last is what counts.
        (Some(listed), true) if !is_listed => {
            commit.expect(&LISTINGS, &product, listed.version);
            commit.put(&LISTINGS, &product, &ListingRow { publication: id.bytes().to_vec() });
        }
        (Some(listed), false) if is_listed => {
            commit.expect(&LISTINGS, &product, listed.version).delete(&LISTINGS, &product);
        }
        _ => {}
    }
    Ok(Some(commit))
}

/// Bytes that a product takes in the store.
pub(crate) fn product_bytes(product: &Product) -> usize {
    ProductRow::from(product).encoded_len()
}

fn low_stock_key(product: &Product) -> Option<(UserId, u32, ProductId)> {
    let available = product.total_stock().available();
    (!product.is_deleted && available <= LOW_STOCK_MAX).then_some((product.seller, available, product.id))
}

fn read_product(id: ProductId, row: Row<ProductRow>) -> Result<Row<Product>, Error> {
    Ok(Row { value: row.value.product(id)?, version: row.version })
}

fn read_listing(row: &ListingRow) -> Result<PublicationId, Error> {
    Ok(PublicationId::from_bytes(fixed(&row.publication, "publication")?))
}
