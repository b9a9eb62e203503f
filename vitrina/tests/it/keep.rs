//! `vitrina backup`, `restore` and `verify`: what the sandbox keeps is part of the shop.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use vitrina_bench::story::{self, Person};
use vitrina_bench::{Client, Shop, Way};

/// A PNG of 8 × 8 pixels.
const PNG: [u8; 94] = [
    137, 80, 78, 71, 13, 10, 26, 10, 0, 0, 0, 13, 73, 72, 68, 82, 0, 0, 0, 8, 0, 0, 0, 8, 8, 2, 0, 0, 0, 75,
    109, 41, 220, 0, 0, 0, 37, 73, 68, 65, 84, 120, 218, 99, 56, 161, 193, 112, 66, 67, 228, 132, 134, 198,
    9, 13, 155, 19, 26, 1, 39, 52, 82, 78, 104, 84, 156, 208, 232, 97, 24, 90, 18, 0, 26, 74, 77, 129, 150,
    153, 53, 147, 0, 0, 0, 0, 73, 69, 78, 68, 174, 66, 96, 130,
];

/// A shop with a picture and a payment.
struct Full {
    shop: Shop,
    buyer: Person,
    product: String,
    order: String,
}

/// The variants of a picture, and their bytes.
type Pictures = Vec<(String, String, Vec<u8>)>;

impl Full {
    async fn start() -> Full {
        let shop = Shop::start(Way::OneProcess).await;
        let client = shop.client();
        let seller = story::seller(&client, "ana").await;
        let (product, publication) = story::publication(&seller, "Radio con foto").await;
        let path = format!("/v1/products/{product}/images");
        let upload = seller.client.request(reqwest::Method::POST, &path).header("content-type", "image/png");
        seller.client.send(upload.body(PNG.to_vec())).await.expect(201);
        let buyer = story::person(&client, "beto").await;
        let order = buy(&buyer, &publication).await;
        Full { shop, buyer, product, order }
    }

    async fn vitrina(&self, command: &str, backup: &Path) -> (i32, String) {
        let (backup, data) = (backup.display().to_string(), self.shop.data().display().to_string());
        match command {
            "verify" => self.shop.vitrina(&[command, &backup]).await,
            _ => self.shop.vitrina(&[command, &backup, "--data", &data]).await,
        }
    }

    async fn pictures(&self) -> Pictures {
        let client = self.shop.client();
        let listed = client.get(&format!("/v1/products/{}/images", self.product)).await.expect(200);
        let mut pictures = Vec::new();
        for name in ["thumb", "card", "page"] {
            let path = listed.text_at(&format!("/items/0/variants/{name}"));
            let answer = client.request(reqwest::Method::GET, &path).send().await.expect("it is served");
            assert_eq!(answer.status(), 200, "{path}");
            let kind = answer.headers()["content-type"].to_str().expect("it is ASCII").to_owned();
            pictures.push((path, kind, answer.bytes().await.expect("it comes whole").to_vec()));
        }
        pictures
    }

    /// What the sandbox knows of payments and mails, from its own pages.
    async fn sandbox(&self) -> (Value, Value) {
        let log = self.shop.log();
        let said = log.lines().rev().find_map(|line| line.split_once("what they received: "));
        let base =
            said.and_then(|(_, url)| url.strip_suffix("/sandbox")).expect("the shop names its sandbox");
        let client = Client::new(base);
        let (payments, mails) = (
            client.get("/sandbox/payments").await.expect(200),
            client.get("/sandbox/mails").await.expect(200),
        );
        (payments.json, mails.json)
    }
}

