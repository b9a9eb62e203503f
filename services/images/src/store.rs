//! How it is read and changed: one function, one question or one part of a commit.
//!
//! A function that changes takes what was read and adds the expectation of exactly that version, so that whoever was faster
//! is noticed. A crash leaves each commit whole or not at all.

pub(crate) mod rows;

use vitrina_chassis::ids::UserId;
use vitrina_chassis::rows::fixed;
use vitrina_storage::{Commit, Id16, Row, Scan, Store};

use crate::error::Error;
use crate::keys::{ALBUMS, IMAGES, PRODUCTS, REMOVALS, RemovalKey, UPLOADS, owner_key};
use crate::model::{Album, Image, ImageId, Owner, ProductId, Upload, UploadId};
use crate::store::rows::{ProductRow, RemovalRow};

/// Of a product: whose it is, and whether it is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Product {
    pub(crate) seller: UserId,
    pub(crate) is_deleted: bool,
}

/// A picture.
pub(crate) fn image(store: &Store, id: ImageId) -> Result<Option<Image>, Error> {
    Ok(IMAGES.get(store, &id)?.map(|row| row.value.image(id)).transpose()?)
}

/// Several pictures, in the order of the ids; those that went meanwhile are left out.
pub(crate) fn images(store: &Store, ids: &[ImageId]) -> Result<Vec<Image>, Error> {
    let rows = IMAGES.get_many(store, ids)?;
    let known = ids.iter().zip(rows).filter_map(|(id, row)| Some(row?.value.image(*id)));
    Ok(known.collect::<Result<_, _>>()?)
}

/// The pictures of an owner: an empty album of version 0 when there never was one.
pub(crate) fn album(store: &Store, owner: Owner) -> Result<Row<Album>, Error> {
    Ok(match ALBUMS.get(store, &owner_key(owner))? {
        None => Row { value: Album::default(), version: 0 },
        Some(row) => Row { value: row.value.album()?, version: row.version },
    })
}

/// The pictures of several owners, in their order.
pub(crate) fn albums(store: &Store, owners: &[Owner]) -> Result<Vec<Album>, Error> {
    let keys: Vec<_> = owners.iter().map(|owner| owner_key(*owner)).collect();
    let rows = ALBUMS.get_many(store, &keys)?.into_iter();
    Ok(rows.map(|row| row.map_or(Ok(Album::default()), |row| row.value.album())).collect::<Result<_, _>>()?)
}

/// What was heard of a product.
pub(crate) fn product(store: &Store, id: ProductId) -> Result<Option<Row<Product>>, Error> {
    let Some(Row { value, version }) = PRODUCTS.get(store, &id)? else { return Ok(None) };
    let seller = UserId::from_bytes(fixed(&value.seller, "seller")?);
    Ok(Some(Row { value: Product { seller, is_deleted: value.is_deleted }, version }))
}

/// An upload by a presigned address.
pub(crate) fn upload(store: &Store, id: UploadId) -> Result<Option<Row<Upload>>, Error> {
    let Some(Row { value, version }) = UPLOADS.get(store, &id)? else { return Ok(None) };
    Ok(Some(Row { value: value.upload(id)?, version }))
}

/// Whether a removal still waits for its time.
pub(crate) fn is_queued(store: &Store, key: &RemovalKey) -> Result<bool, Error> {
    Ok(REMOVALS.get(store, key)?.is_some())
}

/// Removals that are due, the longest due first.
pub(crate) fn removals_due(
    store: &Store,
    now_ms: u64,
    limit: usize,
) -> Result<Vec<(RemovalKey, Row<RemovalRow>)>, Error> {
    let rows = REMOVALS.scan(store, Scan::first(Vec::new(), limit))?;
    Ok(rows.into_iter().take_while(|((due_ms, _), _)| *due_ms <= now_ms).collect())
}

