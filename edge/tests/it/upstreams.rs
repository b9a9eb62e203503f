//! Plain HTTP servers behind the edge: what passes, what does not, and what happens when they fail.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use vitrina_edge::{EdgeConfig, HttpUpstream};

use crate::origin::{Origin, answer, behind, upstream};
use crate::support::{LIMIT, Shop, check_problem, free, read_all};

/// An address at which nothing listens.
async fn dead() -> std::net::SocketAddr {
    TcpListener::bind(free()).await.unwrap().local_addr().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_method_passes_with_its_body() {
    let origin = Origin::start().await;
    origin.on(|seen| {
        let body = if seen.method == Method::HEAD { Bytes::new() } else { seen.body.clone() };
        answer(201, &[("x-method", seen.method.as_str())], body)
    });
    let shop = origin.behind_an_edge().await;
    for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let request = shop.http.request(method.clone(), shop.url("/old/a%20b?c=d&c=e")).body("some text");
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 201, "{method}");
        assert_eq!(answer.headers()["x-method"], method.as_str());
        let expected = if method == Method::HEAD { "" } else { "some text" };
        assert_eq!(answer.text().await.unwrap(), expected, "{method}");
    }
    assert!(origin.seen().iter().all(|seen| seen.target == "/old/a%20b?c=d&c=e"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_of_the_contract_wins_over_a_prefix() {
    let origin = Origin::start().await;
    let everything = HttpUpstream { path_prefix: "/".into(), ..origin.upstream() };
    let shop = behind(everything).await;
    assert_eq!(shop.get("/healthz").await.text().await.unwrap(), "{\"status\":\"ok\"}");
    check_problem(shop.get("/v1/me").await, 401, "unauthenticated").await;
    assert_eq!(shop.get("/v1/nothing").await.text().await.unwrap(), "plain");
    assert_eq!(shop.get("/").await.text().await.unwrap(), "plain");
    assert_eq!(origin.seen().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prefix_ends_at_a_slash_and_can_be_stripped() {
    let origin = Origin::start().await;
    let shop = behind(HttpUpstream { strip_prefix: true, ..origin.upstream() }).await;
    for path in ["/old", "/old/", "/old/a/b?q=1"] {
        assert_eq!(shop.get(path).await.status(), 200);
    }
    check_problem(shop.get("/older").await, 404, "not_found").await;
    let targets: Vec<String> = origin.seen().into_iter().map(|seen| seen.target).collect();
    assert_eq!(targets, ["/", "/", "/a/b?q=1"]);
    for path in ["/old/../secret", "/old/%2e%2E/secret", "/old/."] {
        let answer = shop.raw(&format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{path}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_is_told_of_the_client_and_never_by_it() {
    let origin = Origin::start().await;
    let shop = origin.behind_an_edge().await;
    let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let request = shop
        .http
        .get(shop.url("/old"))
        .header("host", "shop.example")
        .header("x-vitrina-user", "usr_1")
        .header("x-forwarded-for", "6.6.6.6")
        .header("connection", "x-private")
        .header("x-private", "1")
        .header("upgrade", "websocket")
        .header("cookie", "a=b")
        .header("x-request-id", "req-1")
        .header("traceparent", traceparent);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.headers()["x-request-id"], "req-1");
    assert!(answer.headers().contains_key("server-timing"));
    assert_eq!(answer.headers()["via"], "1.1 vitrina");
    let seen = &origin.seen()[0].headers;
    for (name, value) in [
        ("host", "shop.example"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-host", "shop.example"),
        ("x-forwarded-proto", "http"),
        ("x-request-id", "req-1"),
        ("cookie", "a=b"),
        ("via", "1.1 vitrina"),
    ] {
        assert_eq!(seen[name], value, "{name}");
    }
    for name in ["x-vitrina-user", "x-private", "upgrade", "te"] {
        assert!(!seen.contains_key(name), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ends_at_a_hop_does_not_come_back_either() {
    let origin = Origin::start().await;
    origin.on(|_| {
        let headers = [
            ("connection", "x-private"),
            ("x-private", "1"),
            ("keep-alive", "timeout=5"),
            ("x-vitrina-changed", "session:1"),
            ("set-cookie", "a=b"),
            ("set-cookie", "c=d"),
        ];
        answer(200, &headers, "x")
    });
    let shop = behind(HttpUpstream { host: Some("cms.internal".into()), ..origin.upstream() }).await;
    let answer = shop.get("/old").await;
    for name in ["x-private", "keep-alive", "x-vitrina-changed"] {
        assert!(!answer.headers().contains_key(name), "{name}");
    }
    assert_eq!(answer.headers().get_all("set-cookie").iter().count(), 2);
    assert_eq!(origin.seen()[0].headers["host"], "cms.internal");
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_are_taken_in_turn_and_a_dead_one_is_passed_over() {
    let (one, two) = (Origin::start().await, Origin::start().await);
    let shop = behind(upstream(&[one.address, dead().await, two.address])).await;
    for _ in 0..12 {
        assert_eq!(shop.get("/old").await.status(), 200);
    }
    assert!(one.seen().len() >= 3 && two.seen().len() >= 3, "{} {}", one.seen().len(), two.seen().len());
    let views: serde_json::Value =
        shop.http.get(shop.admin("/admin/upstreams")).send().await.unwrap().json().await.unwrap();
    let old = views.as_array().unwrap().iter().find(|view| view["name"] == "old").unwrap();
    assert_eq!(old["transport"], "http");
    assert_eq!(old["pathPrefix"], "/old");
    assert_eq!(old["addresses"].as_array().map(Vec::len), Some(3));
    assert_eq!(old["calls"], 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_fails_its_check_gets_nothing_until_it_is_well() {
    let origin = Origin::start().await;
    let is_well = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let asked = is_well.clone();
    origin.on(move |seen| {
        let is_check = seen.target == "/up";
        let fails = is_check && !asked.load(std::sync::atomic::Ordering::SeqCst);
        answer(if fails { 500 } else { 200 }, &[], "x")
    });
    let checked = HttpUpstream { health_path: Some("/up".into()), health_every_ms: 20, ..origin.upstream() };
    let shop = behind(checked).await;
    until(&shop, 503).await;
    let answer = shop.get("/old").await;
    assert!(answer.headers().contains_key("retry-after"));
    check_problem(answer, 503, "upstream_unavailable").await;
    is_well.store(true, std::sync::atomic::Ordering::SeqCst);
    until(&shop, 200).await;
}

async fn until(shop: &Shop, status: u16) {
    let asked = async {
        while shop.get("/old").await.status() != status {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(LIMIT, asked).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_upstream_is_told_as_a_problem() {
    let shop = behind(upstream(&[dead().await])).await;
    check_problem(shop.get("/old").await, 502, "upstream_failed").await;
    let silent = Origin::start().await;
    silent.on_later(|_| std::future::pending());
    let shop = behind(HttpUpstream { read_ms: 50, ..silent.upstream() }).await;
    check_problem(shop.get("/old").await, 504, "upstream_timeout").await;
    let broken = scripted(&["no HTTP at all\r\n\r\n"]).await;
    let shop = behind(upstream(&[broken])).await;
    check_problem(shop.get("/old").await, 502, "upstream_failed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_is_sent_once_and_a_get_again() {
    let broken = scripted(&["", "", "", ""]).await;
    let origin = Origin::start().await;
    let shop = behind(upstream(&[broken, origin.address])).await;
    let post = shop.http.post(shop.url("/old")).body("x").send().await.unwrap();
    check_problem(post, 502, "upstream_failed").await;
    assert!(origin.seen().is_empty());
    let shop = behind(upstream(&[broken, origin.address])).await;
    assert_eq!(shop.get("/old").await.status(), 200);
    assert_eq!(origin.seen().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_has_a_bound_told_or_not() {
    let origin = Origin::start().await;
    let shop = behind(HttpUpstream { body_bytes_max: 1_000, ..origin.upstream() }).await;
    let post = |body: reqwest::Body| shop.http.post(shop.url("/old")).body(body).send();
    assert_eq!(post(vec![b'x'; 1_000].into()).await.unwrap().status(), 200);
    let head = "POST /old HTTP/1.1\r\nHost: a\r\n";
    let told = shop.raw(&format!("{head}Content-Length: 1001\r\n\r\n")).await;
    assert!(told.starts_with("HTTP/1.1 413") && told.contains("body_too_large"), "{told}");
    let chunk = format!("200\r\n{}\r\n", "x".repeat(512));
    let untold = shop.raw(&format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunk}{chunk}0\r\n\r\n")).await;
    assert!(untold.starts_with("HTTP/1.1 413"), "{untold}");
    assert_eq!(origin.seen().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn large_bodies_pass_in_both_directions() {
    let origin = Origin::start().await;
    origin.on(|seen| answer(200, &[], seen.body.clone()));
    let shop = origin.behind_an_edge().await;
    let body: Vec<u8> = (0..3_000_000_u32).map(|byte| byte.to_le_bytes()[0]).collect();
    let answer = shop.http.put(shop.url("/old")).body(body.clone()).send().await.unwrap();
    assert!(answer.bytes().await.unwrap() == body);
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_handed_on_as_they_come() {
    let listener = TcpListener::bind(free()).await.unwrap();
    let shop = behind(upstream(&[listener.local_addr().unwrap()])).await;
    let mut client = TcpStream::connect(shop.edge.addr).await.unwrap();
    let head = "POST /old HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
    client.write_all(format!("{head}3\r\none\r\n").as_bytes()).await.unwrap();
    let (mut server, _) = listener.accept().await.unwrap();
    read_until(&mut server, "one").await;
    // The first half of the answer goes out before the second half of the request has come.
    server.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nuno\r\n").await.unwrap();
    read_until(&mut client, "uno").await;
    client.write_all(b"3\r\ntwo\r\n0\r\n\r\n").await.unwrap();
    read_until(&mut server, "two").await;
    server.write_all(b"3\r\ndos\r\n0\r\n\r\n").await.unwrap();
    let rest = read_all(&mut client).await;
    assert!(rest.contains("dos") && rest.ends_with("0\r\n\r\n"), "{rest}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_breaks_off_is_not_made_whole() {
    let broken = scripted(&["HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"]).await;
    let shop = behind(upstream(&[broken])).await;
    assert!(shop.get("/old").await.bytes().await.is_err());
    let broken = scripted(&["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"]).await;
    let shop = behind(upstream(&[broken])).await;
    assert!(shop.get("/old").await.bytes().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_http_1_0_gets_no_chunks() {
    let chunked =
        scripted(&["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ntext\r\n0\r\n\r\n"]).await;
    let shop = behind(upstream(&[chunked])).await;
    let answer = shop.raw("GET /old HTTP/1.0\r\n\r\n").await;
    assert!(answer.ends_with("\r\n\r\ntext"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_not_be_answered_by_the_target_is_not_handed_on() {
    let origin = Origin::start().await;
    let shop = origin.behind_an_edge().await;
    let trace = shop.http.request(Method::TRACE, shop.url("/old")).send().await.unwrap();
    check_problem(trace, 501, "method_not_implemented").await;
    assert!(origin.seen().is_empty());
}

/// RFC 9110, 7.6.2.
#[tokio::test(flavor = "multi_thread")]
async fn max_forwards_is_counted_down_and_ends_here_at_zero() {
    let origin = Origin::start().await;
    let shop = origin.behind_an_edge().await;
    for (method, sent, handed_on) in [
        (Method::OPTIONS, "2", Some("1")),
        (Method::OPTIONS, "1", Some("0")),
        (Method::OPTIONS, "0", None),
        (Method::OPTIONS, "many", Some("many")),
        (Method::GET, "0", Some("0")),
    ] {
        let before = origin.seen().len();
        let request = shop.http.request(method.clone(), shop.url("/old")).header("max-forwards", sent);
        let answer = request.send().await.unwrap();
        let seen = origin.seen().get(before).map(|seen| seen.headers["max-forwards"].clone());
        assert_eq!(seen.as_ref().map(|value| value.to_str().unwrap()), handed_on, "{method} {sent}");
        assert_eq!(answer.status(), if handed_on.is_some() { 200 } else { 204 }, "{method} {sent}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_has_a_rate_and_numbers_have_the_prefix() {
    let origin = Origin::start().await;
    let mut config = EdgeConfig {
        http: vec![HttpUpstream { rate_class: Some("auth".into()), ..origin.upstream() }],
        ..EdgeConfig::default()
    };
    config.rates.auth = vitrina_edge::Rate { per_s: 1, burst: 2 };
    let shop = Shop::open_of(&["users"], config, None).await;
    let answer = shop.get("/old/a").await;
    assert!(answer.headers()["ratelimit"].to_str().unwrap().starts_with("\"auth\";r=1"));
    shop.get("/old/b").await;
    let answer = shop.get("/old/c").await;
    assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
    let label = "route=\"/old\",method=\"GET\",status=\"200\"} 2";
    let counted = async {
        // The numbers of a request are written after its answer.
        while !shop
            .http
            .get(shop.admin("/metrics"))
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap()
            .contains(label)
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LIMIT, counted).await.unwrap();
}

/// A server that answers its connections with these bytes in turn, whatever is asked, and closes them.
async fn scripted(answers: &'static [&'static str]) -> std::net::SocketAddr {
    let listener = TcpListener::bind(free()).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for answer in answers {
            let Ok((mut stream, _)) = listener.accept().await else { return };
            let mut request = [0; 4_096];
            // An empty read is a client that is gone; the answer then goes nowhere.
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    address
}

/// Reads until a text has come.
async fn read_until(stream: &mut TcpStream, text: &str) {
    let mut read = Vec::new();
    let reading = async {
        while !String::from_utf8_lossy(&read).contains(text) {
            let mut part = [0; 1_024];
            let count = stream.read(&mut part).await.unwrap();
            assert!(count > 0, "it was closed before `{text}` came");
            read.extend_from_slice(&part[..count]);
        }
    };
    tokio::time::timeout(LIMIT, reading).await.unwrap();
}
