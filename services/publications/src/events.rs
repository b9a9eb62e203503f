//! What leaves afterwards, and what it listens to.
//!
//! | topic | when |
//! |---|---|
//! | `publication.changed`, `publication.closed` | a publication is new, changed or over |
//! | `question.asked`, `question.answered`, `question.deleted` | as they say |
//! | `cache.invalidated` | the index has caught up with changes |
//!
//! Listens to products, users and wishes, to know them here. Events may come twice and in any order: what is not newer than
//! what is known is dropped.

use vitrina_chassis::ids::UserId;
use vitrina_chassis::{Fault, Message, decode, event};
use vitrina_proto::events::v1 as events;
use vitrina_proto::publications::v1 as pb;
use vitrina_storage::{Commit, OutboxMessage, Store};

use crate::error::Error;
use crate::keys::{ACTIVE, PRODUCTS, USERS, WISHED, WISHES};
use crate::model::{ProductId, Publication, PublicationId, Status};
use crate::store::rows::{MarkRow, ProductRow, UserRow, WishesRow};
use crate::{store, wire};

/// The queue of this service at the broker.
pub(crate) const INBOX: &str = "publications.inbox";
/// What the queue is bound to.
pub(crate) const TOPICS: [&str; 9] = [
    "product.changed",
    "product.stock_changed",
    "product.deleted",
    "product.published",
    "user.registered",
    "user.changed",
    "user.deleted",
    "wishlist.added",
    "wishlist.removed",
];
/// Messages in work at once: an import sends thousands, and they share group commits.
pub(crate) const PREFETCH: u16 = 512;

/// A publication is new, changed or closed.
pub(crate) fn changed(publication: &pb::Publication) -> OutboxMessage {
    let is_closed = publication.status == pb::PublicationStatus::Closed as i32;
    let topic = if is_closed { "publication.closed" } else { "publication.changed" };
    let payload = events::PublicationChanged { publication: Some(publication.clone()) };
    event(topic, &publication.id, &payload)
}

/// Something happened to a question.
pub(crate) fn question(topic: &str, question: &pb::Question, seller: UserId) -> OutboxMessage {
    let payload = events::QuestionChanged { question: Some(question.clone()), seller_id: seller.to_string() };
    event(topic, &question.id, &payload)
}

/// Answers of searches are old.
pub(crate) fn search_invalidated() -> OutboxMessage {
    event("cache.invalidated", "search", &events::TagsRaised { tags: vec!["search".to_owned()] })
}

/// Takes in what was heard.
pub(crate) fn heard(store: &Store, message: &Message, now_ms: u64) -> Result<Option<Commit>, Error> {
    match message.topic.as_str() {
        "product.changed" | "product.stock_changed" | "product.deleted" => {
            product_changed(store, decode(message)?, now_ms)
        }
        "product.published" => product_published(store, decode(message)?, now_ms),
        "user.registered" | "user.changed" | "user.deleted" => user_changed(store, decode(message)?),
        "wishlist.added" => wished(store, decode(message)?),
        "wishlist.removed" => unwished(store, decode(message)?),
        _ => Ok(None),
    }
}

fn product_changed(
    store: &Store,
    payload: events::ProductChanged,
    now_ms: u64,
) -> Result<Option<Commit>, Error> {
    let product = payload.product.ok_or_else(|| malformed("product"))?;
    let id: ProductId = product.id.parse().map_err(|_| malformed("product.id"))?;
    let seller: UserId = product.seller_id.parse().map_err(|_| malformed("product.sellerId"))?;
    let row = ProductRow::heard(&product, seller);
    let mut commit = Commit::new();
    if !put_product(store, &mut commit, id, &row)? {
        return Ok(None);
    }
    if let Some(publication) = store::active(store, id)? {
        match store::publication(store, publication)? {
            // Products refuses to delete what is published, but this publication may be younger than its refusal.
            Some(before) if row.is_deleted => {
                let after =
                    Publication { status: Status::Closed, updated_at_ms: now_ms, ..before.value.clone() };
                store::replace(&mut commit, &before, &after);
                commit.emit(changed(&wire::publication(&after, before.version + 1)));
            }
            _ => store::enqueue(&mut commit, publication),
        }
    } else {
        // One that becomes active at this moment would be indexed with the product as it was.
        commit.expect_absent(&ACTIVE, &id);
    }
    Ok(Some(commit))
}

