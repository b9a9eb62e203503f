//! The index is derived: whatever becomes of it, it comes back.

use std::fs;
use std::path::PathBuf;

use vitrina_chassis::UserId;
use vitrina_proto::publications::v1::PublicationStatus::Paused;

use crate::harness::{Shop, everything, product, words};

/// A shop with some publications, crashed.
async fn filled() -> crate::harness::Remains {
    let shop = Shop::open().await;
    let ana = UserId::generate();
    let ids = ["Lámpara de pie", "Lámpara de mesa", "Velador", "Farol"].map(|title| (title, product(ana)));
    for (title, product) in &ids {
        shop.publish(product, title).await;
    }
    shop.until_found(4).await;
    let paused = shop.search(words("farol")).await.items[0].id.clone();
    shop.put_status(ana, &paused, Paused).await.expect("it is active");
    shop.until_found(3).await;
    shop.crash().await
}

async fn check(shop: &Shop) {
    shop.until_found(3).await;
    let mut titles = shop.titles(words("lamparas")).await;
    titles.sort();
    assert_eq!(titles, ["Lámpara de mesa", "Lámpara de pie"]);
}

#[tokio::test]
async fn an_index_that_is_gone_is_made_again() {
    let mut remains = filled().await;
    for _ in 0..2 {
        fs::remove_dir_all(remains.index_dir()).unwrap();
        let shop = remains.open().await;
        check(&shop).await;
        remains = shop.crash().await;
    }
    // Nothing was damaged this time: what is there is taken, without a moment in which nothing is found.
    let shop = remains.open().await;
    assert_eq!(shop.search(everything()).await.total, 3);
}

/// The files of the index, the lock files left out.
fn files(dir: &PathBuf) -> Vec<PathBuf> {
    let files =
        fs::read_dir(dir).expect("the index is there").map(|file| file.expect("it can be listed").path());
    files.filter(|file| fs::metadata(file).expect("it is there").len() > 0).collect()
}

#[tokio::test]
async fn an_index_with_a_flipped_bit_or_a_missing_file_is_made_again() {
    let mut remains = filled().await;
    let kinds: Vec<_> =
        files(&remains.index_dir()).iter().map(|file| file.extension().map(ToOwned::to_owned)).collect();
    for kind in kinds {
        let dir = remains.index_dir();
        let Some(file) = files(&dir).into_iter().find(|file| file.extension() == kind.as_deref()) else {
            continue;
        };
        let mut bytes = fs::read(&file).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x10;
        fs::write(&file, bytes).unwrap();
        let shop = remains.open().await;
        check(&shop).await;
        remains = shop.crash().await;
        let Some(file) = files(&dir).into_iter().find(|file| file.extension() == kind.as_deref()) else {
            continue;
        };
        fs::remove_file(&file).unwrap();
        let shop = remains.open().await;
        check(&shop).await;
        remains = shop.crash().await;
    }
}

#[tokio::test]
async fn the_index_of_another_shop_is_not_taken() {
    let (mine, other) = (filled().await, Shop::open().await);
    other.publish(&product(UserId::generate()), "Bicicleta").await;
    other.until_found(1).await;
    let other = other.crash().await;
    fs::remove_dir_all(mine.index_dir()).unwrap();
    fs::create_dir(mine.index_dir()).unwrap();
    for file in fs::read_dir(other.index_dir()).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), mine.index_dir().join(file.file_name())).unwrap();
    }
    let shop = mine.open().await;
    check(&shop).await;
    assert_eq!(shop.search(words("bicicleta")).await.total, 0);
}

#[tokio::test]
async fn what_was_committed_before_a_crash_is_indexed_after_it() {
    let mut shop = Shop::open().await;
    let ana = UserId::generate();
    let mut total = 0;
    for _ in 0..5 {
        for _ in 0..4 {
            shop.publish(&product(ana), "Lámpara").await;
            total += 1;
        }
        // The indexer looks every few milliseconds: it has not seen all of them, often none.
        shop = shop.crash().await.open().await;
    }
    shop.until_found(total).await;
    assert_eq!(shop.search(words("lampara")).await.total, total);
}
