//! What happens on a request: one function per rpc, load → decide → commit → reply.

mod adjust;
mod availability;
mod create;
mod delete;
mod import;
mod offer;
mod read;
mod reserve;
mod update;

use vitrina_chassis::ids::UserId;
use vitrina_chassis::{Answer, Call, Clock, Waits};
use vitrina_proto::products::v1 as pb;
use vitrina_storage::{Row, Store};

use crate::config::Config;
use crate::error::Error;
use crate::model::{Product, ProductId, PublicationId};
use crate::{store, wire};

/// Calls that wait for a publication at once.
const WAITS_MAX: usize = 256;

/// The parts that every rpc works with; clones share them.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) config: Config,
    publication_waits: Waits,
}

impl App {
    pub(crate) fn new(store: Store, clock: Clock, config: Config) -> App {
        let publication_waits = Waits::new(WAITS_MAX, config.publication_wait_ms);
        App { store, clock, config, publication_waits }
    }

    /// A product of the seller that is not deleted; the id is taken as text, since one that is none names no product.
    fn own_product(&self, id: &str, seller: UserId) -> Result<Row<Product>, Error> {
        let id = product_id(id)?;
        let row = store::product(&self.store, id)?.ok_or(Error::ProductUnknown)?;
        if row.value.seller == seller && !row.value.is_deleted { Ok(row) } else { Err(Error::ProductUnknown) }
    }

    /// Loads the seller's product and checks `If-Match`.
    fn product_to_change<T>(&self, call: &Call<T>, id: &str) -> Result<Row<Product>, Error> {
        let row = self.own_product(id, call.caller.require_seller()?)?;
        call.check_version(row.version)?;
        Ok(row)
    }
}

fn product_id(text: &str) -> Result<ProductId, Error> {
    text.parse().map_err(|_| Error::ProductUnknown)
}

/// Names everything that caches may hold of a product.
fn tagged<T>(answer: Answer<T>, product: ProductId, listing: Option<PublicationId>) -> Answer<T> {
    let answer = answer.changed(format!("product:{product}"));
    match listing {
        None => answer,
        Some(publication) => answer.changed(format!("publication:{publication}")),
    }
}

/// The answer to a change of a product, with the version that the commit gives it.
fn product_answer(
    product: pb::Product,
    id: ProductId,
    listing: Option<PublicationId>,
) -> Answer<pb::Product> {
    let version = u64::from(product.version);
    tagged(Answer::new(product).version(version), id, listing)
}

/// The product as it will be read once what replaces `before` is committed.
fn next(before: &Row<Product>, after: &Product, listing: Option<PublicationId>, now_ms: u64) -> pb::Product {
    wire::product(after, before.version + 1, listing, now_ms)
}
