//! What a write outdates is not served once the write is answered: here, and soon at every other edge.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderMap, HeaderName, HeaderValue};
use prost::Message as _;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use vitrina_broker::Message;
use vitrina_edge::{Edge, EdgeConfig, Upstreams};
use vitrina_proto::events::v1::SellerChanged;
use vitrina_proto::users::v1::{GetSellerRequest, Seller, UpdateSellerRequest};

use crate::support::{LIMIT, Shop, free, token};

const SELLER: &str = "vitrina.users.v1.Users/GetSeller";
const UPDATE: &str = "vitrina.users.v1.Users/UpdateSeller";
const PATH: &str = "/v1/sellers/usr_ana";

fn seller(version: u64) -> Seller {
    Seller { id: "usr_ana".into(), version: 1, display_name: version.to_string(), ..Seller::default() }
}

fn changed() -> HeaderMap {
    let name = HeaderName::from_static("x-vitrina-changed");
    HeaderMap::from_iter([(name, HeaderValue::from_static("seller:usr_ana"))])
}

/// A shop whose seller's name counts the writes.
fn script(shop: &Shop, written: &Arc<AtomicU64>) {
    let read = written.clone();
    shop.scripts.on(SELLER, move |_: GetSellerRequest| Ok(seller(read.load(Ordering::SeqCst))));
    let written = written.clone();
    shop.scripts.on_with(UPDATE, move |_: UpdateSellerRequest, _| {
        Ok((seller(written.fetch_add(1, Ordering::SeqCst) + 1), changed()))
    });
}

async fn shown(http: &reqwest::Client, url: &str) -> u64 {
    let answer: serde_json::Value = http.get(url).timeout(LIMIT).send().await.unwrap().json().await.unwrap();
    answer["displayName"].as_str().unwrap().parse().unwrap()
}

async fn write(shop: &Shop) -> u64 {
    let request = shop.http.patch(shop.url("/v1/me/seller")).bearer_auth(token("s1", &["seller"]));
    let answer = request.json(&serde_json::json!({"displayName": "x"})).timeout(LIMIT).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let answer: serde_json::Value = answer.json().await.unwrap();
    answer["displayName"].as_str().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_reads_its_own_write_under_load() {
    const WRITES: usize = 300;
    let shop = Arc::new(Shop::open().await);
    let written = Arc::new(AtomicU64::new(0));
    script(&shop, &written);
    let mut readers = JoinSet::new();
    for _ in 0..8 {
        let shop = shop.clone();
        readers.spawn(async move {
            let mut last = 0;
            loop {
                let seen = shown(&shop.http, &shop.url(PATH)).await;
                assert!(seen >= last, "a reader went back in time: {seen} after {last}");
                last = seen;
            }
        });
    }
    for _ in 0..WRITES {
        let answered = write(&shop).await;
        let seen = shown(&shop.http, &shop.url(PATH)).await;
        assert!(seen >= answered, "stale: {seen} after {answered}");
    }
    assert!(readers.try_join_next().is_none(), "no reader has stopped");
    readers.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fill_that_raced_with_a_write_is_not_served() {
    let shop = Arc::new(Shop::open().await);
    let written = Arc::new(AtomicU64::new(0));
    script(&shop, &written);
    let gate = Arc::new(Semaphore::new(0));
    let read = written.clone();
    shop.scripts.on_gated(SELLER, &gate, move |_: GetSellerRequest| Ok(seller(read.load(Ordering::SeqCst))));
    let early = tokio::spawn({
        let shop = shop.clone();
        async move { shown(&shop.http, &shop.url(PATH)).await }
    });
    let asked = async {
        while shop.scripts.seen(SELLER).is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LIMIT, asked).await.unwrap();
    assert_eq!(write(&shop).await, 1);
    // The late one joins the fill that read before the write; what comes of it is not for it.
    let late = tokio::spawn({
        let shop = shop.clone();
        async move { shown(&shop.http, &shop.url(PATH)).await }
    });
    gate.add_permits(10);
    assert_eq!(early.await.unwrap(), 0, "it asked before the write");
    assert_eq!(late.await.unwrap(), 1);
    assert_eq!(shown(&shop.http, &shop.url(PATH)).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_edge_hears_of_a_change() {
    let dir = tempfile::tempdir().unwrap();
    let store = vitrina_storage::Store::open(dir.path(), vitrina_storage::Options::default()).unwrap();
    let broker = vitrina_broker::embedded(store);
    let shop = Shop::open_with(EdgeConfig::default(), Some(broker.clone())).await;
    let written = Arc::new(AtomicU64::new(0));
    script(&shop, &written);
    let config = EdgeConfig { listen: free(), admin_listen: free(), ..EdgeConfig::default() };
    let upstreams = Upstreams::new().in_process("users", shop.scripts.clone());
    let other = Edge::start(config, upstreams, Some(broker.clone())).await.unwrap();
    let url = format!("http://{}{PATH}", other.addr);
    assert_eq!(shown(&shop.http, &url).await, 0);
    let answered = write(&shop).await;
    let payload = SellerChanged { id: "usr_ana".into(), ..SellerChanged::default() }.encode_to_vec();
    // The queue of the other edge may be younger than a first event: it is told until it hears.
    let heard = async {
        loop {
            let message = Message {
                id: uuid::Uuid::now_v7().to_string(),
                topic: "seller.changed".into(),
                key: "usr_ana".into(),
                payload: payload.clone().into(),
                headers: vec![],
            };
            broker.publish(message).await.unwrap();
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            if shown(&shop.http, &url).await == answered {
                return;
            }
        }
    };
    tokio::time::timeout(LIMIT, heard).await.expect("the other edge hears in time");
    broker.close().await;
}