/// Buys at the sandbox, until the shop knows of the payment.
async fn buy(buyer: &Person, publication: &str) -> String {
    let body = json!({"publicationId": publication, "quantity": 1, "paymentMethod": "AUTOMATIC"});
    let request = buyer.client.request(reqwest::Method::POST, "/v1/orders").header("idempotency-key", "buy");
    let order = buyer.client.send(request.json(&body)).await.expect(201).text_at("/orders/0/id");
    let path = format!("/v1/orders/{order}");
    let is_payable = |answer: &vitrina_bench::Answer| answer.json["payment"]["redirectUrl"].is_string();
    let page = buyer.client.get_until(&path, is_payable).await.text_at("/payment/redirectUrl");
    let (provider, _) = page.split_once("/checkout/").expect("it names the checkout");
    let (_, preference) = page.split_once("pref_id=").expect("it names the preference");
    let choice = json!({"pref_id": preference, "result": "approved"});
    Client::new(provider).post("/checkout/v1/pay", &choice).await.expect(201);
    buyer.client.get_until(&path, |answer| answer.json["state"] == "PAID").await;
    order
}

/// The objects of a sandbox's S3 below `folder`.
fn objects(folder: &Path) -> Vec<PathBuf> {
    let objects = fs::read_dir(folder.join("sandbox/s3/vitrina/objects")).expect("there are objects");
    let mut objects: Vec<PathBuf> = objects.map(|entry| entry.expect("it can be read").path()).collect();
    objects.sort();
    objects
}

fn flip_a_bit(file: &Path) {
    let mut bytes = fs::read(file).expect("it can be read");
    bytes[10] ^= 1;
    fs::write(file, bytes).expect("it can be written");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_shop_serves_the_same_pictures_and_knows_its_payments() {
    let mut full = Full::start().await;
    let backup = full.shop.folder().join("backup");
    let (code, text) = full.vitrina("backup", &backup).await;
    assert_eq!(code, 2, "a running shop is not backed up:\n{text}");
    let pictures = full.pictures().await;
    full.shop.stop("shop").await;
    let (code, text) = full.vitrina("backup", &backup).await;
    assert_eq!(code, 0, "{text}");
    let (code, text) = full.vitrina("verify", &backup).await;
    assert_eq!(code, 0, "{text}");

    fs::remove_dir_all(full.shop.data()).expect("our own data can be removed");
    let (code, text) = full.vitrina("restore", &backup).await;
    assert_eq!(code, 0, "{text}");
    full.shop.restart("shop");
    full.shop.ready().await;
    assert_eq!(full.pictures().await, pictures);
    let (payments, mails) = full.sandbox().await;
    assert_eq!(payments[0]["external_reference"], json!(full.order), "{payments:#?}");
    let address = format!("{}@example.com", full.buyer.username);
    assert!(mails.to_string().contains(&address), "{mails:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_or_missing_object_is_named_by_its_path() {
    let mut full = Full::start().await;
    full.shop.stop("shop").await;
    let backup = full.shop.folder().join("backup");
    let (code, text) = full.vitrina("backup", &backup).await;
    assert_eq!(code, 0, "{text}");
    let kept = objects(&backup);
    assert_eq!(kept.len(), objects(&full.shop.data()).len());
    let (damaged, missing) = (&kept[0], &kept[1]);
    flip_a_bit(damaged);
    fs::remove_file(missing).expect("it can be removed");
    fs::remove_dir_all(full.shop.data()).expect("our own data can be removed");
    for command in ["verify", "restore"] {
        let (code, text) = full.vitrina(command, &backup).await;
        assert_eq!(code, 2, "{text}");
        assert!(text.contains(&format!("{}: is damaged", damaged.display())), "{text}");
        assert!(text.contains(&format!("{}: is missing", missing.display())), "{text}");
    }
    assert!(!full.shop.data().exists(), "nothing was restored");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_damaged_is_named_before_a_backup_is_written() {
    let mut full = Full::start().await;
    full.shop.stop("shop").await;
    let backup = full.shop.folder().join("backup");
    let damaged = objects(&full.shop.data()).swap_remove(0);
    flip_a_bit(&damaged);
    let (code, text) = full.vitrina("backup", &backup).await;
    assert_eq!(code, 2, "{text}");
    assert!(text.contains(&damaged.display().to_string()), "{text}");
    assert!(!backup.exists(), "what is no whole backup must not look like one");
}
