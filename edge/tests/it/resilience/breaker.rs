//! Breakers: a service that fails is given up, asked how it is, and taken back.

use futures::future::join_all;
use tonic::Status;
use vitrina_edge::{EdgeConfig, Resilience};
use vitrina_proto::publications::v1::{SearchReply, SearchRequest};

use super::{Front, Replica, SEARCH, search_in, until, upstream};
use crate::support::{Shop, check_problem, token};

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_service_is_refused_at_once_and_served_again_when_it_is_back() {
    let users = Replica::start();
    let mut publications = Replica::start();
    let services = [("users", &[&users][..]), ("publications", &[&publications][..])];
    let front = Front::open(&services, Resilience::default()).await;
    assert_eq!(front.search().await.status(), 200);

    publications.kill();
    for _ in 0..20 {
        let answer = front.search().await;
        assert_eq!(answer.headers()["retry-after"], "1");
        check_problem(answer, 503, "unavailable").await;
    }
    let view = front.upstream("publications").await;
    assert_eq!(view["breaker"], "open", "{view}");
    assert_eq!(view["ready"], false, "{view}");
    assert!(view["refused"].as_u64() > Some(0), "{view}");
    let others = front.http.get(format!("http://{}/.well-known/jwks.json", front.edge.addr));
    assert_eq!(others.send().await.unwrap().status(), 200);
    assert_eq!(front.upstream("users").await["breaker"], "closed");

    publications.restart();
    until("the service is served again", async || front.search().await.status() == 200).await;
    until("the breaker is closed", async || {
        front.search().await;
        front.upstream("publications").await["breaker"] == "closed"
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_breaker_spares_the_service() {
    let shop = Shop::open().await;
    shop.scripts.on(SEARCH, |_: SearchRequest| Err::<SearchReply, _>(Status::unavailable("going down")));
    // A health question is answered, so that a few calls are let through time and again.
    join_all((0..40).map(|_| search_in(&shop))).await;
    let asked = shop.scripts.seen(SEARCH).len();
    join_all((0..200).map(|_| search_in(&shop))).await;
    let more = shop.scripts.seen(SEARCH).len() - asked;
    assert!(more < 100, "{more} of 200 calls were made");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_an_answer_and_opens_nothing() {
    let shop = Shop::open().await;
    shop.scripts.on(SEARCH, |_: SearchRequest| Err::<SearchReply, _>(Status::not_found("x")));
    for _ in 0..40 {
        assert_eq!(search_in(&shop).await.status(), 404);
    }
    assert_eq!(upstream(&shop.http, &shop.edge, "publications").await["breaker"], "closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_hangs_is_given_up_and_the_others_are_not() {
    let shop = Shop::open().await;
    shop.scripts.hang(SEARCH);
    for late in join_all((0..12).map(|_| search_in(&shop))).await {
        assert_eq!(late.status(), 504);
    }
    until("it is given up", async || search_in(&shop).await.status() == 503).await;
    assert_eq!(shop.get_as("/v1/me", &token("ses_1", &[])).await.status(), 200);
    shop.scripts.on(SEARCH, |_: SearchRequest| Ok(SearchReply::default()));
    until("it is served again", async || search_in(&shop).await.status() == 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_numbers_tell_of_breakers() {
    let shop = Shop::open_with(EdgeConfig::default(), None).await;
    shop.scripts.on(SEARCH, |_: SearchRequest| Err::<SearchReply, _>(Status::unavailable("x")));
    until("the breaker opens", async || {
        search_in(&shop).await;
        let text = shop.http.get(shop.admin("/metrics")).send().await.unwrap().text().await.unwrap();
        text.contains("vitrina_edge_breaker_opened_total{service=\"publications\"} 1")
            && text.contains("vitrina_edge_breaker_state{service=\"users\"} 0")
            && text.contains("vitrina_edge_calls_refused_total{service=\"publications\"}")
    })
    .await;
}
