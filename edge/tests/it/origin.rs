//! A plain HTTP server whose answers a test scripts: what stands behind the edge under a prefix.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use vitrina_edge::{EdgeConfig, HttpUpstream};

use crate::support::{Shop, free};

type Script = Arc<dyn Fn(Seen) -> BoxFuture<'static, Response<Bytes>> + Send + Sync>;

/// A request as the server got it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    /// Path with query.
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// The server. Dropping it closes all of its connections.
pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
    serving: JoinHandle<()>,
}

struct State {
    script: Mutex<Script>,
    seen: Mutex<Vec<Seen>>,
}

impl Origin {
    /// Serves on a free port; until told otherwise it answers with a 200 and no headers.
    pub(crate) async fn start() -> Self {
        Self::start_at(free()).await
    }

    pub(crate) async fn start_at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let script: Script = Arc::new(|_| Box::pin(std::future::ready(answer(200, &[], "plain"))));
        let state = Arc::new(State { script: Mutex::new(script), seen: Mutex::default() });
        let serving = tokio::spawn(serve(listener, state.clone()));
        Self { address, state, serving }
    }

    /// Answers every request by a function of it.
    pub(crate) fn on(&self, script: impl Fn(&Seen) -> Response<Bytes> + Send + Sync + 'static) {
        self.on_later(move |seen| {
            let answer = script(&seen);
            async move { answer }
        });
    }

    /// The same for an answer that takes its time.
    pub(crate) fn on_later<A>(&self, script: impl Fn(Seen) -> A + Send + Sync + 'static)
    where
        A: Future<Output = Response<Bytes>> + Send + 'static,
    {
        *self.state.script.lock().unwrap() = Arc::new(move |seen| Box::pin(script(seen)));
    }

    /// The requests so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().unwrap().clone()
    }

    /// An edge with this server under `/old`.
    pub(crate) async fn behind_an_edge(&self) -> Shop {
        behind(self.upstream()).await
    }

    /// This server under `/old`, called `old`.
    pub(crate) fn upstream(&self) -> HttpUpstream {
        upstream(&[self.address])
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Servers under `/old`, called `old`.
pub(crate) fn upstream(addresses: &[SocketAddr]) -> HttpUpstream {
    HttpUpstream {
        name: "old".into(),
        path_prefix: "/old".into(),
        addresses: addresses.iter().map(ToString::to_string).collect(),
        ..HttpUpstream::default()
    }
}

/// An edge with an upstream behind it.
pub(crate) async fn behind(upstream: HttpUpstream) -> Shop {
    let config = EdgeConfig { http: vec![upstream], ..EdgeConfig::default() };
    Shop::open_of(&["users"], config, None).await
}

/// An answer of the server.
pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Response<Bytes> {
    let mut answer = Response::builder().status(status);
    for (name, value) in headers {
        answer = answer.header(*name, *value);
    }
    answer.body(body.into()).unwrap()
}

async fn serve(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let state = state.clone();
        let service = service_fn(move |request| answered(state.clone(), request));
        // A Date of its own would get into the way of tests about dates.
        let connection = hyper::server::conn::http1::Builder::new()
            .auto_date_header(false)
            .serve_connection(TokioIo::new(stream), service);
        connections.spawn(connection);
    }
}

async fn answered(
    state: Arc<State>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (parts, body) = request.into_parts();
    let target = parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let body = body.collect().await?.to_bytes();
    let seen = Seen { method: parts.method, target, headers: parts.headers, body };
    state.seen.lock().unwrap().push(seen.clone());
    let script = state.script.lock().unwrap().clone();
    let answer = script(seen).await;
    Ok::<_, Infallible>(answer.map(Full::new)).map_err(|never| match never {})
}
