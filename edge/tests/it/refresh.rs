//! What is made again by itself, and what ends by itself: stale answers, answers for which a crowd asks, offers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::future::join_all;
use prost::Message as _;
use tokio::sync::Semaphore;
use tonic::Status;
use vitrina_broker::{Broker, Message};
use vitrina_edge::{EdgeConfig, HttpUpstream};
use vitrina_proto::Timestamp;
use vitrina_proto::events::v1::SellerChanged;
use vitrina_proto::products::v1::{BatchGetProductsRequest, Offer, Product, ProductList};
use vitrina_proto::publications::v1::{SearchReply, SearchRequest};
use vitrina_proto::users::v1::{GetSellerRequest, Seller};

use crate::origin::{Origin, answer, behind};
use crate::pages::{self, PRODUCTS, money};
use crate::resilience::{SEARCH, until};
use crate::support::Shop;

const SELLER: &str = "vitrina.users.v1.Users/GetSeller";

fn status(answer: &reqwest::Response) -> String {
    answer.headers()["cache-status"].to_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_answer_of_a_plain_server_is_served_at_once_and_refreshed_once() {
    let origin = Origin::start().await;
    let gate = Arc::new(Semaphore::new(1));
    let (held, asked) = (gate.clone(), AtomicU64::new(0));
    origin.on_later(move |_| {
        let (held, number) = (held.clone(), asked.fetch_add(1, Ordering::SeqCst));
        async move {
            held.acquire().await.unwrap().forget();
            let (age, body) = if number == 0 { ("2", "old") } else { ("0", "new") };
            let control = "max-age=1, stale-while-revalidate=600";
            answer(200, &[("cache-control", control), ("age", age)], body)
        }
    });
    let shop = behind(HttpUpstream { cache: true, ..origin.upstream() }).await;
    assert_eq!(shop.get("/old/a").await.text().await.unwrap(), "old");
    // The refresh is held back, so whoever had to wait for it would not be answered.
    for stale in join_all((0..50).map(|_| shop.get("/old/a"))).await {
        assert!(status(&stale).starts_with("vitrina; hit; ttl=-"), "{}", status(&stale));
        assert_eq!(stale.text().await.unwrap(), "old");
    }
    until("it is being refreshed", async || origin.seen().len() == 2).await;
    gate.add_permits(1);
    until("it is refreshed", async || shop.get("/old/a").await.text().await.unwrap() == "new").await;
    assert_eq!(origin.seen().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_answer_of_a_route_is_served_at_once_and_refreshed_once() {
    let shop = Shop::open().await;
    let total = |total| move |_: SearchRequest| Ok(SearchReply { total, ..SearchReply::default() });
    shop.scripts.on(SEARCH, total(1));
    let path = "/v1/publications?q=radio";
    assert_eq!(shop.get(path).await.status(), 200);
    let gate = Arc::new(Semaphore::new(0));
    shop.scripts.on_gated(SEARCH, &gate, total(2));
    // It is fresh for the ten seconds that the contract gives.
    until("it is stale", async || status(&shop.get(path).await).contains("stale-while-revalidate")).await;
    for stale in join_all((0..50).map(|_| shop.get(path))).await {
        assert!(status(&stale).ends_with("detail=stale-while-revalidate"), "{}", status(&stale));
        assert_eq!(stale.json::<serde_json::Value>().await.unwrap()["total"], 1);
    }
    until("it is being refreshed", async || shop.scripts.seen(SEARCH).len() == 2).await;
    gate.add_permits(1);
    until("it is refreshed", async || {
        shop.get(path).await.json::<serde_json::Value>().await.unwrap()["total"] == 2
    })
    .await;
    assert_eq!(shop.scripts.seen(SEARCH).len(), 2);
}

/// A shop that hears events, with two sellers whose names count what was written.
async fn sellers() -> (Shop, Arc<dyn Broker>, Arc<AtomicU64>, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let store = vitrina_storage::Store::open(dir.path(), vitrina_storage::Options::default()).unwrap();
    let broker = vitrina_broker::embedded(store);
    let shop = Shop::open_with(EdgeConfig::default(), Some(broker.clone())).await;
    let written = Arc::new(AtomicU64::new(0));
    let read = written.clone();
    shop.scripts.on(SELLER, move |request: GetSellerRequest| {
        let display_name = read.load(Ordering::SeqCst).to_string();
        Ok(Seller { id: request.id, version: 1, display_name, ..Seller::default() })
    });
    // The edge's queue may be younger than a first event: it is told of somebody else until it hears.
    until("the edge hears events", async || {
        tell(&broker, "usr_else").await;
        shop.http.get(shop.admin("/metrics")).send().await.unwrap().text().await.unwrap().lines().any(
            |line| {
                let count = line.strip_prefix("vitrina_edge_cache_invalidated_tags_total ");
                count.is_some_and(|count| count != "0")
            },
        )
    })
    .await;
    (shop, broker, written, dir)
}

async fn tell(broker: &Arc<dyn Broker>, seller: &str) {
    let changed = SellerChanged { id: seller.into(), ..SellerChanged::default() };
    let message = Message {
        id: uuid::Uuid::now_v7().to_string(),
        topic: "seller.changed".into(),
        key: seller.into(),
        payload: changed.encode_to_vec().into(),
        headers: vec![],
    };
    broker.publish(message).await.unwrap();
}

/// Where the operator sees that a path is kept.
async fn is_kept(shop: &Shop, path: &str) -> bool {
    let view: serde_json::Value =
        shop.http.get(shop.admin("/admin/cache")).send().await.unwrap().json().await.unwrap();
    view["top"].as_array().unwrap().iter().any(|entry| entry["path"] == path)
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_event_what_a_crowd_asks_for_is_made_again_and_what_nobody_asks_for_is_dropped() {
    let (shop, broker, written, _dir) = sellers().await;
    let (hot, cold) = ("/v1/sellers/usr_hot", "/v1/sellers/usr_cold");
    for _ in 0..40 {
        assert_eq!(shop.get(hot).await.status(), 200);
    }
    shop.get(cold).await;
    let calls = || shop.scripts.seen(SELLER).len();
    assert_eq!(calls(), 2);

    written.store(1, Ordering::SeqCst);
    tell(&broker, "usr_cold").await;
    tell(&broker, "usr_hot").await;
    until("it is made again before anybody asks", async || calls() == 3).await;
    until("it is kept", async || is_kept(&shop, hot).await).await;
    let again = shop.get(hot).await;
    assert!(status(&again).starts_with("vitrina; hit"), "{}", status(&again));
    assert_eq!(again.json::<serde_json::Value>().await.unwrap()["displayName"], "1");
    assert_eq!(calls(), 3, "nobody asked for the cold one");

    // Few have asked since: it is not hot any more.
    written.store(2, Ordering::SeqCst);
    tell(&broker, "usr_hot").await;
    until("it is dropped", async || !is_kept(&shop, hot).await).await;
    let later = shop.get(hot).await;
    assert!(status(&later).contains("fwd=uri-miss"), "{}", status(&later));
    assert_eq!(later.json::<serde_json::Value>().await.unwrap()["displayName"], "2");
    assert_eq!(calls(), 4);
    broker.close().await;
}

fn now_ms() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// A shop whose one offer ends so soon; gives when.
async fn with_an_offer(for_ms: u64) -> (Shop, u64) {
    let shop = pages::shop().await;
    let ends_ms = now_ms() + for_ms;
    shop.scripts.on(PRODUCTS, move |request: BatchGetProductsRequest| {
        let product = |id| {
            let is_over = now_ms() >= ends_ms;
            let ends_at = Some(Timestamp::from_unix_ms(ends_ms));
            let offer = Offer { price: money(80), starts_at: None, ends_at };
            Product {
                id,
                price: money(100),
                effective_price: money(if is_over { 100 } else { 80 }),
                offer: (!is_over).then_some(offer),
                ..Product::default()
            }
        };
        Ok(ProductList { items: request.ids.into_iter().map(product).collect(), next_cursor: None })
    });
    (shop, ends_ms)
}

async fn price(answer: reqwest::Response) -> Option<u64> {
    let page: serde_json::Value = answer.json().await.unwrap();
    let shown = ["/product/effectivePrice/minor", "/cards/0/effectivePrice/minor"];
    shown.iter().find_map(|at| page.pointer(at)?.as_u64())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_page_outlives_the_end_of_an_offer_that_it_shows() {
    for path in ["/v1/pages/publications/pub_1", "/v1/pages/search?q=radio"] {
        let (shop, ends_ms) = with_an_offer(2_500).await;
        let mut hits = 0;
        loop {
            let asked_ms = now_ms();
            let answer = shop.get(path).await;
            let (told, age) = (status(&answer), answer.headers()["age"].to_str().unwrap().to_owned());
            let lifetime = lifetime_s(answer.headers()["cache-control"].to_str().unwrap());
            hits += usize::from(told.starts_with("vitrina; hit"));
            // It shares the machine with other tests.
            tokio::time::sleep(Duration::from_millis(2)).await;
            let shown = price(answer).await;
            if asked_ms >= ends_ms {
                assert_eq!(shown, Some(100), "{path}: {told}");
                break;
            }
            // Nobody further on may use it past that either, not even stale.
            let until_ms = asked_ms + (lifetime - age.parse::<u64>().unwrap()) * 1_000;
            let is_kept_too_long = shown == Some(80) && until_ms > ends_ms + 1_000;
            assert!(!is_kept_too_long, "{path}: {lifetime} s of age {age}, {} ms left", ends_ms - asked_ms);
        }
        assert!(hits > 0, "it is kept until then");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_that_is_over_is_not_shown_while_its_service_is_down() {
    let path = "/v1/pages/publications/pub_1";
    let (shop, ends_ms) = with_an_offer(1_000).await;
    assert_eq!(price(shop.get(path).await).await, Some(80));
    shop.scripts
        .on(PRODUCTS, |_: BatchGetProductsRequest| Err::<ProductList, _>(Status::unavailable("down")));
    until("the offer is over", async || now_ms() >= ends_ms).await;
    let later = shop.get(path).await;
    assert_ne!(price(later).await, Some(80));
}

/// For how long an answer may be used by anybody, stale or fresh.
fn lifetime_s(control: &str) -> u64 {
    let seconds = |name: &str| -> u64 {
        let of = |part: &str| part.trim().strip_prefix(name)?.strip_prefix('=')?.parse().ok();
        control.split(',').find_map(of).unwrap_or(0)
    };
    seconds("max-age") + seconds("stale-while-revalidate").max(seconds("stale-if-error"))
}
