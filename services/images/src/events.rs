//! What leaves afterwards, and what it listens to.
//!
//! | topic | when | payload |
//! |---|---|---|
//! | `image.ready` | a picture was added, or the order changed | whose album, its version, the avatar |
//! | `image.deleted` | one was removed and none added | the same |
//!
//! Listens to `product.changed`, `product.published` and `product.deleted`, to know whose a product is, and to
//! `user.deleted`. They may come twice and in any order: whose a product is never changes, and what is deleted stays so.

use vitrina_chassis::ids::UserId;
use vitrina_chassis::{Fault, Message, decode, event};
use vitrina_proto::events::v1 as events;
use vitrina_proto::products::v1 as products;
use vitrina_storage::{Commit, OutboxMessage, Store};

use crate::error::Error;
use crate::model::{Album, Owner, ProductId};
use crate::store;

/// The queue of this service at the broker.
pub(crate) const INBOX: &str = "images.inbox";
/// What the queue is bound to.
pub(crate) const TOPICS: [&str; 4] = ["product.changed", PRODUCT_PUBLISHED, PRODUCT_DELETED, USER_DELETED];
/// Messages that may be in work at once: enough to fill a group commit, few enough to start again with after a crash.
pub(crate) const PREFETCH: u16 = 64;

const PRODUCT_PUBLISHED: &str = "product.published";
const PRODUCT_DELETED: &str = "product.deleted";
const USER_DELETED: &str = "user.deleted";

/// The album has a new picture or a new order.
pub(crate) fn ready(owner: Owner, album: &Album, version: u64) -> OutboxMessage {
    about("image.ready", owner, album, version)
}

/// The album lost a picture.
pub(crate) fn deleted(owner: Owner, album: &Album, version: u64) -> OutboxMessage {
    about("image.deleted", owner, album, version)
}

/// Takes over what happened elsewhere; `None` when it is known already.
pub(crate) fn heard(store: &Store, message: &Message, now_ms: u64) -> Result<Option<Commit>, Error> {
    match message.topic.as_str() {
        USER_DELETED => {
            let payload: events::UserChanged = decode(message)?;
            let user: UserId = payload.id.parse().map_err(|_| malformed("id"))?;
            let mut commit = Commit::new();
            clear_album(store, &mut commit, Owner::User(user), now_ms)?;
            Ok(Some(commit).filter(|commit| !commit.is_empty()))
        }
        PRODUCT_DELETED => product_deleted(store, changed(decode(message)?)?, now_ms),
        PRODUCT_PUBLISHED => {
            let payload: events::ProductPublished = decode(message)?;
            product_known(store, payload.product.ok_or_else(|| malformed("product"))?)
        }
        _ => product_known(store, changed(decode(message)?)?),
    }
}

fn product_known(store: &Store, product: products::Product) -> Result<Option<Commit>, Error> {
    let (id, seller) = identity(&product)?;
    if store::product(store, id)?.is_some() {
        return Ok(None);
    }
    let mut commit = Commit::new();
    store::put_product(&mut commit, id, None, store::Product { seller, is_deleted: false });
    Ok(Some(commit))
}

fn product_deleted(store: &Store, product: products::Product, now_ms: u64) -> Result<Option<Commit>, Error> {
    let (id, seller) = identity(&product)?;
    let before = store::product(store, id)?;
    if before.as_ref().is_some_and(|before| before.value.is_deleted) {
        return Ok(None);
    }
    let mut commit = Commit::new();
    let version = before.map(|before| before.version);
    store::put_product(&mut commit, id, version, store::Product { seller, is_deleted: true });
    clear_album(store, &mut commit, Owner::Product(id), now_ms)?;
    Ok(Some(commit))
}

/// Removes all pictures of an owner.
fn clear_album(store: &Store, commit: &mut Commit, owner: Owner, now_ms: u64) -> Result<(), Error> {
    let before = store::album(store, owner)?;
    if before.value.images.is_empty() {
        return Ok(());
    }
    for image in store::images(store, &before.value.images)? {
        store::remove_image(commit, &image, now_ms);
    }
    let after = Album::default();
    let version = store::put_album(commit, owner, &before, &after);
    commit.emit(deleted(owner, &after, version));
    Ok(())
}

fn changed(payload: events::ProductChanged) -> Result<products::Product, Fault> {
    payload.product.ok_or_else(|| malformed("product"))
}

fn identity(product: &products::Product) -> Result<(ProductId, UserId), Fault> {
    let id = product.id.parse().map_err(|_| malformed("product.id"))?;
    Ok((id, product.seller_id.parse().map_err(|_| malformed("product.sellerId"))?))
}

fn malformed(field: &str) -> Fault {
    Fault::invalid_field(field, "malformed", "cannot be read")
}

fn about(topic: &str, owner: Owner, album: &Album, version: u64) -> OutboxMessage {
    let avatar = match owner {
        Owner::User(_) => album.images.first().map(ToString::to_string),
        Owner::Product(_) => None,
    };
    let payload = events::ImagesChanged {
        owner_id: owner.to_string(),
        version: u32::try_from(version).unwrap_or(u32::MAX),
        avatar,
    };
    event(topic, &payload.owner_id, &payload)
}
