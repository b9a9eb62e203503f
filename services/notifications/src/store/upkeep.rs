//! What the upkeep reads and removes, and who watches what.

use vitrina_storage::{Commit, Row, Scan, Store, prefix};

use crate::error::Error;
use crate::keys::{AGES, ALERTS, AlertKey, DELIVERIES, NOTIFICATIONS, PURGES, TOLD, UNREAD, WATCHES};
use crate::model::delivery::Delivery;
use crate::model::watch::{Alert, Watch};
use crate::model::{DeliveryId, NotificationId, PublicationId, UserId};
use crate::store::rows::{AgeRow, id};

/// That a user watches a publication, or did.
pub(crate) fn watch(
    store: &Store,
    publication: PublicationId,
    user: UserId,
) -> Result<Option<Row<Watch>>, Error> {
    Ok(WATCHES.get(store, &(publication, user))?)
}

/// Those who watch a publication, or did, in the order of their ids, behind `after`.
pub(crate) fn watches(
    store: &Store,
    publication: PublicationId,
    after: Option<UserId>,
    limit: usize,
) -> Result<Vec<(UserId, Row<Watch>)>, Error> {
    let after = after.map(|user| (publication, user));
    let scan = Scan { after: after.as_ref(), ..Scan::first(prefix(&publication), limit) };
    let rows = WATCHES.scan(store, scan)?;
    Ok(rows.into_iter().map(|((_, user), row)| (user, row)).collect())
}

/// Puts a watch in place of what was read.
pub(crate) fn put_watch(
    commit: &mut Commit,
    (publication, user): (PublicationId, UserId),
    before: Option<&Row<Watch>>,
    after: &Watch,
) {
    let key = (publication, user);
    match before {
        None => commit.expect_absent(&WATCHES, &key),
        Some(row) => commit.expect(&WATCHES, &key, row.version),
    };
    commit.put(&WATCHES, &key, after);
}

/// Removes a watch.
pub(crate) fn delete_watch(commit: &mut Commit, key: (PublicationId, UserId), before: &Row<Watch>) {
    commit.expect(&WATCHES, &key, before.version).delete(&WATCHES, &key);
}

/// News for those who watch, and how far they were told.
pub(crate) fn alert(store: &Store, key: &AlertKey) -> Result<Option<Row<Alert>>, Error> {
    Ok(ALERTS.get(store, key)?)
}

/// All news that are under way.
pub(crate) fn alerts(store: &Store, limit: usize) -> Result<Vec<AlertKey>, Error> {
    let rows = ALERTS.scan(store, Scan::first(Vec::new(), limit))?;
    Ok(rows.into_iter().map(|(key, _)| key).collect())
}

/// Sets or, with `None`, ends an alert.
pub(crate) fn put_alert(
    commit: &mut Commit,
    key: &AlertKey,
    before: Option<&Row<Alert>>,
    after: Option<&Alert>,
) {
    match before {
        None => commit.expect_absent(&ALERTS, key),
        Some(row) => commit.expect(&ALERTS, key, row.version),
    };
    match after {
        None => commit.delete(&ALERTS, key),
        Some(alert) => commit.put(&ALERTS, key, alert),
    };
}

/// Users who left and whose inboxes are still there.
pub(crate) fn purges(store: &Store, limit: usize) -> Result<Vec<UserId>, Error> {
    Ok(PURGES.scan(store, Scan::first(Vec::new(), limit))?.into_iter().map(|(user, _)| user).collect())
}

/// Removes up to `limit` entries of an inbox, and with the last the mark that they are to be removed.
pub(crate) fn purge(store: &Store, user: UserId, limit: usize) -> Result<Commit, Error> {
    let rows = NOTIFICATIONS.scan(store, Scan::first(prefix(&user), limit))?;
    let mut commit = Commit::new();
    for (key, _) in &rows {
        commit.delete(&NOTIFICATIONS, key).delete(&UNREAD, key);
    }
    if rows.len() < limit {
        commit.delete(&PURGES, &user);
    }
    Ok(commit)
}

/// The oldest notifications made before `until_ms`.
pub(crate) fn old_notifications(
    store: &Store,
    until_ms: u64,
    limit: usize,
) -> Result<Vec<(NotificationId, AgeRow)>, Error> {
    let rows = AGES.scan(store, Scan::first(Vec::new(), limit))?.into_iter();
    let old = rows.take_while(|(_, row)| row.value.created_at_ms < until_ms);
    Ok(old.map(|(id, row)| (id, row.value)).collect())
}

/// Forgets a notification.
pub(crate) fn forget(commit: &mut Commit, notification: NotificationId, age: &AgeRow) -> Result<(), Error> {
    if !age.user.is_empty() {
        let key = (id::<UserId>(&age.user, "user")?, notification);
        commit.delete(&NOTIFICATIONS, &key).delete(&UNREAD, &key);
    }
    commit.delete(&TOLD, &age.told).delete(&AGES, &notification);
    Ok(())
}

/// The oldest deliveries made before `until_ms`.
pub(crate) fn old_deliveries(
    store: &Store,
    until_ms: u64,
    limit: usize,
) -> Result<Vec<(DeliveryId, Row<Delivery>)>, Error> {
    let rows = DELIVERIES.scan(store, Scan::first(Vec::new(), limit))?.into_iter();
    Ok(rows.take_while(|(_, row)| row.value.created_at_ms < until_ms).collect())
}
