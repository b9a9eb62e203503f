//! The operator's listener, and services that come and go.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use vitrina_broker::{Message, Queue, QueueKind};
use vitrina_edge::{Edge, EdgeConfig, Upstreams};
use vitrina_proto::users::v1::{IssueTokenRequest, SessionReply};

use crate::support::{LIMIT, Scripts, Shop, check_problem, free, key_set, token};

#[tokio::test(flavor = "multi_thread")]
async fn ready_is_only_an_edge_whose_services_answer() {
    let shop = Shop::open().await;
    assert_eq!(shop.get("/healthz").await.status(), 200);
    assert_eq!(shop.get("/readyz").await.status(), 200);
    let faults = serde_json::json!({"products": {"down": true}});
    shop.http
        .put(shop.admin("/admin/faults"))
        .json(&faults)
        .send()
        .await
        .unwrap()
        .error_for_status()
        .unwrap();
    for url in [shop.url("/readyz"), shop.admin("/readyz")] {
        let answer = shop.http.get(url).send().await.unwrap();
        assert_eq!(answer.status(), 503);
        let body: serde_json::Value = answer.json().await.unwrap();
        assert_eq!(body["services"][0], serde_json::json!({"name": "products", "ready": false}));
    }
    check_problem(shop.get_as("/v1/products", &token("ses_1", &["seller"])).await, 503, "unavailable").await;
    shop.http.put(shop.admin("/admin/faults")).json(&serde_json::json!({})).send().await.unwrap();
    assert_eq!(shop.get("/readyz").await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_are_kept_by_route_and_rpc() {
    let shop = Shop::open().await;
    shop.get_as("/v1/me", &token("ses_1", &[])).await;
    shop.get("/v1/me").await;
    shop.get("/v1/anything-at-all").await;
    let counted = async {
        // The numbers of a request are written after its answer.
        loop {
            let text = shop.http.get(shop.admin("/metrics")).send().await.unwrap().text().await.unwrap();
            if text.contains("route=\"(none)\"") {
                return text;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let text = tokio::time::timeout(LIMIT, counted).await.unwrap();
    let count = "vitrina_edge_request_duration_seconds_count";
    assert!(text.contains(&format!("{count}{{route=\"/v1/me\",method=\"GET\",status=\"200\"}} 1")), "{text}");
    assert!(text.contains(&format!("{count}{{route=\"/v1/me\",method=\"GET\",status=\"401\"}} 1")));
    assert!(text.contains("rpc=\"vitrina.users.v1.Users/GetMe\",code=\"OK\"} 1"));
    let views: serde_json::Value =
        shop.http.get(shop.admin("/admin/upstreams")).send().await.unwrap().json().await.unwrap();
    assert_eq!(views[2]["name"], "users");
    assert_eq!(views[2]["transport"], "in-process");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_issued_to_the_operator_only() {
    let config = EdgeConfig { admin_token: Some("s3cret".into()), ..EdgeConfig::default() };
    let shop = Shop::open_with(config, None).await;
    shop.scripts.on("vitrina.users.v1.Users/IssueToken", |request: IssueTokenRequest| {
        assert_eq!(request.login, "ana");
        Ok(SessionReply { access_token: "t".into(), ..SessionReply::default() })
    });
    let post = |token: &'static str| {
        let request = shop.http.post(shop.admin("/admin/tokens")).bearer_auth(token);
        request.json(&serde_json::json!({"login": "ana"})).send()
    };
    check_problem(post("guess").await.unwrap(), 401, "unauthenticated").await;
    let answer = post("s3cret").await.unwrap();
    assert_eq!(answer.status(), 201);
    let reply: serde_json::Value = answer.json().await.unwrap();
    assert_eq!(reply["accessToken"], "t");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_fault_changes_nothing() {
    let shop = Shop::open().await;
    for wrong in
        [serde_json::json!({"billing": {"down": true}}), serde_json::json!({"users": {"errorRate": 2}})]
    {
        let answer = shop.http.put(shop.admin("/admin/faults")).json(&wrong).send().await.unwrap();
        assert_eq!(answer.status(), 400);
    }
    let now: serde_json::Value =
        shop.http.get(shop.admin("/admin/faults")).send().await.unwrap().json().await.unwrap();
    assert_eq!(now, serde_json::json!({}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_over_tcp_may_come_late_and_come_back() {
    let scripts = Scripts::default();
    scripts.on("vitrina.users.v1.Users/GetKeys", |_: vitrina_proto::users::v1::GetKeysRequest| {
        Ok(key_set(&[1]))
    });
    let address = {
        let listener = std::net::TcpListener::bind(free()).unwrap();
        listener.local_addr().unwrap()
    };
    let config = EdgeConfig { listen: free(), admin_listen: free(), ..EdgeConfig::default() };
    let upstreams = Upstreams::new().tcp("users", vec![address.to_string()]);
    let edge = Edge::start(config, upstreams, None).await.unwrap();
    let url = format!("http://{}/.well-known/jwks.json", edge.addr);
    let http = vitrina_outgoing::client().build().unwrap();
    let answer = http.get(&url).send().await.unwrap();
    check_problem(answer, 503, "unavailable").await;
    for _ in 0..2 {
        let stop = CancellationToken::new();
        let server = tokio::spawn(serve(address, scripts.clone(), stop.clone()));
        let served = async {
            while http.get(&url).send().await.unwrap().status() != 200 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(LIMIT, served).await.unwrap();
        stop.cancel();
        server.abort();
        let _ = server.await;
    }
    edge.drain().await;
}

async fn serve(address: std::net::SocketAddr, scripts: Scripts, stop: CancellationToken) {
    let served = tonic::transport::Server::builder()
        .add_service(Users(scripts))
        .serve_with_shutdown(address, stop.cancelled_owned());
    served.await.unwrap();
}

/// The scripts under the name by which tonic routes to them.
#[derive(Clone)]
struct Users(Scripts);

impl tonic::server::NamedService for Users {
    const NAME: &'static str = "vitrina.users.v1.Users";
}

impl tower::Service<http::Request<tonic::body::Body>> for Users {
    type Response = http::Response<tonic::body::Body>;
    type Error = std::convert::Infallible;
    type Future = <Scripts as tower::Service<http::Request<tonic::body::Body>>>::Future;

    fn poll_ready(&mut self, cx: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
        self.0.call(request)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_gets_traces_with_the_numbers_when_it_can_take_them() {
    let shop = Shop::open().await;
    let problem = check_problem(shop.get("/v1/me").await, 401, "unauthenticated").await;
    let trace_id = problem["traceId"].as_str().unwrap();
    let ask = async |accept: &str| {
        let answer = shop.http.get(shop.admin("/metrics")).header("accept", accept).send().await.unwrap();
        (answer.headers()["content-type"].to_str().unwrap().to_owned(), answer.text().await.unwrap())
    };
    let linked = async {
        loop {
            let (content_type, text) =
                ask("application/openmetrics-text;version=1.0.0,text/plain;q=0.5").await;
            assert!(
                content_type.starts_with("application/openmetrics-text") && text.ends_with("# EOF\n"),
                "{text}"
            );
            if text.contains(&format!("# {{trace_id=\"{trace_id}\"}}")) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LIMIT, linked).await.unwrap();
    assert!(!ask("text/plain").await.1.contains("trace_id"));
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_requests_are_shown_with_their_traces() {
    let mut config = EdgeConfig::default();
    config.traces.slow_ms = 200;
    config.traces.ui = Some("http://jaeger.example/".into());
    let shop = Shop::open_with(config, None).await;
    shop.get("/healthz").await;
    let faults = serde_json::json!({"users": {"delayMs": 250}});
    shop.http.put(shop.admin("/admin/faults")).json(&faults).send().await.unwrap();
    shop.get("/.well-known/jwks.json").await;
    let shown = async {
        loop {
            let traces: serde_json::Value = shop
                .http
                .get(shop.admin("/admin/traces?limit=5"))
                .send()
                .await
                .unwrap()
                .json()
                .await
                .unwrap();
            if traces[0].is_object() {
                return traces;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let traces = tokio::time::timeout(LIMIT, shown).await.unwrap();
    assert_eq!(
        (traces.as_array().unwrap().len(), &traces[0]["route"]),
        (1, &"/.well-known/jwks.json".into())
    );
    let id = traces[0]["traceId"].as_str().unwrap();
    assert_eq!(traces[0]["link"], format!("http://jaeger.example/trace/{id}"));
    assert_eq!(shop.http.get(shop.admin("/admin/traces?limit=0")).send().await.unwrap().status(), 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_shown_sent_again_and_forgotten() {
    let (context, _dir) = vitrina_chassis::testing::context();
    let broker = context.broker.clone();
    let queue = Queue {
        name: "products.inbox".into(),
        topics: vec!["user.changed".into()],
        kind: QueueKind::Durable,
        prefetch: 1,
    };
    let mut consumer = broker.consume(queue).await.unwrap();
    let message = Message { id: "evt_1".into(), topic: "user.changed".into(), ..Message::default() };
    broker.publish(message).await.unwrap();
    let delivery = tokio::time::timeout(LIMIT, consumer.next()).await.unwrap().unwrap();
    delivery.dead("the seller is unknown").await.unwrap();
    let shop = Shop::open_with(EdgeConfig::default(), Some(broker)).await;
    let letters = async || -> serde_json::Value {
        shop.http.get(shop.admin("/admin/dead-letters")).send().await.unwrap().json().await.unwrap()
    };
    let shown = letters().await;
    assert_eq!((&shown[0]["id"], &shown[0]["queue"]), (&"evt_1".into(), &"products.inbox".into()), "{shown}");
    assert_eq!(shown[0]["cause"], "the seller is unknown");
    let replay = shop.http.post(shop.admin("/admin/dead-letters/evt_1/replay")).send().await.unwrap();
    assert_eq!(replay.status(), 204);
    let again = tokio::time::timeout(LIMIT, consumer.next()).await.unwrap().unwrap();
    assert_eq!(again.message.id, "evt_1");
    again.dead("still unknown").await.unwrap();
    let forget = shop.http.delete(shop.admin("/admin/dead-letters/evt_1")).send().await.unwrap();
    assert_eq!(forget.status(), 204);
    assert_eq!(letters().await, serde_json::json!([]));
    let gone = shop.http.delete(shop.admin("/admin/dead-letters/evt_1")).send().await.unwrap();
    check_problem(gone, 404, "not_found").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_for_operators_needs_nothing_from_elsewhere() {
    let shop = Shop::open().await;
    shop.get("/healthz").await;
    let answer = shop.http.get(shop.admin("/")).send().await.unwrap();
    assert!(answer.headers()["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
    let page = answer.text().await.unwrap();
    assert!(!page.contains("http://") && !page.contains("https://"));
    let counted = async {
        loop {
            let status: serde_json::Value =
                shop.http.get(shop.admin("/admin/status")).send().await.unwrap().json().await.unwrap();
            if status["routes"][0]["route"] == "/healthz" {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let status = tokio::time::timeout(LIMIT, counted).await.unwrap();
    assert_eq!((&status["routes"][0]["requests"], &status["routes"][0]["errors"]), (&1.into(), &0.into()));
}
