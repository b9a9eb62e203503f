//! A service that is away costs its own part of a page and nothing else, and it is back as soon as it returns.

use std::time::Duration;

use serde_json::json;
use vitrina_bench::{Shop, Way, story};

#[tokio::test(flavor = "multi_thread")]
async fn a_page_without_its_sellers_service_is_degraded_and_recovers() {
    let mut shop = Shop::start(Way::Processes).await;
    let client = shop.client();
    let seller = story::seller(&client, "degraded").await;
    let (_, publication) = story::publication(&seller, "Auriculares").await;
    // The page itself is asked for only once the service is away: the edge would keep it whole.
    client.get_until(&format!("/v1/publications/{publication}"), |answer| answer.status == 200).await;
    let page = format!("/v1/pages/publications/{publication}");

    shop.kill("users").await;
    let answer = client.get(&page).await.expect(200);
    let parts = answer.json["degraded"].as_array().expect("what is missing is named").clone();
    assert!(parts.contains(&json!("seller")), "{answer:#?}");
    assert!(answer.json.get("seller").is_none(), "{answer:#?}");
    assert_eq!(answer.text_at("/publication/id"), publication);
    let unknown = "/v1/pages/publications/pub_0198c0de-0000-7000-8000-000000000000";
    assert_eq!(client.get(unknown).await.expect(404).header("content-type"), "application/problem+json");
    let away = client.get(&format!("/v1/sellers/{}", seller.id)).await.expect(503);
    assert!(!away.header("retry-after").is_empty(), "{away:#?}");

    shop.restart("users");
    let whole = client.get_until(&page, |answer| answer.text.contains("displayName")).await;
    assert!(whole.json["degraded"].as_array().is_none_or(|parts| !parts.contains(&json!("seller"))));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_waits_for_the_service_that_is_away() {
    let mut shop = Shop::start(Way::Processes).await;
    let client = shop.client();
    let seller = story::seller(&client, "patient").await;
    let (product, publication) = story::publication(&seller, "Parlantes").await;
    let found = format!("/v1/publications?q=parlantes&seller={}", seller.id);
    client.get_until(&found, |answer| answer.text.contains(&publication)).await;

    shop.kill("publications").await;
    let price = json!({"price": {"minor": 123_400, "currency": "ARS"}});
    seller.client.patch(&format!("/v1/products/{product}"), &price).await.expect(200);
    tokio::time::sleep(Duration::from_millis(200)).await;
    shop.restart("publications");
    let has_price = |answer: &vitrina_bench::Answer| {
        answer.json.pointer("/items/0/price/minor").and_then(serde_json::Value::as_u64) == Some(123_400)
    };
    client.get_until(&found, has_price).await;
}
