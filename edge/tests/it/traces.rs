//! One trace from the client through the edge to the service, and the numbers of the edge. One test, since telemetry starts
//! once in a process.

use vitrina_edge::{EdgeConfig, HttpUpstream};
use vitrina_otel::testing::Collector;
use vitrina_otel::{Config, LogFormat, names};

use crate::origin::upstream;
use crate::support::{Shop, check_problem, token};

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_goes_through_the_edge_and_its_numbers_reach_the_collector() {
    let collector = Collector::start().await;
    let config = Config {
        service_name: "edge".into(),
        otlp_endpoint: Some(collector.endpoint()),
        log_format: LogFormat::Text,
        log_filter: "off".into(),
    };
    let telemetry = vitrina_otel::start(config).unwrap();
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let http = vec![HttpUpstream { name: "counted".into(), ..upstream(&[gone]) }];
    let config = EdgeConfig { http, ..EdgeConfig::default() };
    let shop = Shop::open_with(config, None).await;
    let trace_id = "0af7651916cd43dd8448eb211c80319c";
    let parent = format!("00-{trace_id}-b7ad6b7169203331-01");
    let request = shop.http.get(shop.url("/v1/me")).header("traceparent", &parent);
    let answer = request.bearer_auth(token("ses_1", &[])).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let response = answer.headers()["traceresponse"].to_str().unwrap();
    assert!(response.contains(trace_id) && response != parent, "{response}");
    let seen = shop.scripts.seen("vitrina.users.v1.Users/GetMe").remove(0);
    let sent = seen["traceparent"].to_str().unwrap();
    assert!(sent.contains(trace_id) && sent != response, "{sent}");

    let other = "1af7651916cd43dd8448eb211c80319c";
    let request = shop.http.get(shop.url("/v1/me"));
    let answer =
        request.header("traceparent", format!("00-{other}-b7ad6b7169203331-01")).send().await.unwrap();
    assert_eq!(check_problem(answer, 401, "unauthenticated").await["traceId"], other);

    let spans = collector.wait_for(trace_id, "GET /v1/me").await;
    assert!(spans.iter().any(|name| name == "vitrina.users.v1.Users/GetMe"), "{spans:?}");
    // A plain HTTP server that is not there: its breaker opens after ten failures, the eleventh call is not made.
    for _ in 0..11 {
        shop.get("/old").await;
    }
    tokio::task::spawn_blocking(|| telemetry.shutdown()).await.unwrap();
    let told = |name: &str| collector.last(name, (names::UPSTREAM, "counted"));
    assert_eq!(told(names::EDGE_BREAKER_STATE), Some(2));
    assert_eq!((told(names::EDGE_BREAKER_OPENED), told(names::EDGE_REFUSED)), (Some(1), Some(1)));
    assert_eq!((told(names::EDGE_RETRIES), told(names::EDGE_SHED)), (Some(0), Some(0)));
    assert_eq!(told(names::EDGE_CONCURRENCY_LIMIT), Some(512));
    for name in [names::EDGE_CACHE_HITS, names::EDGE_CACHE_MISSES] {
        assert!(collector.metrics().iter().any(|metric| metric.name == name), "{name}");
    }
    shop.edge.drain().await;
}
