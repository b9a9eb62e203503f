//! Outbox, inbox, idempotency records and their sweeping.

use vitrina_storage::{Commit, Error, IdempotencyKey, IdempotencyRecord};

use crate::{message, open, put};

const HOUR_MS: u64 = 3_600_000;
const START_MS: u64 = 1_700_000_000_000;

#[tokio::test]
async fn messages_stay_in_order_until_they_are_done() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut watch = store.outbox().watch();
    let mut commit = put("a", 1);
    commit.emit(message("a", 10)).emit(message("b", 100_000));
    store.commit(commit).await.unwrap();
    assert_eq!(*watch.borrow_and_update(), 2);
    store.close().await;
    let store = open(dir.path());
    let outbox = store.outbox();
    let rows = outbox.pending(0, 10).unwrap();
    assert_eq!(rows.iter().map(|row| row.seq).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(rows[1].message, message("b", 100_000));
    assert_eq!(outbox.pending(1, 10).unwrap().len(), 1);
    outbox.done(&[1, 2, 77]).await.unwrap();
    assert_eq!((outbox.pending_count(), outbox.pending(0, 10).unwrap().len()), (0, 0));
    let mut commit = Commit::new();
    commit.emit(message("c", 0));
    store.commit(commit).await.unwrap();
    assert_eq!(outbox.pending(0, 10).unwrap()[0].seq, 3);
}

#[tokio::test]
async fn a_message_is_handled_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut commit = put("a", 1);
    commit.mark_handled("m-1");
    store.commit(commit.clone()).await.unwrap();
    assert!(store.is_handled("m-1").unwrap());
    assert!(!store.is_handled("m-2").unwrap());
    assert!(matches!(store.commit(commit).await, Err(Error::Conflict)));
}

#[tokio::test]
async fn a_sweep_forgets_what_is_old_and_only_that() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let key = IdempotencyKey { caller: "usr_1".into(), rpc: "Orders/Checkout".into(), key: "k".into() };
    let record =
        IdempotencyRecord { fingerprint: [3; 32], reply: vec![1; 50_000].into(), created_at_ms: START_MS };
    let mut commit = Commit::new();
    commit.mark_handled("old").record(key.clone(), record.clone());
    store.commit(commit.clone()).await.unwrap();
    assert!(matches!(store.commit(commit).await, Err(Error::Conflict)));
    store.sweep(START_MS).await.unwrap();
    let mut commit = Commit::new();
    commit.mark_handled("young");
    store.commit(commit).await.unwrap();
    store.sweep(START_MS + 23 * HOUR_MS).await.unwrap();
    assert_eq!(store.idempotency(&key).unwrap(), Some(record));
    store.sweep(START_MS + 25 * HOUR_MS).await.unwrap();
    assert_eq!(store.idempotency(&key).unwrap(), None);
    assert!(store.is_handled("old").unwrap());
    let swept = store.sweep(START_MS + 7 * 24 * HOUR_MS).await.unwrap();
    assert_eq!((swept.inbox, swept.has_more), (1, false));
    assert_eq!((store.is_handled("old").unwrap(), store.is_handled("young").unwrap()), (false, true));
}
