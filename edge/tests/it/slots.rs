//! Clients that keep connections without using them.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use vitrina_edge::EdgeConfig;

use crate::support::{LIMIT, Shop};

/// Connections that send a header slowly.
const SLOW: usize = 1_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_slow_headers_keep_nobody_out() {
    let mut config = EdgeConfig::default();
    config.limits.connections_max = 100;
    let shop = Shop::open_with(config, None).await;
    let address = shop.edge.addr;
    let slow = tokio::spawn(async move {
        let mut streams = Vec::new();
        for _ in 0..SLOW {
            let mut stream = TcpStream::connect(address).await.unwrap();
            // One that was ended already to make room for others cannot be written to.
            let _ = stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-Slow: ").await;
            streams.push(stream);
        }
        streams
    });
    let ask = async || {
        // A connection of its own for each request, which has to get a slot.
        let client = vitrina_outgoing::client().pool_max_idle_per_host(0).build().unwrap();
        client.get(shop.url("/healthz")).timeout(LIMIT).send().await.unwrap().status()
    };
    while !slow.is_finished() {
        assert_eq!(ask().await, 200);
    }
    for _ in 0..20 {
        assert_eq!(ask().await, 200);
    }
    let numbers = shop.http.get(shop.admin("/metrics")).send().await.unwrap().text().await.unwrap();
    assert!(!numbers.contains("cut_total{reason=\"evicted\"} 0"), "{numbers}");
    drop(slow.await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_runs_keeps_its_slot() {
    let mut config = EdgeConfig::default();
    config.limits.connections_max = 2;
    let shop = Shop::open_with(config, None).await;
    let faults = serde_json::json!({"users": {"delayMs": 800}});
    shop.http.put(shop.admin("/admin/faults")).json(&faults).send().await.unwrap();
    let running = tokio::spawn(
        vitrina_outgoing::client()
            .build()
            .unwrap()
            .get(shop.url("/.well-known/jwks.json"))
            .timeout(LIMIT)
            .send(),
    );
    let in_flight = async {
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
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LIMIT, in_flight).await.unwrap();
    let mut idle = Vec::new();
    for _ in 0..5 {
        idle.push(TcpStream::connect(shop.edge.addr).await.unwrap());
    }
    assert_eq!(running.await.unwrap().unwrap().status(), 200);
}
