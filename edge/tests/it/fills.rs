//! Fetching for the cache of a plain HTTP upstream: one request for all who ask, and clients who do not stay.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use vitrina_edge::HttpUpstream;

use crate::origin::{Origin, answer, behind, upstream};
use crate::support::{LIMIT, Shop, free};

/// An upstream that answers once it is let to, with these headers.
async fn gated(headers: &'static [(&'static str, &'static str)]) -> (Origin, Arc<Semaphore>, Shop) {
    let origin = Origin::start().await;
    let gate = Arc::new(Semaphore::new(0));
    let held = gate.clone();
    origin.on_later(move |_| {
        let held = held.clone();
        async move {
            let _passed = held.acquire().await.unwrap();
            answer(200, headers, "one")
        }
    });
    let shop = behind(HttpUpstream { cache: true, ..origin.upstream() }).await;
    (origin, gate, shop)
}

/// Waits until the upstream was asked so often.
async fn asked(origin: &Origin, count: usize) {
    let asked = async {
        while origin.seen().len() < count {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(LIMIT, asked).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_ask_at_once_cost_one_request() {
    let (origin, gate, shop) = gated(&[("cache-control", "max-age=60")]).await;
    let asking = join_all((0..50).map(|_| shop.get("/old/a")));
    let opening = async {
        asked(&origin, 1).await;
        // They are all there before the first is answered.
        shop.reaches("vitrina_edge_requests_in_flight", 50).await;
        gate.add_permits(100);
    };
    let (answers, ()) = tokio::join!(asking, opening);
    let mut collapsed = 0;
    for answer in answers {
        let status = answer.headers()["cache-status"].to_str().unwrap().to_owned();
        collapsed += usize::from(status.contains("collapsed"));
        assert_eq!(answer.text().await.unwrap(), "one");
    }
    assert!(collapsed > 0);
    assert_eq!(origin.seen().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_client_may_hang_up() {
    let (origin, gate, shop) = gated(&[("cache-control", "max-age=60")]).await;
    let mut first = TcpStream::connect(shop.edge.addr).await.unwrap();
    first.write_all(b"GET /old/a HTTP/1.1\r\nHost: shop\r\n\r\n").await.unwrap();
    asked(&origin, 1).await;
    let others = join_all(
        (0..5).map(|_| shop.http.get(shop.url("/old/a")).header("host", "shop").timeout(LIMIT).send()),
    );
    let opening = async {
        drop(first);
        gate.add_permits(100);
    };
    let (answers, ()) = tokio::join!(others, opening);
    for answer in answers {
        assert_eq!(answer.unwrap().text().await.unwrap(), "one");
    }
    assert_eq!(origin.seen().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_stored_is_not_waited_for_again() {
    let (origin, gate, shop) = gated(&[("cache-control", "no-store")]).await;
    gate.add_permits(1);
    assert_eq!(shop.get("/old/a").await.status(), 200);
    gate.forget_permits(1);
    // All of these are at the upstream together, so none waits for another.
    let asking = join_all((0..5).map(|_| shop.get("/old/a")));
    let opening = async {
        asked(&origin, 6).await;
        gate.add_permits(100);
    };
    let (answers, ()) = tokio::join!(asking, opening);
    for answer in answers {
        assert_eq!(answer.headers()["cache-status"], "vitrina; fwd=bypass");
    }
}

/// RFC 9111, 3.3: what is not complete is not used to answer requests.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_broke_off_is_neither_whole_nor_stored() {
    let listener = TcpListener::bind(free()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let is_mended = Arc::new(AtomicBool::new(false));
    let mended = is_mended.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4_096];
            let _ = stream.read(&mut request).await;
            let body = if mended.load(Ordering::SeqCst) { "0123456789" } else { "0123" };
            let head = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 10\r\n\r\n";
            let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
        }
    });
    let shop = behind(HttpUpstream { cache: true, ..upstream(&[address]) }).await;
    let broken = async { shop.http.get(shop.url("/old/a")).send().await?.bytes().await };
    assert!(broken.await.is_err());
    is_mended.store(true, Ordering::SeqCst);
    assert_eq!(shop.get("/old/a").await.text().await.unwrap(), "0123456789");
    assert_eq!(shop.get("/old/a").await.text().await.unwrap(), "0123456789");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_client_that_does_not_read_holds_nobody_up() {
    let origin = Origin::start().await;
    let body = Bytes::from(vec![b'x'; 2_000_000]);
    let sent = body.clone();
    origin.on(move |_| answer(200, &[("cache-control", "max-age=60")], sent.clone()));
    let shop = behind(HttpUpstream { cache: true, ..origin.upstream() }).await;
    let mut first = TcpStream::connect(shop.edge.addr).await.unwrap();
    let head = format!("GET /old/a HTTP/1.1\r\nHost: {}\r\n\r\n", shop.edge.addr);
    first.write_all(head.as_bytes()).await.unwrap();
    asked(&origin, 1).await;
    assert!(shop.get("/old/a").await.bytes().await.unwrap() == body);
    assert_eq!(origin.seen().len(), 1);
    drop(first);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_upstream_may_put_into_its_answer_is_part_of_the_key() {
    let origin = Origin::start().await;
    origin.on(|seen| {
        let host = seen.headers["x-forwarded-host"].to_str().unwrap().to_owned();
        let asked = String::from_utf8_lossy(&seen.body).into_owned();
        answer(200, &[("cache-control", "max-age=60")], host + &asked)
    });
    let fixed = HttpUpstream { host: Some("cms.internal".into()), cache: true, ..origin.upstream() };
    let shop = behind(fixed).await;
    for host in ["shop.example", "evil.example"] {
        let request = shop.http.get(shop.url("/old/a")).header("host", host).timeout(LIMIT);
        assert_eq!(request.send().await.unwrap().text().await.unwrap(), host);
    }
    let query = shop.http.get(shop.url("/old/a")).header("host", "shop.example").body("?").timeout(LIMIT);
    assert_eq!(query.send().await.unwrap().text().await.unwrap(), "shop.example?");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_address_costs_a_fill_nothing() {
    let origin = Origin::start().await;
    origin.on(|_| answer(200, &[("cache-control", "max-age=60")], "one"));
    let dead = TcpListener::bind(free()).await.unwrap().local_addr().unwrap();
    let shop = behind(HttpUpstream { cache: true, ..upstream(&[dead, origin.address]) }).await;
    for path in ["/old/a", "/old/b", "/old/a"] {
        assert_eq!(shop.get(path).await.text().await.unwrap(), "one");
    }
    assert_eq!(origin.seen().len(), 2);
}
