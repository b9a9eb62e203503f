//! GetProduct, ListProducts, BatchGetProducts and ListLowStock.

use vitrina_chassis::{Answer, Call, page};
use vitrina_proto::products::v1 as pb;

use super::App;
use crate::error::Error;
use crate::model::ProductId;
use crate::{store, wire};

/// Most products in a list of what is running out: what a dashboard shows.
const LOW_STOCK_ITEMS_MAX: usize = 100;

impl App {
    /// One product of the caller.
    pub(crate) fn get_product(
        &self,
        call: &Call<pb::GetProductRequest>,
    ) -> Result<Answer<pb::Product>, Error> {
        let row = self.own_product(&call.request.id, call.caller.require_seller()?)?;
        let listing = store::listing(&self.store, row.value.id)?;
        Ok(Answer::new(wire::product(&row.value, row.version, listing, call.now_ms)).version(row.version))
    }

    /// The caller's products, newest first.
    pub(crate) fn list_products(
        &self,
        call: &Call<pb::ListProductsRequest>,
    ) -> Result<Answer<pb::ProductList>, Error> {
        let seller = call.caller.require_seller()?;
        let limit = page::limit(call.request.limit)?;
        let after = page::after::<ProductId>(call.request.cursor())?;
        let ids = store::of_seller(&self.store, seller, after, limit + 1)?;
        let (ids, next_cursor) = page::cut(ids, limit, |id| id);
        Ok(Answer::new(pb::ProductList { items: self.listed(&ids, call.now_ms)?, next_cursor }))
    }

    /// Several products, whoever owns them, in the order that was asked for; unknown ones are left out, deleted ones say so.
    pub(crate) fn batch_get_products(
        &self,
        call: &Call<pb::BatchGetProductsRequest>,
    ) -> Result<Answer<pb::ProductList>, Error> {
        let ids = wire::product_ids(&call.request.ids)?;
        Ok(Answer::new(pb::ProductList { items: self.listed(&ids, call.now_ms)?, next_cursor: None }))
    }

    /// Products of a seller that are running out, fewest units first.
    pub(crate) fn list_low_stock(
        &self,
        call: &Call<pb::ListLowStockRequest>,
    ) -> Result<Answer<pb::ProductList>, Error> {
        let (seller, available_max) = wire::low_stock(&call.request)?;
        let ids = store::running_out(&self.store, seller, available_max, LOW_STOCK_ITEMS_MAX)?;
        Ok(Answer::new(pb::ProductList { items: self.listed(&ids, call.now_ms)?, next_cursor: None }))
    }

    fn listed(&self, ids: &[ProductId], now_ms: u64) -> Result<Vec<pb::Product>, Error> {
        let rows = store::products(&self.store, ids)?;
        let listings = store::listings(&self.store, ids)?;
        let known = rows.into_iter().zip(listings).filter_map(|(row, listing)| Some((row?, listing)));
        Ok(known.map(|(row, listing)| wire::product(&row.value, row.version, listing, now_ms)).collect())
    }
}
