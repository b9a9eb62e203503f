//! A service that is stopped and started again while the edge runs: how soon it serves again is printed.

use std::time::{Duration, Instant};

use serde_json::json;
use vitrina_bench::story;
use vitrina_bench::{Client, SERVICES, Shop, Way};

/// Restarts, over all services in turn.
const RESTARTS: usize = 20;
/// How long a service may take to be back on a loaded machine; never a measure of speed.
const BACK_WITHIN: Duration = Duration::from_secs(60);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(5);

/// Whether a service answers a route that no cache answers for it.
async fn serves(seller: &Client, service: &str) -> bool {
    let nothing = "0".repeat(32);
    let answer = match service {
        "users" => seller.get("/v1/me").await,
        "products" => seller.get("/v1/products").await,
        "publications" => seller.get("/v1/me/publications").await,
        // There is no such picture, and it takes the service to know that.
        "images" => seller.delete(&format!("/v1/images/img_{nothing}")).await,
        "notifications" => seller.get("/v1/me/notifications").await,
        "orders" => seller.get("/v1/orders").await,
        other => panic!("{other} has no probe"),
    };
    answer.status < 500
}

async fn until(seller: &Client, service: &str, expected: bool) {
    let limit = Instant::now() + BACK_WITHIN;
    while serves(seller, service).await != expected {
        assert!(Instant::now() < limit, "{service}: waited in vain for serving to be {expected}");
        tokio::time::sleep(PAUSE).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_service_serves_again_while_the_edge_runs() {
    let mut shop = Shop::start(Way::Processes).await;
    let seller = story::seller(&shop.client(), "ana").await;
    let (_, publication) = story::publication(&seller, "Reinicio").await;
    let mut back_ms = Vec::new();
    for (round, service) in SERVICES.into_iter().cycle().take(RESTARTS).enumerate() {
        until(&seller.client, service, true).await;
        if round % 2 == 0 {
            shop.stop(service).await;
        } else {
            shop.kill(service).await;
        }
        // The edge has to notice, so that it is its coming back to the service that is measured.
        until(&seller.client, service, false).await;
        let (before, started) = (shop.ready_count(service), Instant::now());
        shop.restart(service);
        let (returned, served) = watch(&shop, &seller.client, service, before).await;
        let back = served.duration_since(started).as_millis();
        println!(
            "{service}: serves through the edge {back} ms after its start, {} ms after it was ready",
            served.duration_since(returned).as_millis(),
        );
        back_ms.push(back);
    }
    back_ms.sort_unstable();
    println!(
        "from start to service: median {} ms, longest {} ms of {RESTARTS}",
        back_ms[RESTARTS / 2],
        back_ms[RESTARTS - 1]
    );
    let change = json!({"title": "Después"});
    let path = format!("/v1/publications/{}", publication);
    seller.client.patch(&path, &change).await.expect(200);
}

/// Asks through the edge all the time, as its clients do, until the service serves again; gives when it said that it is ready, and
/// when the first answer came.
async fn watch(shop: &Shop, seller: &Client, service: &str, before: usize) -> (Instant, Instant) {
    let limit = Instant::now() + BACK_WITHIN;
    let mut returned = None;
    loop {
        let is_served = serves(seller, service).await;
        let now = Instant::now();
        if returned.is_none() && shop.ready_count(service) > before {
            returned = Some(now);
        }
        if is_served {
            return (returned.unwrap_or(now), now);
        }
        assert!(now < limit, "{service} does not serve again:\n{}", shop.log());
        tokio::time::sleep(PAUSE).await;
    }
}
