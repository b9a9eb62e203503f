//! One trace from the client through the edge to the service.

use vitrina_otel::testing::Collector;
use vitrina_otel::{Config, LogFormat};

use crate::support::{Shop, check_problem, token};

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_goes_through_the_edge() {
    let collector = Collector::start().await;
    let config = Config {
        service_name: "edge".into(),
        otlp_endpoint: Some(collector.endpoint()),
        log_format: LogFormat::Text,
        log_filter: "off".into(),
    };
    let telemetry = vitrina_otel::start(config).unwrap();
    let shop = Shop::open().await;
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

    let names = collector.wait_for(trace_id, "GET /v1/me").await;
    assert!(names.iter().any(|name| name == "vitrina.users.v1.Users/GetMe"), "{names:?}");
    shop.edge.drain().await;
    tokio::task::spawn_blocking(|| telemetry.shutdown()).await.unwrap();
}
