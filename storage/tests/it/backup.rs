//! Export, import and verification.

use vitrina_storage::{Commit, Error, Store};

use crate::{BLOBS, message, name, number, open, put};

async fn filled(store: &Store) -> Vec<u8> {
    for index in 0..200 {
        store.commit(put(&name(index), index as u64)).await.unwrap();
    }
    let mut commit = Commit::new();
    commit.put(&BLOBS, &1, &vec![9; 100_000]).emit(message("a", 50)).mark_handled("m");
    store.commit(commit).await.unwrap();
    let mut export = Vec::new();
    store.export(&mut export).unwrap();
    export
}

#[tokio::test]
async fn an_import_gives_back_what_was_exported() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir.path().join("one"));
    let export = filled(&store).await;
    let summary = Store::verify(&mut &export[..]).unwrap();
    assert_eq!((summary.rows, summary.live_bytes), (store.stats().rows, store.stats().live_bytes));
    let two = dir.path().join("two");
    assert_eq!(Store::import(&two, &mut &export[..]).unwrap(), summary);
    assert!(matches!(Store::import(&two, &mut &export[..]), Err(Error::NotEmpty { .. })));
    assert_eq!(Store::verify_dir(&two).unwrap(), summary);
    let copy = open(&two);
    assert_eq!(number(&copy, &name(7)), Some((7, 1)));
    assert_eq!(BLOBS.get(&copy, &1).unwrap().unwrap().value.len(), 100_000);
    assert_eq!(copy.outbox().pending(0, 10).unwrap(), store.outbox().pending(0, 10).unwrap());
    assert!(copy.is_handled("m").unwrap());
}

#[tokio::test]
async fn a_damaged_export_is_refused_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir.path().join("one"));
    let export = filled(&store).await;
    let two = dir.path().join("two");
    for cut in [0, 10, 100, export.len() / 2, export.len() - 1] {
        assert!(
            matches!(Store::import(&two, &mut &export[..cut]), Err(Error::BadExport { .. })),
            "cut at {cut}"
        );
        assert!(!two.exists());
    }
    for at in (0..export.len()).step_by(export.len() / 97) {
        let mut flipped = export.clone();
        flipped[at] ^= 0x10;
        assert!(Store::verify(&mut &flipped[..]).is_err(), "flipped at {at}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_is_of_one_moment_while_commits_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir.path().join("one"));
    filled(&store).await;
    let writer = store.clone();
    let writing = tokio::spawn(async move {
        for round in 0..200 {
            let mut commit = put(&name(0), round);
            commit.merge(put(&name(199), round)).merge(put(&name(1000 + round as usize), round));
            writer.commit(commit).await.unwrap();
        }
    });
    for _ in 0..5 {
        let exporter = store.clone();
        let export = tokio::task::spawn_blocking(move || {
            let mut export = Vec::new();
            exporter.export(&mut export).map(|_| export)
        });
        // A mixture of moments would fail the comparison with the sum of the head.
        Store::verify(&mut &export.await.unwrap().unwrap()[..]).unwrap();
    }
    writing.await.unwrap();
}
