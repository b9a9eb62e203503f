//! A configuration that changes while the edge runs.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::task::JoinSet;
use vitrina_edge::{Concurrency, EdgeConfig, Error, HttpUpstream, Rate, Resilience};

use crate::origin::{Origin, behind};
use crate::resilience::{Front, Replica, SEARCH, search, until, upstream};
use crate::support::{Shop, check_problem, free, token};

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

/// Clients that search without a pause.
struct Searches {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    failed: Arc<AtomicUsize>,
    clients: JoinSet<()>,
}

impl Searches {
    fn start(front: &Arc<Front>) -> Self {
        let (stop, answered, failed) = Default::default();
        let mut searches = Self { stop, answered, failed, clients: JoinSet::new() };
        for _ in 0..8 {
            let (stop, answered, failed) =
                (searches.stop.clone(), searches.answered.clone(), searches.failed.clone());
            let front = front.clone();
            searches.clients.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let is_failure = front.search().await.status() != 200;
                    failed.fetch_add(usize::from(is_failure), Ordering::Relaxed);
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        searches
    }

    /// Waits for some more answers.
    async fn go_on(&self) {
        let enough = self.answered.load(Ordering::Relaxed) + 100;
        until("searches are answered", async || self.answered.load(Ordering::Relaxed) >= enough).await;
    }

    /// Gives how many have failed.
    async fn end(mut self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.clients.join_next().await {
            ended.unwrap();
        }
        self.failed.load(Ordering::Relaxed)
    }
}

/// A configuration with the publications service at these addresses.
fn with_publications(addresses: &[SocketAddr]) -> EdgeConfig {
    let addresses = addresses.iter().map(ToString::to_string).collect();
    let upstreams = BTreeMap::from([("publications".to_owned(), addresses)]);
    EdgeConfig { upstreams, ..config() }
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_come_and_go_under_load_without_a_failed_request() {
    let (stays, comes) = (Replica::start(), Replica::start());
    let front = Arc::new(Front::open(&[("publications", &[&stays][..])], Resilience::default()).await);
    let searches = Searches::start(&front);
    searches.go_on().await;

    let needs_restart = front.edge.reload(with_publications(&[stays.address, comes.address])).unwrap();
    assert!(needs_restart.is_empty(), "{needs_restart:?}");
    until("the new one gets calls", async || comes.calls(SEARCH) > 0).await;
    searches.go_on().await;

    front.edge.reload(with_publications(&[comes.address])).unwrap();
    searches.go_on().await;
    let before = stays.calls(SEARCH);
    searches.go_on().await;
    assert_eq!(stays.calls(SEARCH), before, "who is gone gets no calls");
    let view = front.upstream("publications").await;
    assert_eq!(view["addresses"].as_array().unwrap().len(), 1, "{view}");
    assert_eq!((searches.end().await, &view["retries"]), (0, &0.into()), "{view}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_address_gets_no_call_before_somebody_is_there() {
    let stays = Replica::start();
    let mut late = Replica::start();
    late.kill();
    let front = Arc::new(Front::open(&[("publications", &[&stays][..])], Resilience::default()).await);
    let searches = Searches::start(&front);
    front.edge.reload(with_publications(&[stays.address, late.address])).unwrap();
    searches.go_on().await;
    let view = front.upstream("publications").await;
    assert_eq!((&view["addresses"][1]["breaker"], &view["retries"]), (&"open".into(), &0.into()), "{view}");
    late.restart();
    until("it gets calls", async || late.calls(SEARCH) > 0).await;
    assert_eq!(searches.end().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_can_come_and_go() {
    let replica = Replica::start();
    let front = Front::open(&[("users", &[&replica][..])], Resilience::default()).await;
    let found = search(&front.http, &front.edge).await;
    check_problem(found, 501, "service_not_configured").await;
    front.edge.reload(with_publications(&[replica.address])).unwrap();
    assert_eq!(front.search().await.status(), 200);
    front.edge.reload(EdgeConfig { upstreams: BTreeMap::new(), ..config() }).unwrap();
    let found = search(&front.http, &front.edge).await;
    check_problem(found, 501, "service_not_configured").await;
    let ready: serde_json::Value = front
        .http
        .get(format!("http://{}/readyz", front.edge.addr))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(ready["services"].as_array().unwrap().len(), 0, "{ready}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bounds_of_what_is_let_through_change_at_once() {
    let replica = Replica::start();
    let front = Front::open(&[("publications", &[&replica][..])], Resilience::default()).await;
    let service = Concurrency { min: 3, max: 7, ..Concurrency::default() };
    let resilience = Resilience { service, connections: 2, ..Resilience::default() };
    let new = EdgeConfig { resilience, ..with_publications(&[replica.address]) };
    assert_eq!(front.edge.reload(new).unwrap(), ["edge.resilience.connections"]);
    assert_eq!(upstream(&front.http, &front.edge, "publications").await["limit"], 7);
    assert_eq!(front.search().await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_http_servers_come_move_and_go() {
    let (one, other) = (Origin::start().await, Origin::start().await);
    let shop = behind(one.upstream()).await;
    let http = |upstreams: &[HttpUpstream]| EdgeConfig { http: upstreams.to_vec(), ..config() };
    assert_eq!(shop.get("/old/a").await.status(), 200);

    let both = crate::origin::upstream(&[one.address, other.address]);
    assert!(shop.edge.reload(http(std::slice::from_ref(&both))).unwrap().is_empty());
    for _ in 0..10 {
        assert_eq!(shop.get("/old/b").await.status(), 200);
    }
    assert!(one.seen().len() >= 3 && other.seen().len() >= 3, "both get requests");

    let moved = HttpUpstream { path_prefix: "/older".into(), ..both };
    shop.edge.reload(http(&[moved])).unwrap();
    assert_eq!(shop.get("/older").await.status(), 200);
    check_problem(shop.get("/old").await, 404, "not_found").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_address_changes_nothing() {
    let replica = Replica::start();
    let front = Front::open(&[("publications", &[&replica][..])], Resilience::default()).await;
    let mut wrong = with_publications(&[]);
    wrong.upstreams.insert("publications".into(), vec!["no address".into(), "127.0.0.1:7000".into()]);
    wrong.upstreams.insert("billing".into(), vec!["127.0.0.1:7000".into()]);
    wrong.resilience.service.max = 1;
    let Err(Error::Config(mistakes)) = front.edge.reload(wrong) else {
        panic!("a wrong configuration is refused");
    };
    assert_eq!(mistakes.len(), 3, "{mistakes:?}");
    assert_eq!(front.search().await.status(), 200);
    let view = front.upstream("publications").await;
    assert_eq!(
        (&view["addresses"][0]["address"], &view["limit"]),
        (&replica.address.to_string().into(), &512.into())
    );
}
