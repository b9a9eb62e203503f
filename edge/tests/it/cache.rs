//! What is kept: one fill for a crowd, conditions, codings, directives, failures, the operator's purge.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tonic::Status;
use vitrina_proto::publications::v1::{SearchItem, SearchReply, SearchRequest};
use vitrina_proto::users::v1::{GetSellerRequest, Seller};

use crate::support::Shop;

const SELLER: &str = "vitrina.users.v1.Users/GetSeller";
const SEARCH: &str = "vitrina.publications.v1.Publications/Search";
const PATH: &str = "/v1/sellers/usr_ana";

fn seller(name: &str) -> Seller {
    Seller { id: "usr_ana".into(), version: 1, display_name: name.into(), ..Seller::default() }
}

/// A shop with one seller whose name is long enough to be worth coding.
async fn shop() -> Shop {
    let shop = Shop::open().await;
    shop.scripts.on(SELLER, |_: GetSellerRequest| Ok(seller(&"Ana's radios. ".repeat(60))));
    shop
}

fn status(answer: &reqwest::Response) -> &str {
    answer.headers()["cache-status"].to_str().unwrap()
}

async fn purge(shop: &Shop, what: Value) -> u16 {
    let answer = shop.http.post(shop.admin("/admin/cache/purge")).json(&what).send().await.unwrap();
    answer.status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_on_a_cold_page_is_served_by_one_fill() {
    const CROWD: usize = 100;
    let shop = Arc::new(Shop::open().await);
    shop.scripts.on_slow(SELLER, Duration::from_millis(50), |_: GetSellerRequest| Ok(seller("Ana")));
    let mut crowd = JoinSet::new();
    for _ in 0..CROWD {
        let shop = shop.clone();
        crowd.spawn(async move { shop.get(PATH).await.status().as_u16() });
    }
    let mut told = crowd.join_all().await;
    told.dedup();
    assert_eq!(told, [200]);
    assert_eq!(shop.scripts.seen(SELLER).len(), 1);
}

#[tokio::test]
async fn a_client_that_hangs_up_does_not_take_the_fill_with_it() {
    let shop = Arc::new(Shop::open().await);
    let gate = Arc::new(Semaphore::new(0));
    shop.scripts.on_gated(SELLER, &gate, |_: GetSellerRequest| Ok(seller("Ana")));
    let mut first = TcpStream::connect(shop.edge.addr).await.unwrap();
    first.write_all(format!("GET {PATH} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await.unwrap();
    shop.reaches("vitrina_edge_cache_fills_total", 1).await;
    let waiting = tokio::spawn({
        let shop = shop.clone();
        async move { shop.get(PATH).await.status().as_u16() }
    });
    shop.reaches("vitrina_edge_cache_collapsed_total", 1).await;
    drop(first);
    gate.add_permits(1);
    assert_eq!(waiting.await.unwrap(), 200);
    assert_eq!(shop.scripts.seen(SELLER).len(), 1);
}

#[tokio::test]
async fn the_second_answer_comes_from_the_store_and_says_so() {
    let shop = shop().await;
    let first = shop.get(PATH).await;
    assert_eq!(status(&first), "vitrina; fwd=uri-miss; fwd-status=200; ttl=60; stored");
    let second = shop.get(&format!("{PATH}?utm_source=mail")).await;
    assert!(status(&second).starts_with("vitrina; hit; ttl="), "{}", status(&second));
    for name in ["etag", "cache-control", "vary", "content-type"] {
        assert_eq!(first.headers()[name], second.headers()[name], "{name}");
    }
    assert!(second.headers()["age"].to_str().unwrap().parse::<u64>().unwrap() < 60);
    assert_eq!(first.bytes().await.unwrap(), second.bytes().await.unwrap());
    assert_eq!(shop.scripts.seen(SELLER).len(), 1);
}

#[tokio::test]
async fn a_hit_has_the_same_fields_by_the_short_and_the_long_way() {
    let shop = shop().await;
    shop.get(PATH).await;
    let short = shop.get(PATH).await;
    // A directive takes the long way.
    let request = shop.http.get(shop.url(PATH)).header("cache-control", "max-age=50");
    let long = request.send().await.unwrap();
    let names = |answer: &reqwest::Response| {
        let mut names: Vec<String> = answer.headers().keys().map(ToString::to_string).collect();
        names.retain(|name| name != "accept-ranges" && name != "traceresponse");
        names.sort_unstable();
        names
    };
    assert!(status(&short).contains("; hit;") && status(&long).contains("; hit;"));
    assert_eq!(names(&short), names(&long));
    let head = shop.http.head(shop.url(PATH)).send().await.unwrap();
    assert_eq!(head.headers()["content-length"], short.headers()["content-length"]);
}

#[tokio::test]
async fn requests_that_are_sent_at_once_are_answered_in_order() {
    let shop = shop().await;
    shop.get(PATH).await;
    let one = format!("GET {PATH} HTTP/1.1\r\nHost: x\r\n\r\n");
    let last = format!("GET {PATH} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let answers = shop.raw(&format!("{one}{one}{last}")).await;
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 3, "{answers}");
}

#[tokio::test]
async fn who_has_the_bytes_already_is_told_so() {
    let shop = shop().await;
    let tag = shop.get(PATH).await.headers()["etag"].clone();
    let answer = shop.http.get(shop.url(PATH)).header("if-none-match", &tag).send().await.unwrap();
    assert_eq!(answer.status(), 304);
    assert_eq!(answer.headers()["etag"], tag);
    let other = shop.http.get(shop.url(PATH)).header("if-none-match", "\"x\"").send().await.unwrap();
    assert_eq!(other.status(), 200);
}

#[tokio::test]
async fn a_body_is_sent_in_the_coding_that_the_client_likes() {
    let shop = shop().await;
    let plain = shop.get(PATH).await;
    let (tag, length) = (plain.headers()["etag"].clone(), plain.bytes().await.unwrap().len());
    for (accepted, coding) in [("gzip, br", "br"), ("gzip;q=1, br;q=0.1", "gzip"), ("zstd", "zstd")] {
        let request = shop.http.get(shop.url(PATH)).header("accept-encoding", accepted);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.headers()["content-encoding"], coding);
        assert_eq!(answer.headers()["vary"], "accept-encoding");
        assert_ne!(answer.headers()["etag"], tag, "another representation has another tag");
        assert!(answer.bytes().await.unwrap().len() * 4 < length);
    }
}

#[tokio::test]
async fn a_part_of_a_stored_answer_can_be_had() {
    let shop = shop().await;
    let whole = shop.get(PATH).await.bytes().await.unwrap();
    let answer = shop.http.get(shop.url(PATH)).header("range", "bytes=2-5").send().await.unwrap();
    assert_eq!(answer.status(), 206);
    assert_eq!(answer.headers()["content-range"], format!("bytes 2-5/{}", whole.len()));
    assert_eq!(answer.bytes().await.unwrap(), whole[2..=5]);
    let beyond = shop.http.get(shop.url(PATH)).header("range", "bytes=99999-").send().await.unwrap();
    assert_eq!(beyond.status(), 416);
}

#[tokio::test]
async fn a_request_may_refuse_what_is_stored() {
    let shop = shop().await;
    let only = shop.http.get(shop.url(PATH)).header("cache-control", "only-if-cached").send().await.unwrap();
    assert_eq!(only.status(), 504);
    shop.get(PATH).await;
    let anew = shop.http.get(shop.url(PATH)).header("cache-control", "no-cache").send().await.unwrap();
    assert!(status(&anew).contains("fwd=request"), "{}", status(&anew));
    assert_eq!(shop.scripts.seen(SELLER).len(), 2);
}

#[tokio::test]
async fn a_page_that_lacks_a_part_is_not_kept() {
    let shop = Shop::open().await;
    let item = SearchItem { id: "pub_1".into(), product_id: "prd_1".into(), ..SearchItem::default() };
    let found = move |_: SearchRequest| {
        Ok(SearchReply { items: vec![item.clone()], total: 1, ..SearchReply::default() })
    };
    shop.scripts.on(SEARCH, found);
    let page = "/v1/pages/search?q=a";
    let partial: Value = shop.get(page).await.json().await.unwrap();
    assert_eq!(partial["degraded"][0], "product");
    let products = "vitrina.products.v1.Products/BatchGetProducts";
    shop.scripts.on(products, |_: vitrina_proto::products::v1::BatchGetProductsRequest| {
        Ok(vitrina_proto::products::v1::ProductList::default())
    });
    let sellers = "vitrina.users.v1.Users/BatchGetSellers";
    shop.scripts.on(sellers, |_: vitrina_proto::users::v1::BatchGetSellersRequest| {
        Ok(vitrina_proto::users::v1::SellerList::default())
    });
    let whole: Value = shop.get(page).await.json().await.unwrap();
    assert_eq!(whole.get("degraded"), None);
    assert_eq!(shop.scripts.seen(SEARCH).len(), 1, "the part that was there is kept");
}

#[tokio::test]
async fn what_is_stored_stands_in_for_a_service_that_is_down() {
    let shop = shop().await;
    shop.get(PATH).await;
    let calls = AtomicUsize::new(0);
    shop.scripts.on(SELLER, move |_: GetSellerRequest| {
        calls.fetch_add(1, Ordering::Relaxed);
        Err::<Seller, _>(Status::unavailable("down"))
    });
    let answer = shop.http.get(shop.url(PATH)).header("cache-control", "no-cache").send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(status(&answer).contains("fwd-status=503"), "{}", status(&answer));
    assert!(status(&answer).ends_with("detail=stale-if-error"), "{}", status(&answer));
    assert_eq!(shop.get("/v1/sellers/usr_ben").await.status(), 503);
}

#[tokio::test]
async fn the_operator_can_look_at_the_cache_and_purge_it() {
    let shop = shop().await;
    for what in [json!({"tag": "seller:usr_ana"}), json!({"prefix": "/v1/sellers/"}), json!({"all": true})] {
        shop.get(PATH).await;
        assert!(status(&shop.get(PATH).await).contains("hit"));
        assert_eq!(purge(&shop, what.clone()).await, 200, "{what}");
        assert!(status(&shop.get(PATH).await).contains("fwd="), "{what}");
    }
    assert_eq!(purge(&shop, json!({})).await, 400);
    assert_eq!(purge(&shop, json!({"all": true, "tag": "x"})).await, 400);
    let view: Value = shop.http.get(shop.admin("/admin/cache")).send().await.unwrap().json().await.unwrap();
    assert_eq!(view["top"][0]["path"], PATH);
    assert!(view["bytes"].as_u64().unwrap() > 0 && view["hitRatio"].as_f64().unwrap() > 0.0, "{view}");
}
