//! Plain HTTP upstreams go through the same gates as services.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::join_all;
use http::Method;
use vitrina_edge::{Breaker, Concurrency, EdgeConfig, HttpUpstream, Resilience};

use super::{until, upstream};
use crate::origin::{self, Origin, answer};
use crate::support::{LIMIT, Shop, check_problem, token};

/// An edge in front of a CMS under `/old`.
async fn behind(http: HttpUpstream, resilience: Resilience) -> Shop {
    let config = EdgeConfig { http: vec![http], resilience, ..EdgeConfig::default() };
    Shop::open_of(&["users"], config, None).await
}

/// A server that hangs for as long as it is told to.
async fn hanging() -> (Origin, Arc<AtomicBool>) {
    let origin = Origin::start().await;
    let hangs = Arc::new(AtomicBool::new(true));
    let asked = hangs.clone();
    origin.on_later(move |_| {
        let hangs = asked.load(Ordering::SeqCst);
        async move {
            if hangs {
                std::future::pending::<()>().await;
            }
            answer(200, &[("cache-control", "no-store")], "there")
        }
    });
    (origin, hangs)
}

async fn view(shop: &Shop) -> serde_json::Value {
    upstream(&shop.http, &shop.edge, "old").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hanging_server_takes_its_own_places_only() {
    for cache in [false, true] {
        let (origin, _) = hanging().await;
        let service = Concurrency { min: 10, max: 10, ..Concurrency::default() };
        let resilience = Resilience { service, queue_ms: 0, ..Resilience::default() };
        let shop = behind(HttpUpstream { cache, ..origin.upstream() }, resilience).await;
        // Reads may take 85 % of the places.
        let hang = (0..8).map(|number| {
            let request = shop.http.get(shop.url(&format!("/old/{number}"))).timeout(LIMIT);
            tokio::spawn(request.send())
        });
        let hang: Vec<_> = hang.collect();
        until("all places are taken", async || view(&shop).await["inFlight"] == 8).await;
        for _ in 0..20 {
            let refused = shop.get("/old/more").await;
            assert!(refused.headers().contains_key("retry-after"), "{refused:?}");
            check_problem(refused, 503, "overloaded").await;
        }
        assert_eq!(shop.get_as("/v1/me", &token("ses_1", &[])).await.status(), 200);
        let seen = view(&shop).await;
        assert_eq!((&seen["shed"]["read"], origin.seen().len()), (&20.into(), 8), "{seen}");
        hang.iter().for_each(tokio::task::JoinHandle::abort);
        if !cache {
            // A fill goes on without its client, a passage does not.
            until("their places are free", async || view(&shop).await["inFlight"] == 0).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_answer_is_refused_for_at_once_until_it_does() {
    let (origin, hangs) = hanging().await;
    let shop = behind(HttpUpstream { read_ms: 50, ..origin.upstream() }, Resilience::default()).await;
    let answers = join_all((0..10).map(|_| shop.get("/old/a"))).await;
    for late in answers {
        check_problem(late, 504, "upstream_timeout").await;
    }
    let asked = || origin.seen().iter().filter(|seen| seen.method == Method::GET).count();
    let before = asked();
    for method in [Method::GET, Method::POST] {
        let request = shop.http.request(method, shop.url("/old/a")).timeout(LIMIT);
        let refused = request.send().await.unwrap();
        assert_eq!(refused.headers()["retry-after"], "1");
        check_problem(refused, 503, "unavailable").await;
    }
    let open = view(&shop).await;
    assert_eq!((&open["breaker"], asked()), (&"open".into(), before), "{open}");
    assert!(open["refused"].as_u64() >= Some(2), "{open}");
    let numbers = shop.http.get(shop.admin("/metrics")).send().await.unwrap().text().await.unwrap();
    assert!(numbers.contains("vitrina_edge_breaker_state{service=\"old\"} 2"), "{numbers}");

    hangs.store(false, Ordering::SeqCst);
    until("it is served again", async || shop.get("/old/a").await.status() == 200).await;
    until("the breaker is closed", async || {
        shop.get("/old/a").await;
        view(&shop).await["breaker"] == "closed"
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stored_stands_in_for_a_server_that_is_given_up() {
    let (origin, hangs) = hanging().await;
    hangs.store(false, Ordering::SeqCst);
    let is_up = hangs.clone();
    origin.on_later(move |seen| {
        let hangs = is_up.load(Ordering::SeqCst);
        async move {
            if hangs {
                std::future::pending::<()>().await;
            }
            let control = match seen.target.as_str() {
                "/old/sie" => "max-age=1, stale-if-error=600",
                "/old/must" => "max-age=1, must-revalidate",
                _ => "max-age=60",
            };
            let age = if seen.target == "/old/fresh" { "0" } else { "2" };
            answer(200, &[("cache-control", control), ("age", age)], "stored")
        }
    });
    let http = HttpUpstream { cache: true, read_ms: 50, ..origin.upstream() };
    let breaker = Breaker { calls_min: 4, ..Breaker::default() };
    let shop = behind(http, Resilience { breaker, ..Resilience::default() }).await;
    for path in ["/old/sie", "/old/must", "/old/fresh"] {
        assert_eq!(shop.get(path).await.text().await.unwrap(), "stored");
    }
    hangs.store(true, Ordering::SeqCst);
    until("the breaker opens", async || {
        shop.get("/old/other").await;
        view(&shop).await["breaker"] == "open"
    })
    .await;
    let asked = origin.seen().len();
    let stale = shop.get("/old/sie").await;
    assert_eq!(stale.headers()["cache-status"], "vitrina; fwd=stale; detail=stale-if-error");
    assert_eq!(stale.text().await.unwrap(), "stored");
    assert_eq!(shop.get("/old/fresh").await.text().await.unwrap(), "stored");
    // RFC 9111, 5.2.2.2.
    assert_eq!(shop.get("/old/must").await.status(), 504);
    check_problem(shop.get("/old/other").await, 503, "unavailable").await;
    let seen = origin.seen();
    assert!(seen[asked..].iter().all(|seen| seen.method == Method::OPTIONS), "{:?}", &seen[asked..]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_fails_is_ejected_and_comes_back() {
    let (good, bad) = (Origin::start().await, Origin::start().await);
    let is_well = Arc::new(AtomicBool::new(false));
    let asked = is_well.clone();
    bad.on(move |_| {
        let status = if asked.load(Ordering::SeqCst) { 200 } else { 502 };
        answer(status, &[], "bad")
    });
    let shop = behind(origin::upstream(&[good.address, bad.address]), Resilience::default()).await;
    until("it is ejected", async || {
        shop.get("/old").await;
        view(&shop).await["addresses"][1]["breaker"] == "open"
    })
    .await;
    for _ in 0..20 {
        assert_eq!(shop.get("/old").await.status(), 200);
    }
    let seen = view(&shop).await;
    assert_eq!(
        (&seen["breaker"], &seen["addresses"][1]["ejections"]),
        (&"closed".into(), &1.into()),
        "{seen}"
    );
    is_well.store(true, Ordering::SeqCst);
    until("it is back", async || shop.get("/old").await.text().await.unwrap() == "bad").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_says_that_it_is_full_is_not_given_up() {
    let origin = Origin::start().await;
    origin.on(|_| answer(503, &[("retry-after", "7")], "maintenance"));
    let shop = origin.behind_an_edge().await;
    for _ in 0..40 {
        let full = shop.get("/old").await;
        assert_eq!(full.headers()["retry-after"], "7");
        assert_eq!(full.text().await.unwrap(), "maintenance");
    }
    assert_eq!(view(&shop).await["breaker"], "closed");
    tokio::time::timeout(Duration::from_secs(1), shop.get("/old")).await.unwrap();
}
