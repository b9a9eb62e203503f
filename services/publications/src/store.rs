//! How it is read and changed: one function, one question or one part of a commit.

pub(crate) mod rows;

use vitrina_chassis::ids::UserId;
use vitrina_chassis::rows::fixed;
use vitrina_storage::{Commit, Direction, Row, Scan, Store, prefix};

use crate::error::Error;
use crate::keys::{
    ACTIVE, ASKED, BY_SELLER, INDEX_NAME, INDEX_QUEUE, PRODUCTS, PUBLICATIONS, QUESTIONS, UNANSWERED, USERS,
    WISHES,
};
use crate::model::{ProductId, Publication, PublicationId, Question, QuestionId, Status};
use crate::store::rows::{ListingRow, MarkRow, NameRow, ProductRow};

/// Unanswered questions that are counted one by one; more than a dashboard can tell apart.
const COUNTED_MAX: usize = 1000;

/// A publication.
pub(crate) fn publication(store: &Store, id: PublicationId) -> Result<Option<Row<Publication>>, Error> {
    let Some(Row { value, version }) = PUBLICATIONS.get(store, &id)? else { return Ok(None) };
    Ok(Some(Row { value: value.publication(id)?, version }))
}

/// Several publications, in the order of the ids; unknown ones are left out.
pub(crate) fn publications(store: &Store, ids: &[PublicationId]) -> Result<Vec<Row<Publication>>, Error> {
    let rows = PUBLICATIONS.get_many(store, ids)?;
    let known = ids.iter().zip(rows).filter_map(|(id, row)| Some((id, row?)));
    known.map(|(id, Row { value, version })| Ok(Row { value: value.publication(*id)?, version })).collect()
}

/// A page of the publications, in the order of their ids.
pub(crate) fn all(
    store: &Store,
    after: Option<PublicationId>,
    limit: usize,
) -> Result<Vec<PublicationId>, Error> {
    let scan = Scan { within: Vec::new(), after: after.as_ref(), limit, direction: Direction::Forward };
    Ok(PUBLICATIONS.scan(store, scan)?.into_iter().map(|(id, _)| id).collect())
}

/// A page of a seller's publications, newest first.
pub(crate) fn of_seller(
    store: &Store,
    seller: UserId,
    after: Option<PublicationId>,
    limit: usize,
) -> Result<Vec<PublicationId>, Error> {
    let after = after.map(|id| (seller, id));
    let within = prefix(&seller);
    let scan = Scan { within, after: after.as_ref(), limit, direction: Direction::Backward };
    Ok(BY_SELLER.scan(store, scan)?.into_iter().map(|((_, id), _)| id).collect())
}

/// The active publication of a product.
pub(crate) fn active(store: &Store, product: ProductId) -> Result<Option<PublicationId>, Error> {
    let Some(row) = ACTIVE.get(store, &product)? else { return Ok(None) };
    Ok(Some(PublicationId::from_bytes(fixed(&row.value.publication, "publication")?)))
}

/// A product as last heard.
pub(crate) fn product(store: &Store, id: ProductId) -> Result<Option<Row<ProductRow>>, Error> {
    Ok(PRODUCTS.get(store, &id)?)
}

/// Several products, in the order of the ids.
pub(crate) fn products(store: &Store, ids: &[ProductId]) -> Result<Vec<Option<ProductRow>>, Error> {
    Ok(PRODUCTS.get_many(store, ids)?.into_iter().map(|row| row.map(|row| row.value)).collect())
}

/// How many wish for each of several publications, in the order of the ids.
pub(crate) fn wishes(store: &Store, ids: &[PublicationId]) -> Result<Vec<u64>, Error> {
    let rows = WISHES.get_many(store, ids)?;
    Ok(rows.into_iter().map(|row| row.map_or(0, |row| row.value.count)).collect())
}

/// A username as last heard; empty after deletion.
pub(crate) fn username(store: &Store, user: UserId) -> Result<Option<String>, Error> {
    Ok(USERS.get(store, &user)?.map(|row| row.value.username))
}

/// The name of the index that was made from this store.
pub(crate) fn index_name(store: &Store) -> Result<Option<String>, Error> {
    Ok(INDEX_NAME.get(store, &())?.map(|row| row.value.name))
}

/// Notes which index holds everything that the store has or has queued.
pub(crate) fn name_index(commit: &mut Commit, name: &str) {
    commit.put(&INDEX_NAME, &(), &NameRow { name: name.to_owned() });
}

/// A question.
pub(crate) fn question(store: &Store, id: QuestionId) -> Result<Option<Row<Question>>, Error> {
    let Some(Row { value, version }) = QUESTIONS.get(store, &id)? else { return Ok(None) };
    Ok(Some(Row { value: value.question(id)?, version }))
}

