//! CreateProduct.

use vitrina_chassis::{Answer, Call, Decision, unit};
use vitrina_proto::products::v1 as pb;
use vitrina_storage::Commit;

use super::{App, product_answer};
use crate::error::Error;
use crate::model::ProductId;
use crate::{events, store, wire};

const RPC: &str = "vitrina.products.v1.Products/CreateProduct";
/// The version of a row that is new.
const FIRST_VERSION: u64 = 1;

impl App {
    /// Creates a product of the caller; refused when one of its skus is taken.
    pub(crate) async fn create_product(
        &self,
        call: Call<pb::CreateProductRequest>,
    ) -> Result<Answer<pb::Product>, Error> {
        let seller = call.caller.require_seller()?;
        let product = wire::new_product(&call.request, ProductId::at(call.now_ms), seller, call.now_ms)?;
        let skus: Vec<String> = product.skus().cloned().collect();
        unit(&self.store, &call, RPC, || {
            let taken = store::are_skus_taken(&self.store, seller, &skus)?;
            if let Some((sku, _)) = skus.iter().zip(taken).find(|(_, is_taken)| *is_taken) {
                return Err(Error::SkuTaken { sku: sku.clone() });
            }
            let reply = wire::product(&product, FIRST_VERSION, None, call.now_ms);
            let mut commit = Commit::new();
            store::create(&mut commit, &product);
            commit.emit(events::created(&reply));
            Ok(Decision::new(commit, product_answer(reply, product.id, None)))
        })
        .await
    }
}
