//! What the edge does when services fail, hang, are slow or have too much to do.

mod balance;
mod breaker;
mod bulkhead;
mod http;
mod retry;

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use axum::Router;
use serde_json::Value;
use tonic::body::Body;
use tonic::service::Routes;
use tonic::transport::Server;
use tower::Service as _;
use vitrina_edge::{Edge, EdgeConfig, Resilience, Running, Upstreams};
use vitrina_proto::publications::v1::{SearchReply, SearchRequest};

use crate::support::{LIMIT, Scripts, Shop, ana, free, key_set};

pub(crate) const SEARCH: &str = "vitrina.publications.v1.Publications/Search";

/// A service on a socket that can be killed. It has a runtime of its own, which takes its connections along.
pub(crate) struct Replica {
    pub(crate) address: SocketAddr,
    pub(crate) scripts: Scripts,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Replica {
    /// A service that finds nothing, and that knows Ana.
    pub(crate) fn start() -> Self {
        let scripts = Scripts::default();
        scripts.on(SEARCH, |_: SearchRequest| Ok(SearchReply::default()));
        scripts.on("vitrina.users.v1.Users/GetMe", |_: vitrina_proto::users::v1::GetMeRequest| Ok(ana()));
        scripts.on("vitrina.users.v1.Users/GetKeys", |_: vitrina_proto::users::v1::GetKeysRequest| {
            Ok(key_set(&[1]))
        });
        let address = TcpListener::bind(free()).unwrap().local_addr().unwrap();
        let mut replica = Self { address, scripts, runtime: None };
        replica.restart();
        replica
    }

    /// Listens again at the same address.
    pub(crate) fn restart(&mut self) {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        // Taken before this returns, so that the service is there.
        let listener = TcpListener::bind(self.address).unwrap();
        listener.set_nonblocking(true).unwrap();
        let scripts = self.scripts.clone();
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let incoming = tonic::transport::server::TcpIncoming::from(listener);
            let answer = tower::service_fn(move |request: axum::extract::Request| {
                scripts.clone().call(request.map(Body::new))
            });
            let routes = Routes::from(Router::new().fallback_service(answer));
            Server::builder().add_routes(routes).serve_with_incoming(incoming).await.unwrap();
        });
        self.runtime = Some(runtime);
    }

    /// Is gone at once, with all connections, as by SIGKILL.
    pub(crate) fn kill(&mut self) {
        let runtime = self.runtime.take().unwrap();
        // Waits until its tasks are gone, which must not be done on a thread of another runtime.
        std::thread::spawn(move || runtime.shutdown_timeout(LIMIT)).join().unwrap();
    }

    /// Calls of an rpc so far.
    pub(crate) fn calls(&self, rpc: &str) -> usize {
        self.scripts.seen(rpc).len()
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// An edge whose services are at these addresses.
pub(crate) struct Front {
    pub(crate) edge: Running,
    pub(crate) http: reqwest::Client,
}

impl Front {
    pub(crate) async fn open(services: &[(&str, &[&Replica])], resilience: Resilience) -> Self {
        let upstreams = services.iter().fold(Upstreams::new(), |upstreams, (name, replicas)| {
            upstreams.tcp(name, replicas.iter().map(|replica| replica.address.to_string()).collect())
        });
        let config = EdgeConfig { listen: free(), admin_listen: free(), resilience, ..EdgeConfig::default() };
        let edge = Edge::start(config, upstreams, None).await.unwrap();
        Self { edge, http: vitrina_outgoing::client().build().unwrap() }
    }

    /// A search that nobody has made before.
    pub(crate) async fn search(&self) -> reqwest::Response {
        search(&self.http, &self.edge).await
    }

    /// What the operator sees of a service.
    pub(crate) async fn upstream(&self, name: &str) -> Value {
        upstream(&self.http, &self.edge, name).await
    }
}

/// A search that nobody has made before, so that no cache has its answer.
pub(crate) async fn search(http: &reqwest::Client, edge: &Running) -> reqwest::Response {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let url = format!("http://{}/v1/publications?q=thing{number}", edge.addr);
    http.get(url).timeout(LIMIT).send().await.unwrap()
}

pub(crate) async fn search_in(shop: &Shop) -> reqwest::Response {
    search(&shop.http, &shop.edge).await
}

pub(crate) async fn upstream(http: &reqwest::Client, edge: &Running, name: &str) -> Value {
    let url = format!("http://{}/admin/upstreams", edge.admin_addr);
    let views: Value = http.get(url).send().await.unwrap().json().await.unwrap();
    let view = views.as_array().unwrap().iter().find(|view| view["name"] == name);
    view.unwrap().clone()
}

/// Waits until something holds.
pub(crate) async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let wait = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let outcome = tokio::time::timeout(LIMIT, wait).await;
    assert!(outcome.is_ok(), "waited in vain: {what}");
}
