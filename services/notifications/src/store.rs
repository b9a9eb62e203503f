//! How it is read and changed: one function, one question or one part of a commit.
//!
//! A function that changes takes what was read and adds the expectation of exactly that version, so that whoever was faster
//! is noticed. A crash leaves each commit whole or not at all.

pub(crate) mod rows;
pub(crate) mod upkeep;

use vitrina_storage::{Commit, Direction, Row, Scan, Store, prefix};

use crate::error::Error;
use crate::keys::{
    AGES, CONTACTS, DELIVERIES, DUE, EntryKey, NOTIFICATIONS, PREFERENCES, PURGES, TOLD, UNREAD,
};
use crate::model::contact::Contact;
use crate::model::delivery::{Channel, Delivery};
use crate::model::preference::Preferences;
use crate::model::{DeliveryId, Notification, NotificationId, UserId};
use crate::store::rows::{AgeRow, MarkRow};

/// Unread entries that are counted; who has more reads none of them.
const UNREAD_MAX: usize = 10_000;
/// Rows of one read while counting.
const COUNT_ROWS: usize = 1000;

/// An entry of somebody's inbox.
pub(crate) fn notification(store: &Store, key: &EntryKey) -> Result<Option<Row<Notification>>, Error> {
    Ok(NOTIFICATIONS.get(store, key)?)
}

/// The entries of an inbox, newest first, those behind `after`.
pub(crate) fn inbox(
    store: &Store,
    user: UserId,
    after: Option<NotificationId>,
    limit: usize,
) -> Result<Vec<(NotificationId, Notification)>, Error> {
    let after = after.map(|id| (user, id));
    let scan = Scan { within: prefix(&user), after: after.as_ref(), limit, direction: Direction::Backward };
    let rows = NOTIFICATIONS.scan(store, scan)?;
    Ok(rows.into_iter().map(|((_, id), row)| (id, row.value)).collect())
}

/// How many entries of an inbox were not read, up to 10,000.
pub(crate) fn unread(store: &Store, user: UserId) -> Result<usize, Error> {
    let (mut count, mut after) = (0, None);
    while count < UNREAD_MAX {
        let scan = Scan { after: after.as_ref(), ..Scan::first(prefix(&user), COUNT_ROWS) };
        let page = UNREAD.scan(store, scan)?;
        count += page.len();
        if page.len() < COUNT_ROWS {
            break;
        }
        after = page.into_iter().last().map(|(key, _)| key);
    }
    Ok(count)
}

/// Adds a notification to what is remembered, and to the inbox when it is a user's.
pub(crate) fn add_notification(
    commit: &mut Commit,
    (id, user): (NotificationId, Option<UserId>),
    notification: &Notification,
    told: &str,
) {
    let age = AgeRow {
        user: user.map(|user| user.to_string()).unwrap_or_default(),
        told: told.to_owned(),
        created_at_ms: notification.created_at_ms,
    };
    commit.expect_absent(&TOLD, &age.told).put(&TOLD, &age.told, &MarkRow {});
    commit.put(&AGES, &id, &age);
    if let Some(user) = user {
        commit.put(&NOTIFICATIONS, &(user, id), notification).put(&UNREAD, &(user, id), &MarkRow {});
    }
}

/// Marks an entry as read.
pub(crate) fn read(
    commit: &mut Commit,
    key: &EntryKey,
    before: &Row<Notification>,
    now_ms: u64,
) -> Notification {
    let after = Notification { read_at_ms: Some(now_ms), ..before.value.clone() };
    commit.expect(&NOTIFICATIONS, key, before.version).put(&NOTIFICATIONS, key, &after);
    commit.delete(&UNREAD, key);
    after
}

/// Whether this was told before.
pub(crate) fn is_told(store: &Store, told: &str) -> Result<bool, Error> {
    Ok(TOLD.get(store, &told.to_owned())?.is_some())
}

/// A delivery.
pub(crate) fn delivery(store: &Store, id: DeliveryId) -> Result<Option<Row<Delivery>>, Error> {
    Ok(DELIVERIES.get(store, &id)?)
}

/// Deliveries of a channel that are due, first due first.
pub(crate) fn due(
    store: &Store,
    channel: Channel,
    now_ms: u64,
    limit: usize,
) -> Result<Vec<DeliveryId>, Error> {
    let rows = DUE.scan(store, Scan::first(prefix(&(channel as u8)), limit))?;
    let keys = rows.into_iter().map(|(key, _)| key);
    Ok(keys.take_while(|(_, due_ms, _)| *due_ms <= now_ms).map(|(_, _, id)| id).collect())
}

/// Puts a delivery in place of what was read, and keeps the queue in step.
pub(crate) fn put_delivery(
    commit: &mut Commit,
    id: DeliveryId,
    before: Option<&Row<Delivery>>,
    after: &Delivery,
) {
    unqueue(commit, id, before);
    commit.put(&DELIVERIES, &id, after);
    if let Some(due_ms) = after.due_at_ms {
        commit.put(&DUE, &(after.channel() as u8, due_ms, id), &MarkRow {});
    }
}

/// Removes a delivery.
pub(crate) fn delete_delivery(commit: &mut Commit, id: DeliveryId, before: &Row<Delivery>) {
    unqueue(commit, id, Some(before));
    commit.delete(&DELIVERIES, &id);
}

fn unqueue(commit: &mut Commit, id: DeliveryId, before: Option<&Row<Delivery>>) {
    match before {
        None => commit.expect_absent(&DELIVERIES, &id),
        Some(row) => commit.expect(&DELIVERIES, &id, row.version),
    };
    if let Some((row, due_ms)) = before.and_then(|row| Some((row, row.value.due_at_ms?))) {
        commit.delete(&DUE, &(row.value.channel() as u8, due_ms, id));
    }
}

/// How a user is reached; `None`: nothing was heard of him yet.
pub(crate) fn contact(store: &Store, user: UserId) -> Result<Option<Row<Contact>>, Error> {
    Ok(CONTACTS.get(store, &user)?)
}

/// Puts a contact in place of what was read. Of somebody who left, what he has here goes afterwards.
pub(crate) fn put_contact(commit: &mut Commit, user: UserId, before: Option<&Row<Contact>>, after: &Contact) {
    match before {
        None => commit.expect_absent(&CONTACTS, &user),
        Some(row) => commit.expect(&CONTACTS, &user, row.version),
    };
    commit.put(&CONTACTS, &user, after);
    if after.is_deleted {
        commit.delete(&PREFERENCES, &user).put(&PURGES, &user, &MarkRow {});
    }
}

/// What a user does not want; an empty row of version 0 when he never said.
pub(crate) fn preferences(store: &Store, user: UserId) -> Result<Row<Preferences>, Error> {
    Ok(PREFERENCES.get(store, &user)?.unwrap_or(Row { value: Preferences::default(), version: 0 }))
}

/// Puts preferences in place of what was read.
pub(crate) fn put_preferences(
    commit: &mut Commit,
    user: UserId,
    before: &Row<Preferences>,
    after: &Preferences,
) {
    match before.version {
        0 => commit.expect_absent(&PREFERENCES, &user),
        version => commit.expect(&PREFERENCES, &user, version),
    };
    commit.put(&PREFERENCES, &user, after);
}
