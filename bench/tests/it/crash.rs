//! Killed at random under writing load, the shop loses nothing that it acknowledged.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::json;
use tokio::sync::Mutex;
use vitrina_bench::story::{self, Person};
use vitrina_bench::{Shop, Way};

/// Callers that write side by side.
const WRITERS: usize = 8;

fn rounds() -> usize {
    std::env::var("ROUNDS").map_or(3, |rounds| rounds.parse().expect("ROUNDS is a number"))
}

fn seed() -> u64 {
    std::env::var("SEED").map_or_else(|_| rand::random(), |seed| seed.parse().expect("SEED is a number"))
}

/// What was answered with success.
#[derive(Default)]
struct Acknowledged {
    /// (product, name, publication)
    publications: Vec<(String, String, String)>,
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_when_the_shop_is_killed() {
    let seed = seed();
    println!("SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut shop = Shop::start(Way::OneProcess).await;
    let mut seller = story::seller(&shop.client(), "crash").await;
    let acknowledged = Arc::new(Mutex::new(Acknowledged::default()));
    for round in 0..rounds() {
        let is_over = Arc::new(AtomicBool::new(false));
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let name = format!("Radio {round} {writer}");
                tokio::spawn(write(seller.clone(), name, Arc::clone(&acknowledged), Arc::clone(&is_over)))
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(random.gen_range(200..1_500))).await;
        shop.kill("shop").await;
        is_over.store(true, Ordering::Relaxed);
        for writer in writers {
            writer.await.expect("a writer does not panic");
        }
        shop.restart("shop");
        shop.ready().await;
        // The access token lives 10 minutes, the rounds may take longer.
        seller = story::login(&shop.client(), &seller).await;
        check(&seller, &*acknowledged.lock().await).await;
    }
    let count = acknowledged.lock().await.publications.len();
    println!("{} rounds, {count} acknowledged publications, none lost", rounds());
    assert!(count > 0, "nothing was written");
    let path = format!("/v1/publications?limit=1&seller={}", seller.id);
    let least = u64::try_from(count).expect("it fits");
    shop.client().get_until(&path, |answer| answer.json["total"].as_u64() >= Some(least)).await;
}

async fn write(
    seller: Person,
    name: String,
    acknowledged: Arc<Mutex<Acknowledged>>,
    is_over: Arc<AtomicBool>,
) {
    for number in 0..10_000 {
        if is_over.load(Ordering::Relaxed) {
            return;
        }
        let name = format!("{name} {number}");
        let client = &seller.client;
        let create = client.request(reqwest::Method::POST, "/v1/products").json(&story::product_body(&name));
        let Ok(product) = client.try_send(create).await else { continue };
        if product.status != 201 {
            continue;
        }
        let product = product.text_at("/id");
        let body = json!({"productId": product, "title": name, "paymentMethods": ["MANUAL"]});
        let create = client.request(reqwest::Method::POST, "/v1/publications").json(&body);
        let Ok(publication) = client.try_send(create).await else { continue };
        if publication.status == 201 {
            let publication = publication.text_at("/id");
            acknowledged.lock().await.publications.push((product, name, publication));
        }
    }
}

async fn check(seller: &Person, acknowledged: &Acknowledged) {
    for (product, name, publication) in &acknowledged.publications {
        let answer = seller.client.get(&format!("/v1/products/{product}")).await.expect(200);
        assert_eq!(&answer.text_at("/name"), name);
        let answer = seller.client.get(&format!("/v1/publications/{publication}")).await.expect(200);
        assert_eq!(&answer.text_at("/productId"), product);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shop_that_is_told_to_stop_drains_and_loses_nothing() {
    let mut shop = Shop::start(Way::OneProcess).await;
    let seller = story::seller(&shop.client(), "drain").await;
    let acknowledged = Arc::new(Mutex::new(Acknowledged::default()));
    let is_over = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let name = format!("Drenado {writer}");
            tokio::spawn(write(seller.clone(), name, Arc::clone(&acknowledged), Arc::clone(&is_over)))
        })
        .collect();
    while acknowledged.lock().await.publications.len() < 20 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    shop.stop("shop").await;
    is_over.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.expect("a writer does not panic");
    }
    shop.restart("shop");
    shop.ready().await;
    check(&seller, &*acknowledged.lock().await).await;
}
