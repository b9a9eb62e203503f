//! Bulkheads: how much is let through to a service, and who comes first.

use futures::future::join_all;
use vitrina_edge::{Breaker, Concurrency, EdgeConfig, Resilience};
use vitrina_proto::publications::v1::{SearchReply, SearchRequest};

use super::{SEARCH, search_in, until, upstream};
use crate::support::{Shop, check_problem, token};

const PUBLICATION: &str = "vitrina.publications.v1.Publications/GetPublication";

/// A shop that lets so many calls through to each service.
async fn shop(calls: usize, queue_ms: u64) -> Shop {
    let service = Concurrency { min: calls, max: calls, ..Concurrency::default() };
    // Hanging is not what is looked at here.
    let breaker = Breaker { calls_min: u32::MAX, ..Breaker::default() };
    let resilience = Resilience { service, queue_ms, breaker, ..Resilience::default() };
    let shop = Shop::open_with(EdgeConfig { resilience, ..EdgeConfig::default() }, None).await;
    shop.scripts.on(SEARCH, |_: SearchRequest| Ok(SearchReply::default()));
    shop
}

async fn in_flight(shop: &Shop) -> u64 {
    upstream(&shop.http, &shop.edge, "publications").await["inFlight"].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_service_holds_its_own_places_only() {
    let shop = shop(10, 20).await;
    shop.scripts.hang(SEARCH);
    let mut statuses: Vec<u16> =
        join_all((0..30).map(|_| async { search_in(&shop).await.status().as_u16() })).await;
    statuses.sort_unstable();
    // Searches may use seven of ten places.
    assert_eq!((statuses[22], statuses[23]), (503, 504), "{statuses:?}");
    assert_eq!(shop.scripts.seen(SEARCH).len(), 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_service_is_full_the_others_answer_and_what_matters_more_finds_a_place() {
    let shop = shop(10, 0).await;
    shop.scripts.hang(SEARCH);
    let searches = async {
        loop {
            join_all((0..7).map(|_| search_in(&shop))).await;
        }
    };
    let checks = async {
        until("searches have taken their places", async || in_flight(&shop).await == 7).await;
        until("a search is turned away", async || {
            let answer = search_in(&shop).await;
            let has_time = answer.headers().contains_key("retry-after");
            answer.status() == 503 && has_time
        })
        .await;
        // Other reads of the same service have places that searches may not take.
        let found = shop.get("/v1/publications/pub_1").await;
        assert_eq!(found.status(), 501, "there is no script, so it was called");
        assert_eq!(shop.scripts.seen(PUBLICATION).len(), 1);
        assert_eq!(shop.get_as("/v1/me", &token("ses_1", &[])).await.status(), 200);
    };
    tokio::select! {
        () = checks => {}
        () = searches => {}
    }
    let view = upstream(&shop.http, &shop.edge, "publications").await;
    assert!(view["shed"]["search"].as_u64() >= Some(1), "{view}");
    assert_eq!(view["shed"]["read"], 0);
    let text = shop.http.get(shop.admin("/metrics")).send().await.unwrap().text().await.unwrap();
    assert!(text.contains("vitrina_edge_shed_total{service=\"publications\",priority=\"read\"} 0"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_gets_the_place_that_becomes_free() {
    let shop = shop(1, 30_000).await;
    let answers = join_all((0..20).map(|_| search_in(&shop))).await;
    // One place, and one to wait in; whoever came too early for both was told so.
    let served = answers.iter().filter(|answer| answer.status() == 200).count();
    assert!(served >= 1, "{answers:?}");
    assert!(answers.iter().all(|answer| matches!(answer.status().as_u16(), 200 | 503)), "{answers:?}");
    until("all places are given back", async || in_flight(&shop).await == 0).await;
    assert_eq!(search_in(&shop).await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_much_for_the_edge_is_turned_away_and_leaves_nothing_behind() {
    let edge = Concurrency { min: 1, max: 1, ..Concurrency::default() };
    let resilience = Resilience { edge, queue_ms: 0, ..Resilience::default() };
    let shop = Shop::open_with(EdgeConfig { resilience, ..EdgeConfig::default() }, None).await;
    shop.scripts.on(SEARCH, |_: SearchRequest| Ok(SearchReply::default()));
    for answer in join_all((0..200).map(|_| search_in(&shop))).await {
        if answer.status() != 200 {
            check_problem(answer, 503, "overloaded").await;
        }
    }
    assert_eq!(search_in(&shop).await.status(), 200);
}
