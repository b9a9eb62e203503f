//! HTTP/1.1 as bytes: framing that could be read in two ways, slow clients, HEAD, validators.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use vitrina_edge::EdgeConfig;

use crate::origin::Origin;
use crate::support::{LIMIT, Shop, read_all, token};

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_could_be_smuggled_is_refused_and_the_connection_closed() {
    let shop = Shop::open().await;
    let hidden = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
    for header in [
        "Content-Length: 36\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 0\r\nContent-Length: 36\r\n",
        "Content-Length: 36\r\nContent-Length: 36\r\n",
        "Content-Length: 36, 36\r\n",
        "Content-Length: +36\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding: identity, chunked\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "X-Folded: a\r\n b\r\nContent-Length: 0\r\n",
        "X-Bare: a\nContent-Length: 36\r\n",
        "Host: b\r\n",
    ] {
        let request = format!("POST /v1/auth/login HTTP/1.1\r\nHost: a\r\n{header}\r\n{hidden}");
        let answer = shop.raw(&request).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{header}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{header}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_names_no_host_or_two_is_refused_with_a_problem() {
    let origin = Origin::start().await;
    let shop = origin.behind_an_edge().await;
    // The second time it is in the store, and the short way looks at it first.
    for path in ["/.well-known/jwks.json", "/.well-known/jwks.json", "/healthz", "/old/a"] {
        for (hosts, code) in [
            ("", "bad_host"),
            ("Host:\r\n", "bad_host"),
            ("Host: a/b\r\n", "bad_host"),
            ("Host: a b\r\n", "bad_host"),
            ("Host: a:99999\r\n", "bad_host"),
            ("Host: a\r\nHost: a\r\n", "bad_request"),
            ("Host: a\r\nHost: b\r\n", "bad_request"),
            ("Host: a@b\r\n", "bad_request"),
        ] {
            let answer = shop.raw(&format!("GET {path} HTTP/1.1\r\n{hosts}\r\n")).await;
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            assert!(head.starts_with("HTTP/1.1 400"), "{path} {hosts}: {answer}");
            let head = head.to_ascii_lowercase();
            assert!(head.contains("content-type: application/problem+json"), "{path} {hosts}: {answer}");
            assert!(head.contains("x-content-type-options: nosniff"), "{path} {hosts}: {answer}");
            let problem: serde_json::Value = serde_json::from_str(body).unwrap();
            assert_eq!((&problem["code"], &problem["status"]), (&code.into(), &400.into()), "{path} {hosts}");
            assert_eq!(problem["traceId"].as_str().map(str::len), Some(32), "{problem}");
        }
        let answer =
            shop.raw(&format!("GET {path} HTTP/1.1\r\nHost: [::1]:80\r\nConnection: close\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
    }
    assert_eq!(origin.seen().len(), 1, "an upstream sees none of them");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_request_is_refused_with_a_problem() {
    let shop = Shop::open().await;
    for (request, status) in [
        ("GET / HTTP/9.9\r\nHost: a\r\n\r\n", 400),
        ("hello\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nno field\r\n\r\n", 400),
        ("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 405),
    ] {
        // As the first and as a later request of a connection.
        for is_first in [true, false] {
            let mut stream = TcpStream::connect(shop.edge.addr).await.unwrap();
            if !is_first {
                stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
                let mut answer = [0; 4096];
                let read = tokio::time::timeout(LIMIT, stream.read(&mut answer)).await.unwrap().unwrap();
                assert!(answer[..read].ends_with(b"{\"status\":\"ok\"}"));
            }
            stream.write_all(request.as_bytes()).await.unwrap();
            let answer = read_all(&mut stream).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {answer}");
            let (_, body) = answer.split_once("\r\n\r\n").unwrap();
            let problem: serde_json::Value = serde_json::from_str(body).unwrap();
            assert_eq!(problem["status"], status, "{request}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_request_without_ambiguity_is_served() {
    let shop = Shop::open().await;
    let answer = shop.raw("GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let answer = shop.raw("GET /healthz HTTP/1.0\r\n\r\n").await;
    assert!(answer.contains(" 200 "), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_comes_too_slowly_is_cut_off() {
    let mut config = EdgeConfig::default();
    config.limits.header_ms = 300;
    let shop = Shop::open_with(config, None).await;
    let mut stream = TcpStream::connect(shop.edge.addr).await.unwrap();
    let cut_off = async {
        // Each byte comes well within the time-out of a single read.
        for byte in b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-Slow: ".iter().chain(std::iter::repeat(&b'a')) {
            if stream.write_all(&[*byte]).await.is_err() {
                return;
            }
            let mut answer = [0; 64];
            match tokio::time::timeout(Duration::from_millis(20), stream.read(&mut answer)).await {
                Ok(Ok(0) | Err(_)) => return,
                Ok(Ok(_)) => panic!("a header without an end was answered"),
                Err(_) => {}
            }
        }
    };
    tokio::time::timeout(LIMIT, cut_off).await.expect("the connection is closed in time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_client_with_whole_headers_keeps_its_connection() {
    let mut config = EdgeConfig::default();
    config.limits.header_ms = 300;
    let shop = Shop::open_with(config, None).await;
    let mut stream = TcpStream::connect(shop.edge.addr).await.unwrap();
    for _ in 0..3 {
        // Idle for longer than a header may take: no byte of the next one has come.
        tokio::time::sleep(Duration::from_millis(400)).await;
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        let mut answer = [0; 4096];
        let read = tokio::time::timeout(LIMIT, stream.read(&mut answer)).await.unwrap().unwrap();
        assert!(String::from_utf8_lossy(&answer[..read]).starts_with("HTTP/1.1 200"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let mut config = EdgeConfig::default();
    config.limits.body_ms = 300;
    let shop = Shop::open_with(config, None).await;
    let answer = shop
        .raw("POST /v1/auth/login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{")
        .await;
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_asks_first_is_told_to_continue() {
    let shop = Shop::open().await;
    let mut stream = TcpStream::connect(shop.edge.addr).await.unwrap();
    let header = "POST /v1/auth/login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\
                  Expect: 100-continue\r\nConnection: close\r\n\r\n";
    stream.write_all(header.as_bytes()).await.unwrap();
    let mut first = [0; 25];
    tokio::time::timeout(LIMIT, stream.read_exact(&mut first)).await.unwrap().unwrap();
    assert_eq!(&first, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"{}").await.unwrap();
    let answer = read_all(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 400") || answer.starts_with("HTTP/1.1 501"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn head_is_get_without_the_body() {
    let shop = Shop::open().await;
    let get = shop.get("/openapi.json").await;
    let tag = get.headers()["etag"].clone();
    let length = get.bytes().await.unwrap().len();
    let raw = shop.raw("HEAD /openapi.json HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    let (header, body) = raw.split_once("\r\n\r\n").unwrap();
    assert!(body.is_empty(), "{body}");
    let header = header.to_ascii_lowercase();
    assert!(header.contains(&format!("content-length: {length}")), "{header}");
    assert!(header.contains(&format!("etag: {}", tag.to_str().unwrap().to_ascii_lowercase())), "{header}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_client_has_is_not_sent_again() {
    let shop = Shop::open().await;
    let token = token("ses_1", &[]);
    let first = shop.get_as("/v1/me", &token).await;
    let tag = first.headers()["etag"].to_str().unwrap().to_owned();
    let request = shop.http.get(shop.url("/v1/me")).bearer_auth(&token);
    let again = request.header("if-none-match", format!("\"x\", {tag}")).send().await.unwrap();
    assert_eq!(again.status(), 304);
    assert_eq!(again.headers()["etag"], tag.as_str());
    assert!(again.bytes().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_lets_a_running_request_end() {
    let shop = Shop::open().await;
    let faults = serde_json::json!({"users": {"delayMs": 500}});
    shop.http
        .put(shop.admin("/admin/faults"))
        .json(&faults)
        .send()
        .await
        .unwrap()
        .error_for_status()
        .unwrap();
    let request = shop.http.get(shop.url("/.well-known/jwks.json")).timeout(LIMIT);
    let running = tokio::spawn(request.send());
    let calls = "vitrina.users.v1.Users/GetKeys";
    let started = async {
        // The first call is the edge's own.
        while shop
            .http
            .get(shop.admin("/metrics"))
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap()
            .contains("requests_in_flight 0")
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LIMIT, started).await.unwrap();
    let address = shop.edge.addr;
    tokio::time::timeout(LIMIT, shop.edge.drain()).await.unwrap();
    assert_eq!(running.await.unwrap().unwrap().status(), 200);
    assert!(!shop.scripts.seen(calls).is_empty());
    assert!(TcpStream::connect(address).await.is_err());
}
