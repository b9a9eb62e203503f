//! One trace tells what a request did: a branch for each fragment of a page, and a write with what followed from it.

use serde_json::json;
use vitrina_bench::{Options, Shop, Way, story};
use vitrina_otel::names;
use vitrina_otel::testing::Collector;

#[tokio::test(flavor = "multi_thread")]
async fn a_page_and_a_write_are_whole_traces() {
    let collector = Collector::start().await;
    let options = Options { otlp: Some(collector.endpoint()), ..Options::default() };
    let shop = Shop::start_with(Way::OneProcess, options).await;
    let client = shop.client();
    let seller = story::seller(&client, "traced").await;
    let (product, publication) = story::publication(&seller, "Trazas").await;

    let page = format!("/v1/pages/publications/{publication}");
    let trace = trace_of(&client.get_until(&page, |answer| answer.status == 200).await);
    let names = collector.wait_for(&trace, "GET /v1/pages/publications/{id}").await;
    for rpc in ["Publications/GetPublication", "Products/BatchGetProducts", "Users/GetSeller"] {
        assert!(names.iter().any(|name| name.contains(rpc)), "no span of {rpc} among {names:#?}");
    }

    let price = json!({"price": {"minor": 99_900, "currency": "ARS"}});
    let write = seller.client.patch(&format!("/v1/products/{product}"), &price).await.expect(200);
    let trace = trace_of(&write);
    for part in ["PATCH /v1/products/{id}", "Products/UpdateProduct", "storage.commit", "product.changed"] {
        collector.wait_for(&trace, part).await;
    }
}

/// The id of the trace of an answer.
fn trace_of(answer: &vitrina_bench::Answer) -> String {
    let field = answer.header("traceresponse");
    field.split('-').nth(1).unwrap_or_else(|| panic!("no trace in {answer:#?}")).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_numbers_of_the_edge_reach_the_collector() {
    let collector = Collector::start().await;
    let options = Options { otlp: Some(collector.endpoint()), ..Options::default() };
    let mut shop = Shop::start_with(Way::OneProcess, options).await;
    let home = "/v1/pages/home";
    shop.client().get_until(home, |answer| answer.header("cache-status").contains("; hit")).await;
    // What was counted last is sent at the end.
    shop.stop("shop").await;
    let users = (names::UPSTREAM, "users");
    for (name, value) in [
        (names::EDGE_BREAKER_STATE, 0),
        (names::EDGE_BREAKER_OPENED, 0),
        (names::EDGE_REFUSED, 0),
        (names::EDGE_RETRIES, 0),
        (names::EDGE_SHED, 0),
    ] {
        assert_eq!(collector.last(name, users), Some(value), "{name}");
    }
    assert!(collector.last(names::EDGE_CACHE_HITS, (names::CACHE_STATE, "fresh")) >= Some(1));
    assert!(collector.last(names::EDGE_CACHE_MISSES, (names::CACHE_REASON, "uri-miss")) >= Some(1));
}
