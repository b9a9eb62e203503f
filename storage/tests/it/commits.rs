//! Reads and commits.

use vitrina_storage::{COMMIT_ROWS_MAX, Commit, Direction, Error, KEY_BYTES_MAX, Scan, VALUE_BYTES_MAX};

use crate::{BLOBS, NUMBERS, name, number, open, put};

#[tokio::test]
async fn what_was_committed_is_there_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let first = store.commit(put("a", 1)).await.unwrap();
    let second = store.commit(put("a", 2)).await.unwrap();
    assert!(second > first);
    let clone = store.clone();
    store.close().await;
    assert!(matches!(clone.commit(put("a", 3)).await, Err(Error::Closed)));
    assert!(matches!(clone.get(b"x"), Err(Error::Closed)));
    let store = open(dir.path());
    assert_eq!(number(&store, "a"), Some((2, 2)));
    assert!(store.commit(put("a", 3)).await.unwrap() > second);
}

#[tokio::test]
async fn an_expectation_that_does_not_hold_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.commit(put("a", 1)).await.unwrap();
    let a = "a".to_owned();
    for wrong in [None, Some(2)] {
        let mut commit = put("b", 1);
        match wrong {
            None => commit.expect_absent(&NUMBERS, &a),
            Some(version) => commit.expect(&NUMBERS, &a, version),
        };
        assert!(matches!(store.commit(commit).await, Err(Error::Conflict)));
        assert_eq!(number(&store, "b"), None);
    }
    let mut commit = put("b", 1);
    commit.expect(&NUMBERS, &a, 1).delete(&NUMBERS, &a);
    store.commit(commit).await.unwrap();
    assert_eq!((number(&store, "a"), number(&store, "b")), (None, Some((1, 1))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_at_once_each_increment_counts() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.commit(put("a", 0)).await.unwrap();
    let callers = (0..16).map(|_| {
        let store = store.clone();
        tokio::spawn(async move {
            for _ in 0..10 {
                loop {
                    let (value, version) = number(&store, "a").unwrap();
                    let mut commit = put("a", value + 1);
                    commit.expect(&NUMBERS, &"a".to_owned(), version);
                    match store.commit(commit).await {
                        Ok(_) => break,
                        Err(Error::Conflict) => tokio::task::yield_now().await,
                        Err(error) => panic!("{error}"),
                    }
                }
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
    assert_eq!(number(&store, "a"), Some((160, 161)));
}

#[tokio::test]
async fn commits_that_go_together_hold_or_fail_each_for_itself() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let expecting = |name: &str, version: Option<u64>, value| {
        let mut commit = put(name, value);
        match version {
            None => commit.expect_absent(&NUMBERS, &name.to_owned()),
            Some(version) => commit.expect(&NUMBERS, &name.to_owned(), version),
        };
        commit
    };
    let commits = vec![
        expecting("a", None, 1),
        // Each sees those before it: this one comes too late, the next one at the right moment.
        expecting("a", None, 2),
        expecting("a", Some(1), 3),
        put(&"k".repeat(KEY_BYTES_MAX), 1),
        Commit::new(),
        expecting("b", None, 4),
    ];
    let outcomes = store.commit_all(commits).await;
    assert!(
        matches!(
            outcomes[..],
            [Ok(_), Err(Error::Conflict), Ok(_), Err(Error::TooLarge { .. }), Ok(_), Ok(_)]
        ),
        "{outcomes:?}"
    );
    assert_eq!((number(&store, "a"), number(&store, "b")), (Some((3, 2)), Some((4, 1))));
    assert!(store.commit_all(Vec::new()).await.is_empty());
    store.close().await;
    assert!(matches!(store.commit_all(vec![put("a", 5)]).await[..], [Err(Error::Closed)]));
}

#[tokio::test]
async fn more_commits_than_fit_into_a_group_are_all_written() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let commits = (0..6_000).map(|index| put(&name(index), index as u64)).collect();
    assert!(store.commit_all(commits).await.iter().all(Result::is_ok));
    assert_eq!(number(&store, &name(5_999)), Some((5_999, 1)));
    assert_eq!(store.stats().rows, 6_000);
}

/// After many writes and three quiet seconds the store gives back memory, for which its engine is opened anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_rests_is_read_and_written_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let rows = 20_000;
    for first in (0..rows).step_by(1_000) {
        let mut commit = Commit::new();
        for number in first..first + 1_000 {
            commit.put(&BLOBS, &number, &vec![1; 16]);
        }
        store.commit(commit).await.unwrap();
    }
    let quiet = std::time::Instant::now();
    while quiet.elapsed() < std::time::Duration::from_secs(4) {
        for number in (0..rows).step_by(500) {
            assert_eq!(BLOBS.get(&store, &number).unwrap().unwrap().value, vec![1; 16]);
        }
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    let mut commit = Commit::new();
    commit.put(&BLOBS, &0, &vec![2; 16]);
    store.commit(commit).await.unwrap();
    store.close().await;
    let store = open(dir.path());
    assert_eq!(store.stats().rows, rows);
    assert_eq!(BLOBS.get(&store, &0).unwrap().unwrap().value, vec![2; 16]);
}

#[tokio::test]
async fn a_scan_gives_pages_in_both_directions() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut commit = Commit::new();
    for index in 0..30 {
        commit.put(&NUMBERS, &name(index), &(index as u64));
    }
    store.commit(commit).await.unwrap();
    let page = |after: Option<&String>, direction| {
        let scan = Scan { within: Vec::new(), after, limit: 7, direction };
        NUMBERS.scan(&store, scan).unwrap().into_iter().map(|(key, _)| key).collect::<Vec<_>>()
    };
    let first = page(None, Direction::Forward);
    assert_eq!(first, (0..7).map(name).collect::<Vec<_>>());
    assert_eq!(page(first.last(), Direction::Forward), (7..14).map(name).collect::<Vec<_>>());
    assert_eq!(page(Some(&name(3)), Direction::Backward), (0..3).rev().map(name).collect::<Vec<_>>());
    assert!(page(Some(&name(29)), Direction::Forward).is_empty());
}

#[tokio::test]
async fn a_long_value_is_whole_and_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for bytes in [400_000, 10, 20_000, 6_000] {
        let mut commit = Commit::new();
        commit.put(&BLOBS, &1, &vec![bytes as u8; bytes]);
        store.commit(commit).await.unwrap();
        assert_eq!(BLOBS.get(&store, &1).unwrap().unwrap().value, vec![bytes as u8; bytes]);
    }
    assert_eq!(store.stats().rows, 1);
    let mut commit = Commit::new();
    commit.delete(&BLOBS, &1);
    store.commit(commit).await.unwrap();
    assert_eq!((store.stats().rows, store.stats().live_bytes), (0, 0));
    store.close().await;
    assert_eq!(std::fs::read_dir(dir.path().join("blobs")).unwrap().count(), 0);
}

#[tokio::test]
async fn what_is_over_a_bound_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut long_value = Commit::new();
    long_value.put(&BLOBS, &1, &vec![0; VALUE_BYTES_MAX + 1]);
    let mut many_rows = Commit::new();
    for index in 0..=COMMIT_ROWS_MAX {
        many_rows.put(&NUMBERS, &name(index), &1);
    }
    for commit in [put(&"k".repeat(KEY_BYTES_MAX), 1), long_value, many_rows] {
        assert!(matches!(store.commit(commit).await, Err(Error::TooLarge { .. })));
    }
    assert_eq!(store.stats().rows, 0);
}
