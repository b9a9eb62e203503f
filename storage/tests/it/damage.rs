//! Files that were changed, cut off or lost behind the store's back.

use std::fs;
use std::path::Path;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use vitrina_storage::{Error, Options, Store};

use crate::{name, number, open, put};

const ROWS: usize = 300;

async fn fill(dir: &Path) -> Vec<u8> {
    let store = open(dir);
    for index in 0..ROWS {
        store.commit(put(&name(index), index as u64)).await.unwrap();
    }
    let mut export = Vec::new();
    store.export(&mut export).unwrap();
    store.close().await;
    export
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// Opens, and says whether damage was told; what opens must hold every row.
fn check_told_or_harmless(dir: &Path, case: &str) -> bool {
    match Store::open(dir, Options::default()) {
        Ok(store) => {
            for index in 0..ROWS {
                assert_eq!(number(&store, &name(index)), Some((index as u64, 1)), "{case}");
            }
            false
        }
        Err(Error::Damaged { moved_to, .. }) => {
            assert!(moved_to.is_dir(), "{case}");
            assert!(matches!(Store::open(dir, Options::default()), Err(Error::Damaged { .. })), "{case}");
            true
        }
        Err(error) => panic!("{case}: {error}"),
    }
}

#[tokio::test]
async fn flipped_bits_are_told_or_harmless() {
    let seed =
        std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(rand::random::<u64>);
    println!("SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("whole");
    fill(&whole).await;
    let log = fs::read(whole.join("db")).unwrap();
    let used = log.iter().rposition(|byte| *byte != 0).unwrap();
    for round in 0..12 {
        let place = dir.path().join(format!("flipped-{round}"));
        copy(&whole, &place);
        let at = random.gen_range(0..used);
        let mut log = log.clone();
        log[at] ^= 1 << random.gen_range(0..8);
        fs::write(place.join("db"), log).unwrap();
        let is_told = check_told_or_harmless(&place, &format!("byte {at}, SEED={seed}"));
        println!("byte {at} of {used}: {}", if is_told { "told" } else { "harmless" });
    }
}

#[tokio::test]
async fn a_log_that_is_cut_off_or_lost_is_told_and_replaced_by_a_backup() {
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("whole");
    let export = fill(&whole).await;
    let log = fs::read(whole.join("db")).unwrap();
    let used = log.iter().rposition(|byte| *byte != 0).unwrap();
    for kept in [0, 100, used / 2, used - 50] {
        let place = dir.path().join(format!("cut-{kept}"));
        copy(&whole, &place);
        fs::write(place.join("db"), &log[..kept]).unwrap();
        assert!(
            check_told_or_harmless(&place, &format!("cut at {kept}")),
            "cut at {kept} of {used} is not told"
        );
        if kept == 0 {
            Store::import(&place, &mut &export[..]).unwrap();
            assert!(!check_told_or_harmless(&place, "imported"));
        }
    }
    let place = dir.path().join("lost");
    copy(&whole, &place);
    fs::remove_file(place.join("db")).unwrap();
    assert!(check_told_or_harmless(&place, "the log is lost"));
}

#[tokio::test]
async fn a_store_is_open_only_once() {
    let dir = tempfile::tempdir().unwrap();
    let _store = open(dir.path());
    let second = tokio::task::spawn_blocking({
        let dir = dir.path().to_owned();
        move || Store::open(&dir, Options::default()).map(drop)
    });
    assert!(matches!(second.await.unwrap(), Err(Error::Locked { .. })));
}
