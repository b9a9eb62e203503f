//! What leaves afterwards, and what it listens to.
//!
//! | topic | when | payload |
//! |---|---|---|
//! | `product.changed` | created, or its words, price or offer changed | the product as it is then, with what it cost and had before |
//! | `product.stock_changed` | its units moved | the same |
//! | `product.deleted` | deleted | the product, marked so |
//! | `product.published` | a row of an import became a product | the product, and the publication that it asks for |
//!
//! Listens to `publication.changed` and `publication.closed`, to know which products are published and which product a
//! publication sells. They may come twice and in any order: what is older than the version that is known is dropped.

use vitrina_chassis::{Fault, event};
use vitrina_proto::events::v1 as events;
use vitrina_proto::products::v1 as pb;
use vitrina_storage::{Commit, OutboxMessage, Store};

use crate::error::Error;
use crate::model::{Product, ProductId, PublicationId};
use crate::store::rows::PublicationRow;
use crate::{store, wire};

/// The queue of this service at the broker.
pub(crate) const INBOX: &str = "products.inbox";
/// What the queue is bound to.
pub(crate) const TOPICS: [&str; 2] = ["publication.changed", CLOSED];
/// Messages that may be in work at once: enough to fill a group commit, few enough to start again with after a crash.
pub(crate) const PREFETCH: u16 = 64;

const CLOSED: &str = "publication.closed";

/// The product is new.
pub(crate) fn created(product: &pb::Product) -> OutboxMessage {
    about("product.changed", None, product)
}

/// The product's words, price or offer changed.
pub(crate) fn changed(before: &Product, product: &pb::Product, now_ms: u64) -> OutboxMessage {
    about("product.changed", Some((before, now_ms)), product)
}

/// The product's units moved.
pub(crate) fn stock_changed(before: &Product, product: &pb::Product, now_ms: u64) -> OutboxMessage {
    about("product.stock_changed", Some((before, now_ms)), product)
}

/// The product is gone.
pub(crate) fn deleted(product: &pb::Product) -> OutboxMessage {
    about("product.deleted", None, product)
}

/// An imported product asks for its publication.
pub(crate) fn published(product: pb::Product, publication: PublicationId, tags: &[String]) -> OutboxMessage {
    let payload = events::ProductPublished {
        publication_id: publication.to_string(),
        title: product.name.clone(),
        tags: tags.to_vec(),
        product: Some(product),
    };
    let key = payload.product.as_ref().map_or("", |product| &product.id);
    event("product.published", key, &payload)
}

/// Takes over what happened to a publication; `None` when something newer is known.
pub(crate) fn publication_moved(
    store: &Store,
    topic: &str,
    payload: events::PublicationChanged,
) -> Result<Option<Commit>, Error> {
    let malformed = |field| Fault::invalid_field(field, "malformed", "cannot be read");
    let publication = payload.publication.ok_or_else(|| malformed("publication"))?;
    let id: PublicationId = publication.id.parse().map_err(|_| malformed("publication.id"))?;
    let product: ProductId =
        publication.product_id.parse().map_err(|_| malformed("publication.productId"))?;
    let status = if topic == CLOSED { PublicationRow::CLOSED } else { publication.status.unsigned_abs() };
    let row = PublicationRow { product: product.bytes().to_vec(), version: publication.version, status };
    store::put_publication(store, id, product, &row)
}

/// What was until now goes along, so that who waits for a lower price or for stock need not keep every product.
fn about(topic: &str, before: Option<(&Product, u64)>, product: &pb::Product) -> OutboxMessage {
    let payload = events::ProductChanged {
        product: Some(product.clone()),
        price_before: before.map(|(before, now_ms)| wire::price(before.effective_price(now_ms))),
        available_before: before.map(|(before, _)| before.total_stock().available()),
    };
    event(topic, &product.id, &payload)
}
