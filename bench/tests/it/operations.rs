//! What an operator does: back up, restore, verify, check a configuration.

use vitrina_bench::{Shop, Way, story};

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_restores_the_whole_shop_and_a_damaged_one_is_named() {
    let mut shop = Shop::start(Way::OneProcess).await;
    let seller = story::seller(&shop.client(), "backup").await;
    let (product, publication) = story::publication(&seller, "Tocadiscos").await;
    shop.stop("shop").await;
    let data = shop.data().display().to_string();
    let backup = shop.folder().join("backup").display().to_string();
    let (code, text) = shop.vitrina(&["backup", &backup, "--data", &data]).await;
    assert_eq!(code, 0, "{text}");
    let (code, text) = shop.vitrina(&["verify", &backup]).await;
    assert_eq!(code, 0, "{text}");

    std::fs::remove_dir_all(shop.data()).expect("our own data can be removed");
    let (code, text) = shop.vitrina(&["restore", &backup, "--data", &data]).await;
    assert_eq!(code, 0, "{text}");
    shop.restart("shop");
    shop.ready().await;
    let seller = story::login(&shop.client(), &seller).await;
    seller.client.get(&format!("/v1/products/{product}")).await.expect(200);
    let found = format!("/v1/publications?q=tocadiscos&seller={}", seller.id);
    shop.client().get_until(&found, |answer| answer.text.contains(&publication)).await;

    let (code, text) = shop.vitrina(&["restore", &backup, "--data", &data]).await;
    assert_eq!(code, 2, "data that is there is never written over:\n{text}");
    let damaged = damage_largest(&backup);
    let (code, text) = shop.vitrina(&["verify", &backup]).await;
    assert_ne!(code, 0, "{text}");
    assert!(text.contains(&damaged), "the damaged file {damaged} is not named:\n{text}");
}

/// Turns a bit of the largest file of `folder` and gives its name.
fn damage_largest(folder: &str) -> String {
    let files = std::fs::read_dir(folder).expect("the backup is a folder").filter_map(Result::ok);
    let largest = files
        .filter(|file| file.path().is_file())
        .max_by_key(|file| file.metadata().map_or(0, |metadata| metadata.len()))
        .expect("a backup has files");
    let mut bytes = std::fs::read(largest.path()).expect("the file can be read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    std::fs::write(largest.path(), bytes).expect("the file can be written");
    largest.file_name().to_string_lossy().into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mistake_of_a_configuration_is_named_at_once() {
    let shop = Shop::start(Way::OneProcess).await;
    let file = shop.folder().join("vitrina.toml");
    std::fs::write(&file, "[edge]\nlisten = \"nowhere\"\nthreds = 2\n\n[shop]\nx = 1\n")
        .expect("it can be written");
    let file = file.display().to_string();
    let (code, text) = shop.vitrina(&["check", "--config", &file]).await;
    assert_eq!(code, 2, "{text}");
    for mistake in ["listen", "threds", "shop"] {
        assert!(text.contains(mistake), "{mistake} is not named:\n{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_shop_on_the_same_data_says_why_it_does_not_start() {
    let shop = Shop::start(Way::OneProcess).await;
    let data = shop.data().display().to_string();
    let (code, text) = shop
        .vitrina(&[
            "up",
            "--data",
            &data,
            "--listen",
            "127.0.0.1:0",
            "--admin",
            "127.0.0.1:0",
            "--grpc",
            "off",
            "--sandbox",
            "off",
        ])
        .await;
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("another shop"), "{text}");
}
