//! Retries and deadlines.

use std::collections::HashMap;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};
use vitrina_edge::{Breaker, EdgeConfig, Resilience};
use vitrina_proto::publications::v1::{HomeLists, ListHomeRequest, SearchItem, SearchReply, SearchRequest};

use super::{SEARCH, search_in};
use crate::support::Shop;

/// A shop whose breakers never open, so that only the budget bounds retries.
async fn shop(retry_percent: u32) -> Shop {
    let breaker = Breaker { calls_min: u32::MAX, ..Breaker::default() };
    let resilience = Resilience { breaker, retry_percent, ..Resilience::default() };
    Shop::open_with(EdgeConfig { resilience, ..EdgeConfig::default() }, None).await
}

#[tokio::test(flavor = "multi_thread")]
async fn retries_stay_within_their_budget() {
    let shop = shop(10).await;
    shop.scripts.on(SEARCH, |_: SearchRequest| Err::<SearchReply, _>(Status::unavailable("restarting")));
    for _ in 0..300 {
        search_in(&shop).await;
    }
    let calls = shop.scripts.seen(SEARCH).len();
    // Fifty at once, then a tenth of all calls.
    assert!((380..=390).contains(&calls), "{calls}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_budget_nothing_is_tried_again() {
    let shop = shop(0).await;
    shop.scripts.on(SEARCH, |_: SearchRequest| Err::<SearchReply, _>(Status::unavailable("restarting")));
    for _ in 0..5 {
        search_in(&shop).await;
    }
    assert_eq!(shop.scripts.seen(SEARCH).len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_with_too_much_to_do_is_not_asked_again() {
    let shop = shop(10).await;
    shop.scripts.on(SEARCH, |_: SearchRequest| {
        let details = ErrorDetails::with_error_info("overloaded", "vitrina", HashMap::new());
        let fault = Status::with_error_details(Code::Unavailable, "the service has too much to do", details);
        Err::<SearchReply, _>(fault)
    });
    for _ in 0..5 {
        assert_eq!(search_in(&shop).await.status(), 503);
    }
    assert_eq!(shop.scripts.seen(SEARCH).len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_part_of_a_page_is_told_what_is_left_of_its_time() {
    let shop = Shop::open().await;
    shop.scripts.on("vitrina.publications.v1.Publications/ListHome", |_: ListHomeRequest| {
        let item = SearchItem { id: "pub_1".into(), seller_id: "usr_1".into(), ..SearchItem::default() };
        Ok(HomeLists { newest: vec![item], ..HomeLists::default() })
    });
    assert_eq!(shop.get("/v1/pages/home").await.status(), 200);
    let route = vitrina_proto::routes::by_rpc("vitrina.storefront.v1.Storefront/GetHomePage").unwrap();
    let told = |rpc: &str| -> u64 {
        let seen = shop.scripts.seen(rpc).remove(0);
        seen["grpc-timeout"].to_str().unwrap().strip_suffix('m').unwrap().parse().unwrap()
    };
    let first = told("vitrina.publications.v1.Publications/ListHome");
    let second = told("vitrina.users.v1.Users/BatchGetSellers");
    assert!(first <= route.deadline_ms, "{first}");
    assert!(second <= first * 8 / 10, "an optional part gets a share of what is left: {first}, {second}");
}
