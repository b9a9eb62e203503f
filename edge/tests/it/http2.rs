//! HTTP/2 as its clients see it, and what a client cannot do with it.

use bytes::Bytes;
use h2::client::SendRequest;
use http::{HeaderMap, Method, Request};
use tokio::net::TcpStream;
use vitrina_edge::{EdgeConfig, Http2};

use crate::support::{LIMIT, Shop, token};

/// An edge that takes HTTP/2 without TLS.
async fn open(http2: Http2) -> Shop {
    let http2 = Http2 { cleartext: true, ..http2 };
    Shop::open_with(EdgeConfig { http2, ..EdgeConfig::default() }, None).await
}

async fn connect(shop: &Shop) -> SendRequest<Bytes> {
    let stream = TcpStream::connect(shop.edge.addr).await.unwrap();
    let (requests, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    requests
}

fn request(shop: &Shop, method: Method, path: &str) -> http::request::Builder {
    Request::builder().method(method).uri(shop.url(path))
}

/// Status, headers and body of an answer.
async fn send(requests: &SendRequest<Bytes>, request: Request<()>, body: &str) -> (u16, HeaderMap, Bytes) {
    let mut ready = requests.clone().ready().await.unwrap();
    let (answer, mut stream) = ready.send_request(request, body.is_empty()).unwrap();
    if !body.is_empty() {
        stream.send_data(Bytes::copy_from_slice(body.as_bytes()), true).unwrap();
    }
    let (parts, mut body) = tokio::time::timeout(LIMIT, answer).await.unwrap().unwrap().into_parts();
    let mut whole = Vec::new();
    while let Some(chunk) = body.data().await {
        let chunk = chunk.unwrap();
        body.flow_control().release_capacity(chunk.len()).unwrap();
        whole.extend_from_slice(&chunk);
    }
    (parts.status.as_u16(), parts.headers, whole.into())
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_share_a_connection() {
    let shop = open(Http2::default()).await;
    let requests = connect(&shop).await;
    let me = || {
        let token = format!("Bearer {}", token("ses_1", &[]));
        request(&shop, Method::GET, "/v1/me").header("authorization", token).body(()).unwrap()
    };
    let answers = futures::future::join_all((0..20).map(|_| send(&requests, me(), ""))).await;
    for (status, headers, body) in answers {
        assert_eq!(status, 200);
        assert!(!headers.contains_key("connection") && !headers.contains_key("transfer-encoding"));
        assert_eq!(headers["content-length"], body.len().to_string().as_str());
    }
    let (status, _, document) =
        send(&requests, request(&shop, Method::GET, "/openapi.json").body(()).unwrap(), "").await;
    assert!(status == 200 && document.len() > 65_535, "longer than the first window: {}", document.len());
    let numbers = shop.http.get(shop.admin("/metrics")).send().await.unwrap().text().await.unwrap();
    assert!(numbers.contains("vitrina_edge_connections{protocol=\"http/2\",tls=\"false\"} 1"), "{numbers}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_port_takes_both_protocols() {
    let shop = open(Http2::default()).await;
    assert_eq!(shop.get("/healthz").await.status(), 200);
    let short = shop.raw("GET /healthz HTTP/1.0\r\n\r\n").await;
    assert!(short.contains(" 200 "), "{short}");
    let plain = Shop::open().await;
    let answer = plain.raw("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    assert!(!answer.contains(" 200 "), "HTTP/2 without TLS is off unless it is asked for: {answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_read_and_a_wrong_one_refused() {
    let shop = open(Http2::default()).await;
    let requests = connect(&shop).await;
    let login = || {
        request(&shop, Method::POST, "/v1/auth/login")
            .header("content-type", "application/json")
            .body(())
            .unwrap()
    };
    let (status, _, problem) = send(&requests, login(), "{\"login\": 5}").await;
    let problem: serde_json::Value = serde_json::from_slice(&problem).unwrap();
    assert_eq!((status, problem["status"].as_u64()), (400, Some(400)), "{problem}");
    let (status, _, _) = send(&requests, login(), "{\"login\":\"ana\",\"password\":\"x\"}").await;
    assert_eq!(status, 501, "there is no script for this rpc");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_resets_ends_its_connection_and_no_other() {
    let shop = open(Http2 { resets_max: 10, ..Http2::default() }).await;
    shop.scripts.hang("vitrina.users.v1.Users/GetMe");
    let good = connect(&shop).await;
    let flood = connect(&shop).await;
    let bearer = format!("Bearer {}", token("ses_1", &[]));
    let ended = async {
        loop {
            let Ok(mut ready) = flood.clone().ready().await else {
                return;
            };
            let me = request(&shop, Method::GET, "/v1/me").header("authorization", &bearer).body(()).unwrap();
            let Ok((answer, mut stream)) = ready.send_request(me, true) else {
                return;
            };
            stream.send_reset(h2::Reason::CANCEL);
            drop(answer);
        }
    };
    tokio::time::timeout(LIMIT, ended).await.expect("the connection is closed");
    let (status, _, _) = send(&good, request(&shop, Method::GET, "/healthz").body(()).unwrap(), "").await;
    assert_eq!(status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_answers_what_runs_and_says_goodbye() {
    let shop = open(Http2::default()).await;
    let faults = serde_json::json!({"users": {"delayMs": 300}});
    shop.http.put(shop.admin("/admin/faults")).json(&faults).send().await.unwrap();
    let requests = connect(&shop).await;
    let keys = request(&shop, Method::GET, "/.well-known/jwks.json").body(()).unwrap();
    let mut ready = requests.clone().ready().await.unwrap();
    let (answer, _) = ready.send_request(keys, true).unwrap();
    while shop
        .http
        .get(shop.admin("/metrics"))
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap()
        .contains("in_flight 0")
    {
        tokio::task::yield_now().await;
    }
    let drained = tokio::spawn(shop.edge.drain());
    assert_eq!(tokio::time::timeout(LIMIT, answer).await.unwrap().unwrap().status(), 200);
    let refused = async {
        while let Ok(mut ready) = requests.clone().ready().await {
            let request = Request::builder().uri("http://a/healthz").body(()).unwrap();
            let Ok((answer, _)) = ready.send_request(request, true) else {
                return;
            };
            if answer.await.is_err() {
                return;
            }
        }
    };
    tokio::time::timeout(LIMIT, refused).await.expect("GOAWAY ends the connection");
    tokio::time::timeout(LIMIT, drained).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_takes_nothing_is_given_up() {
    let mut config = EdgeConfig::default();
    config.http2.cleartext = true;
    config.limits.write_ms = 200;
    let shop = Shop::open_with(config, None).await;
    let stream = TcpStream::connect(shop.edge.addr).await.unwrap();
    let mut builder = h2::client::Builder::new();
    let (requests, connection) = builder.initial_window_size(0).handshake::<_, Bytes>(stream).await.unwrap();
    tokio::spawn(connection);
    let mut ready = requests.ready().await.unwrap();
    let (answer, _) =
        ready.send_request(request(&shop, Method::GET, "/openapi.json").body(()).unwrap(), true).unwrap();
    let mut body = tokio::time::timeout(LIMIT, answer).await.unwrap().unwrap().into_body();
    let given_up = tokio::time::timeout(LIMIT, body.data()).await.expect("the stream ends");
    assert!(given_up.is_some_and(|chunk| chunk.is_err()), "the stream is reset");
}
