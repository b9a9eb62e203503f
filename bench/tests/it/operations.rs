//! What an operator does: back up, restore, verify, check a configuration.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use vitrina_bench::{Client, Options, Shop, Way, story};

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

#[tokio::test(flavor = "multi_thread")]
async fn a_shop_in_one_process_reloads_its_configuration_under_load() {
    let folder = tempfile::tempdir().expect("the temporary directory can be written");
    let file = folder.path().join("vitrina.toml");
    let write = |text: &str| std::fs::write(&file, text).expect("it can be written");
    write("");
    let arguments = vec!["--config".to_owned(), file.display().to_string()];
    let shop = Shop::start_with(Way::OneProcess, Options { arguments, ..Options::default() }).await;
    let seller = story::seller(&shop.client(), "reload").await;
    let (_, publication) = story::publication(&seller, "Radio").await;
    let page = format!("/v1/publications/{publication}");
    shop.client().get_until(&page, |answer| answer.status == 200).await;
    let is_over = Arc::new(AtomicBool::new(false));
    let clients = [page, "/v1/me".to_owned(), "/healthz".to_owned()]
        .map(|path| tokio::spawn(ask(seller.client.clone(), path, is_over.clone())));

    let long = format!("/healthz?a={}", "0".repeat(300));
    write(
        "[edge]\ndrain = 1\nlimits = { target_bytes_max = 200, heartbeat_ms = 0 }\n[broker]\nulr = 1\n[shop]\nx = 1\n",
    );
    shop.signal("shop", "HUP").await;
    logged(&shop, "is refused").await;
    for mistake in ["edge.drain:", "edge.limits.heartbeat_ms", "broker.ulr", "[shop]"] {
        assert!(shop.log().contains(mistake), "{mistake} is not named:\n{}", shop.log());
    }
    shop.client().get(&long).await.expect(200);

    write(
        "[edge]\nlimits = { target_bytes_max = 200 }\nhttp2 = { cleartext = true }\n[broker]\nurl = \"amqp://other\"\n",
    );
    shop.signal("shop", "HUP").await;
    shop.client().get_until(&long, |answer| answer.status == 414).await;
    for name in ["edge.http2", "\"broker\""] {
        logged(&shop, name).await;
    }
    is_over.store(true, Ordering::Relaxed);
    for client in clients {
        let answers = client.await.expect("no request fails");
        assert!(answers > 0);
    }
}

/// Asks without a pause; gives how many answers came.
async fn ask(client: Client, path: String, is_over: Arc<AtomicBool>) -> usize {
    let mut answers = 0;
    while !is_over.load(Ordering::Relaxed) {
        client.get(&path).await.expect(200);
        answers += 1;
    }
    answers
}

/// Waits until the shop has written some words to its log.
async fn logged(shop: &Shop, words: &str) {
    for _ in 0..600 {
        if shop.log().contains(words) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("no {words:?} in the log:\n{}", shop.log());
}