/// A page of the questions of a publication, newest first.
pub(crate) fn questions(
    store: &Store,
    publication: PublicationId,
    after: Option<QuestionId>,
    limit: usize,
) -> Result<Vec<Row<Question>>, Error> {
    let after = after.map(|id| (publication, id));
    let scan =
        Scan { within: prefix(&publication), after: after.as_ref(), limit, direction: Direction::Backward };
    let ids: Vec<_> = ASKED.scan(store, scan)?.into_iter().map(|((_, id), _)| id).collect();
    let rows = QUESTIONS.get_many(store, &ids)?;
    let known = ids.iter().zip(rows).filter_map(|(id, row)| Some((id, row?)));
    known.map(|(id, Row { value, version })| Ok(Row { value: value.question(*id)?, version })).collect()
}

/// How many questions a seller has not answered, counted up to a thousand.
pub(crate) fn unanswered(store: &Store, seller: UserId) -> Result<u32, Error> {
    let rows = UNANSWERED.scan(store, Scan::first(prefix(&seller), COUNTED_MAX))?;
    Ok(u32::try_from(rows.len()).unwrap_or(u32::MAX))
}

/// What the index has to take in, with the versions of the queue's rows.
pub(crate) fn queued(store: &Store, limit: usize) -> Result<Vec<(PublicationId, u64)>, Error> {
    let rows = INDEX_QUEUE.scan(store, Scan::first(Vec::new(), limit))?;
    Ok(rows.into_iter().map(|(id, row)| (id, row.version)).collect())
}

/// Puts a publication into the line of what the index takes in.
pub(crate) fn enqueue(commit: &mut Commit, id: PublicationId) {
    commit.put(&INDEX_QUEUE, &id, &MarkRow {});
}

/// Takes out of the line what the index has; one that was put there again meanwhile conflicts.
pub(crate) fn dequeue(commit: &mut Commit, id: PublicationId, version: u64) {
    commit.expect(&INDEX_QUEUE, &id, version).delete(&INDEX_QUEUE, &id);
}

/// Adds a publication.
pub(crate) fn create(commit: &mut Commit, publication: &Publication) {
    let id = publication.id;
    commit.expect_absent(&PUBLICATIONS, &id).put(&PUBLICATIONS, &id, &publication.into());
    commit.put(&BY_SELLER, &(publication.seller, id), &MarkRow {});
    if publication.status == Status::Active {
        activate(commit, publication);
    }
    enqueue(commit, id);
}

/// Puts a publication in place of what was read, and keeps `active` in step with it.
pub(crate) fn replace(commit: &mut Commit, before: &Row<Publication>, after: &Publication) {
    commit.expect(&PUBLICATIONS, &after.id, before.version).put(&PUBLICATIONS, &after.id, &after.into());
    match (before.value.status == Status::Active, after.status == Status::Active) {
        (false, true) => activate(commit, after),
        (true, false) => {
            commit.delete(&ACTIVE, &after.product);
        }
        (true, true) | (false, false) => {}
    }
    enqueue(commit, after.id);
}

/// Adds a question.
pub(crate) fn ask(commit: &mut Commit, question: &Question) {
    commit.expect_absent(&QUESTIONS, &question.id).put(&QUESTIONS, &question.id, &question.into());
    commit.put(&ASKED, &(question.publication, question.id), &MarkRow {});
    commit.put(&UNANSWERED, &(question.seller, question.id), &MarkRow {});
}

/// Puts an answered question in place of what was read.
pub(crate) fn answer(commit: &mut Commit, before: &Row<Question>, after: &Question) {
    commit.expect(&QUESTIONS, &after.id, before.version).put(&QUESTIONS, &after.id, &after.into());
    commit.delete(&UNANSWERED, &(after.seller, after.id));
}

/// Takes a question away.
pub(crate) fn remove_question(commit: &mut Commit, before: &Row<Question>) {
    let question = &before.value;
    commit.expect(&QUESTIONS, &question.id, before.version).delete(&QUESTIONS, &question.id);
    commit.delete(&ASKED, &(question.publication, question.id));
    commit.delete(&UNANSWERED, &(question.seller, question.id));
}

/// Notes the one active publication of a product; a conflict when another was faster.
fn activate(commit: &mut Commit, publication: &Publication) {
    commit.expect_absent(&ACTIVE, &publication.product);
    let row = ListingRow { publication: publication.id.bytes().to_vec() };
    commit.put(&ACTIVE, &publication.product, &row);
}
