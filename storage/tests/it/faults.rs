//! Failures of the disk, on command.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use vitrina_storage::Error;
use vitrina_storage::fault::{self, When};

use crate::{message, number, open, put};

#[tokio::test]
async fn a_failed_commit_is_there_as_a_whole_or_not_at_all() {
    for (when, expected) in [(When::BeforeWrite, None), (When::AfterWrite, Some((1, 1)))] {
        let dir = tempfile::tempdir().unwrap();
        let (store, faults) = fault::open(dir.path()).unwrap();
        faults.fail(2, when);
        store.commit(put("first", 1)).await.unwrap();
        let mut commit = put("a", 1);
        commit.emit(message("a", 10));
        assert!(matches!(store.commit(commit).await, Err(Error::Io { .. })));
        store.commit(put("last", 1)).await.unwrap();
        store.close().await;
        drop(store);
        let store = open(dir.path());
        assert_eq!(number(&store, "a"), expected, "{when:?}");
        assert_eq!(store.outbox().pending_count(), expected.map_or(0, |_| 1));
        assert_eq!((number(&store, "first"), number(&store, "last")), (Some((1, 1)), Some((1, 1))));
    }
}

#[tokio::test]
async fn a_full_disk_makes_the_store_read_only_until_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    let (store, faults) = fault::open(dir.path()).unwrap();
    store.commit(put("a", 1)).await.unwrap();
    faults.fail_all(ErrorKind::StorageFull);
    assert!(matches!(store.commit(put("a", 2)).await, Err(Error::Io { .. })));
    assert!(matches!(store.commit(put("a", 2)).await, Err(Error::ReadOnly { .. })));
    assert!(store.is_read_only().is_some());
    assert_eq!(number(&store, "a"), Some((1, 1)));
    faults.heal();
    let deadline = Instant::now() + Duration::from_secs(60);
    while store.is_read_only().is_some() {
        assert!(Instant::now() < deadline, "the store stays read-only");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    store.commit(put("a", 2)).await.unwrap();
    assert_eq!(number(&store, "a"), Some((2, 2)));
}