/// An imported product with its publication. `publication.changed` is not sent: products chose the id and holds it as active already.
fn product_published(
    store: &Store,
    payload: events::ProductPublished,
    now_ms: u64,
) -> Result<Option<Commit>, Error> {
    let product = payload.product.ok_or_else(|| malformed("product"))?;
    let id: ProductId = product.id.parse().map_err(|_| malformed("product.id"))?;
    let seller: UserId = product.seller_id.parse().map_err(|_| malformed("product.sellerId"))?;
    let publication: PublicationId =
        payload.publication_id.parse().map_err(|_| malformed("publicationId"))?;
    if store::publication(store, publication)?.is_some() {
        return Ok(None);
    }
    let mut commit = Commit::new();
    put_product(store, &mut commit, id, &ProductRow::heard(&product, seller))?;
    let is_taken = store::active(store, id)?.is_some();
    let created_at_ms = product.created_at.map_or(now_ms, |at| at.unix_ms());
    let publication = Publication {
        id: publication,
        product: id,
        seller,
        title: payload.title,
        description: product.description,
        tags: payload.tags,
        payment_methods: wire::BOTH_METHODS.to_vec(),
        status: if is_taken { Status::Paused } else { Status::Active },
        created_at_ms,
        updated_at_ms: created_at_ms,
    };
    store::create(&mut commit, &publication);
    Ok(Some(commit))
}

fn user_changed(store: &Store, payload: events::UserChanged) -> Result<Option<Commit>, Error> {
    let id: UserId = payload.id.parse().map_err(|_| malformed("id"))?;
    let before = USERS.get(store, &id)?;
    if before.as_ref().is_some_and(|row| row.value.version >= payload.version) {
        return Ok(None);
    }
    let mut commit = Commit::new();
    match before {
        None => commit.expect_absent(&USERS, &id),
        Some(row) => commit.expect(&USERS, &id, row.version),
    };
    commit.put(&USERS, &id, &UserRow { version: payload.version, username: payload.username });
    Ok(Some(commit))
}

fn wished(store: &Store, payload: events::WishlistChanged) -> Result<Option<Commit>, Error> {
    let key = wish_key(&payload)?;
    if WISHED.get(store, &key)?.is_some() {
        return Ok(None);
    }
    let mut commit = Commit::new();
    commit.expect_absent(&WISHED, &key).put(&WISHED, &key, &MarkRow {});
    count_wishes(store, &mut commit, key.0, |count| count + 1)?;
    Ok(Some(commit))
}

fn unwished(store: &Store, payload: events::WishlistChanged) -> Result<Option<Commit>, Error> {
    let key = wish_key(&payload)?;
    let Some(mark) = WISHED.get(store, &key)? else { return Ok(None) };
    let mut commit = Commit::new();
    commit.expect(&WISHED, &key, mark.version).delete(&WISHED, &key);
    count_wishes(store, &mut commit, key.0, |count| count.saturating_sub(1))?;
    Ok(Some(commit))
}

fn wish_key(payload: &events::WishlistChanged) -> Result<(PublicationId, UserId), Error> {
    let publication = payload.publication_id.parse().map_err(|_| malformed("publicationId"))?;
    Ok((publication, payload.user_id.parse().map_err(|_| malformed("userId"))?))
}

fn count_wishes(
    store: &Store,
    commit: &mut Commit,
    id: PublicationId,
    counted: impl FnOnce(u64) -> u64,
) -> Result<(), Error> {
    let before = WISHES.get(store, &id)?;
    match &before {
        None => commit.expect_absent(&WISHES, &id),
        Some(row) => commit.expect(&WISHES, &id, row.version),
    };
    let count = counted(before.map_or(0, |row| row.value.count));
    commit.put(&WISHES, &id, &WishesRow { count });
    store::enqueue(commit, id);
    Ok(())
}

/// Whether the product was newer than what is known.
fn put_product(store: &Store, commit: &mut Commit, id: ProductId, row: &ProductRow) -> Result<bool, Error> {
    let before = store::product(store, id)?;
    if before.as_ref().is_some_and(|before| before.value.version >= row.version) {
        return Ok(false);
    }
    match before {
        None => commit.expect_absent(&PRODUCTS, &id),
        Some(before) => commit.expect(&PRODUCTS, &id, before.version),
    };
    commit.put(&PRODUCTS, &id, row);
    Ok(true)
}

fn malformed(field: &str) -> Error {
    Fault::invalid_field(field, "malformed", "cannot be read").into()
}
