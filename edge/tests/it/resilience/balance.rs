//! Several addresses of one service.

use std::time::Duration;

use futures::future::join_all;
use vitrina_edge::Resilience;

use super::{Front, Replica, SEARCH, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_is_gone_costs_nobody_an_answer_and_is_used_again_when_it_is_back() {
    let stays = Replica::start();
    let mut goes = Replica::start();
    let front = Front::open(&[("publications", &[&stays, &goes][..])], Resilience::default()).await;
    until("both are used", async || {
        front.search().await;
        stays.calls(SEARCH) > 0 && goes.calls(SEARCH) > 0
    })
    .await;

    goes.kill();
    for _ in 0..100 {
        assert_eq!(front.search().await.status(), 200);
    }
    assert_eq!(front.upstream("publications").await["breaker"], "closed");

    let before = goes.calls(SEARCH);
    goes.restart();
    until("it is used again", async || {
        assert_eq!(front.search().await.status(), 200);
        goes.calls(SEARCH) > before
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_fails_is_ejected() {
    let stays = Replica::start();
    let mut goes = Replica::start();
    let front = Front::open(&[("publications", &[&stays, &goes][..])], Resilience::default()).await;
    goes.kill();
    until("it is ejected", async || {
        join_all((0..20).map(|_| front.search())).await;
        let view = front.upstream("publications").await;
        let addresses = view["addresses"].as_array().unwrap();
        let state = |replica: &Replica| {
            let address = replica.address.to_string();
            addresses.iter().find(|view| view["address"] == *address).unwrap()["breaker"].clone()
        };
        assert_eq!(state(&stays), "closed");
        state(&goes) == "open"
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_replica_does_not_hold_the_others() {
    let (fast, slow) = (Replica::start(), Replica::start());
    slow.scripts.delay(SEARCH, Duration::from_secs(1));
    let front = Front::open(&[("publications", &[&fast, &slow][..])], Resilience::default()).await;
    for _ in 0..10 {
        for answer in join_all((0..20).map(|_| front.search())).await {
            assert_eq!(answer.status(), 200);
        }
    }
    let (fast, slow) = (fast.calls(SEARCH), slow.calls(SEARCH));
    assert!(slow < fast, "{slow} to the slow one, {fast} to the fast one");
}

#[tokio::test(flavor = "multi_thread")]
async fn when_all_addresses_have_failed_the_first_that_is_back_serves() {
    let (mut one, mut other) = (Replica::start(), Replica::start());
    let front = Front::open(&[("publications", &[&one, &other][..])], Resilience::default()).await;
    one.kill();
    other.kill();
    for _ in 0..30 {
        assert_eq!(front.search().await.status(), 503);
    }
    one.restart();
    until("it is served again", async || front.search().await.status() == 200).await;
}
