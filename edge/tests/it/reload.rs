//! A configuration that changes while the edge runs.

use vitrina_edge::{EdgeConfig, Error, Rate};

use crate::support::{Shop, free, token};

fn config() -> EdgeConfig {
    EdgeConfig { listen: free(), admin_listen: free(), ..EdgeConfig::default() }
}

async fn numbers(shop: &Shop) -> String {
    shop.http.get(shop.admin("/metrics")).send().await.unwrap().text().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_reloaded_holds_for_the_next_request() {
    let shop = Shop::open().await;
    let mut new = config();
    new.cors.origins = vec!["https://shop.example".into()];
    new.limits.target_bytes_max = 20;
    new.rates.read = Rate { per_s: 1, burst: 1 };
    assert!(shop.edge.reload(new).unwrap().is_empty());
    let request = shop.http.get(shop.url("/healthz")).header("origin", "https://shop.example");
    let answer = request.send().await.unwrap();
    assert_eq!(answer.headers()["access-control-allow-origin"], "https://shop.example");
    assert_eq!(shop.get("/healthz?a=0123456789012345").await.status(), 414);
    let token = token("ses_1", &[]);
    let first = shop.get_as("/v1/me", &token).await.status();
    assert_eq!((first.as_u16(), shop.get_as("/v1/me", &token).await.status().as_u16()), (200, 429));
    assert!(numbers(&shop).await.contains("config_reloads_total{outcome=\"applied\"} 1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_configuration_changes_nothing_and_names_every_mistake() {
    let shop = Shop::open().await;
    let mut wrong = config();
    wrong.limits.target_bytes_max = 20;
    wrong.limits.heartbeat_ms = 0;
    wrong.cors.origins = vec!["shop.example".into()];
    let Err(Error::Config(mistakes)) = shop.edge.reload(wrong) else {
        panic!("a wrong configuration is refused");
    };
    assert_eq!(mistakes.len(), 2, "{mistakes:?}");
    assert_eq!(shop.get("/healthz?a=0123456789012345").await.status(), 200);
    assert!(numbers(&shop).await.contains("config_reloads_total{outcome=\"refused\"} 1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_needs_a_restart_is_named_and_stays() {
    let shop = Shop::open().await;
    let mut new = config();
    new.listen = "127.0.0.1:1".parse().unwrap();
    new.http2.cleartext = true;
    new.limits.target_bytes_max = 20;
    for _ in 0..2 {
        assert_eq!(shop.edge.reload(new.clone()).unwrap(), ["edge.listen", "edge.http2"]);
    }
    assert_eq!(shop.get("/healthz?a=0123456789012345").await.status(), 414, "the rest is in force");
}