/// Queues the objects of a picture for removal at `due_ms`.
pub(crate) fn queue_removal(commit: &mut Commit, image: &Image, due_ms: u64) -> RemovalKey {
    let key = (due_ms, Id16(image.id.bytes()));
    commit.put(&REMOVALS, &key, &RemovalRow { keys: image.object_keys(), failures: 0, upload: None });
    key
}

/// Takes a removal back that was queued as `key`: its objects are named by a picture from now on. A conflict when it was done.
pub(crate) fn keep_objects(commit: &mut Commit, key: &RemovalKey) {
    commit.expect(&REMOVALS, key, 1).delete(&REMOVALS, key);
}

/// Notes that a removal is done; the row of an upload goes with its object.
pub(crate) fn removed(commit: &mut Commit, key: &RemovalKey, before: &Row<RemovalRow>) -> Result<(), Error> {
    commit.expect(&REMOVALS, key, before.version).delete(&REMOVALS, key);
    if let Some(upload) = &before.value.upload {
        commit.delete(&UPLOADS, &UploadId::from_bytes(fixed(upload, "upload")?));
    }
    Ok(())
}

/// Puts a removal that failed off until `due_ms`.
pub(crate) fn put_off(commit: &mut Commit, key: &RemovalKey, before: &Row<RemovalRow>, due_ms: u64) {
    commit.expect(&REMOVALS, key, before.version).delete(&REMOVALS, key);
    let after = RemovalRow { failures: before.value.failures.saturating_add(1), ..before.value.clone() };
    commit.put(&REMOVALS, &(due_ms, key.1), &after);
}

/// Adds a picture.
pub(crate) fn add_image(commit: &mut Commit, image: &Image) {
    commit.expect_absent(&IMAGES, &image.id).put(&IMAGES, &image.id, &image.into());
}

/// Removes a picture; its objects go afterwards.
pub(crate) fn remove_image(commit: &mut Commit, image: &Image, now_ms: u64) {
    commit.delete(&IMAGES, &image.id);
    queue_removal(commit, image, now_ms);
}

/// Puts an album in place of what was read, and gives its new version.
pub(crate) fn put_album(commit: &mut Commit, owner: Owner, before: &Row<Album>, after: &Album) -> u64 {
    let key = owner_key(owner);
    match before.version {
        0 => commit.expect_absent(&ALBUMS, &key),
        version => commit.expect(&ALBUMS, &key, version),
    };
    commit.put(&ALBUMS, &key, &after.into());
    before.version + 1
}

/// Makes a commit hold only as long as nothing new is heard of a product.
pub(crate) fn expect_product(commit: &mut Commit, id: ProductId, version: u64) {
    commit.expect(&PRODUCTS, &id, version);
}

/// Notes what was heard of a product.
pub(crate) fn put_product(commit: &mut Commit, id: ProductId, before: Option<u64>, after: Product) {
    match before {
        None => commit.expect_absent(&PRODUCTS, &id),
        Some(version) => commit.expect(&PRODUCTS, &id, version),
    };
    let row = ProductRow { seller: after.seller.bytes().to_vec(), is_deleted: after.is_deleted };
    commit.put(&PRODUCTS, &id, &row);
}

/// Adds an upload, and queues its object for removal at `remove_at_ms`, whatever becomes of it.
pub(crate) fn add_upload(commit: &mut Commit, upload: &Upload, remove_at_ms: u64) {
    commit.expect_absent(&UPLOADS, &upload.id).put(&UPLOADS, &upload.id, &upload.into());
    let removal =
        RemovalRow { keys: vec![upload.object_key()], failures: 0, upload: Some(upload.id.bytes().to_vec()) };
    commit.put(&REMOVALS, &(remove_at_ms, Id16(upload.id.bytes())), &removal);
}

/// Notes what became of an upload.
pub(crate) fn complete_upload(commit: &mut Commit, before: &Row<Upload>, image: ImageId) {
    let after = Upload { image: Some(image), ..before.value.clone() };
    commit.expect(&UPLOADS, &after.id, before.version).put(&UPLOADS, &after.id, &(&after).into());
}
