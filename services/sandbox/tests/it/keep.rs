//! What a backup takes of a sandbox.

use std::path::{Path, PathBuf};

use serde_json::json;
use vitrina_sandbox::{Error, Kept};

use crate::bench::Bench;

#[tokio::test]
async fn a_sandbox_is_kept_once_it_has_stopped() {
    let bench = Bench::start().await;
    let preference =
        json!({"items": [{"title": "Radio", "quantity": 1, "unit_price": 10, "currency_id": "ARS"}]});
    bench.post("/checkout/preferences", "key", &preference).await;
    let Bench { dir, running, .. } = bench;
    let folder = dir.path().to_owned();
    let taken = tokio::task::spawn_blocking(move || Kept::open(&folder)).await.unwrap();
    assert!(matches!(taken, Err(Error::InUse { .. })), "it runs");
    running.stop().await;
    let kept = Kept::open(dir.path()).unwrap().unwrap();
    assert_eq!(kept.files(), [PathBuf::from("journal.jsonl"), PathBuf::from("mail-events.pk8")]);
    assert!(kept.files().iter().all(|file| dir.path().join(file).is_file()));
}

#[test]
fn where_no_sandbox_ever_ran_nothing_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    assert!(Kept::open(dir.path()).unwrap().is_none());
    assert!(Kept::open(Path::new("/nowhere")).unwrap().is_none());
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "and nothing is made");
}
