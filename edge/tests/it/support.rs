//! An edge on free ports in front of scripted services, and a signer of access tokens.
//!
//! The services here are scripts of single rpcs, so that each failure of a service can be had on demand; the edge in front
//! of the real services is tested by the whole-system suite.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::{BufMut, Bytes, BytesMut};
use ed25519_dalek::{Signer, SigningKey};
use futures::future::BoxFuture;
use futures::{Stream, StreamExt as _};
use http::HeaderMap;
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tonic::Status;
use tonic::body::Body;
use vitrina_broker::Broker;
use vitrina_edge::{Edge, EdgeConfig, Running, Upstreams};
use vitrina_proto::users::v1::{GetSessionRequest, Key, KeySet, SessionState, User};

/// Generous: the machine may be busy.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

type Answer = Result<http::Response<Body>, Status>;
type Script = Arc<dyn Fn(Bytes, HeaderMap) -> BoxFuture<'static, Answer> + Send + Sync>;

/// A service made of scripts; an rpc without one is unimplemented.
#[derive(Clone, Default)]
pub(crate) struct Scripts {
    rpcs: Arc<Mutex<HashMap<String, Script>>>,
    seen: Arc<Mutex<Vec<(String, HeaderMap)>>>,
    delays: Arc<Mutex<HashMap<String, Duration>>>,
}

/// An edge with what stands behind it.
pub(crate) struct Shop {
    pub(crate) edge: Running,
    pub(crate) scripts: Scripts,
    pub(crate) http: reqwest::Client,
}

impl Scripts {
    /// Answers an rpc such as `vitrina.users.v1.Users/GetMe` by a function of its request.
    pub(crate) fn on<Q, A>(&self, rpc: &str, answer: impl Fn(Q) -> Result<A, Status> + Send + Sync + 'static)
    where
        Q: Message + Default,
        A: Message,
    {
        self.on_with(rpc, move |request, _| answer(request).map(|reply| (reply, HeaderMap::new())));
    }

    /// The same with the metadata of both ways.
    pub(crate) fn on_with<Q, A>(
        &self,
        rpc: &str,
        answer: impl Fn(Q, HeaderMap) -> Result<(A, HeaderMap), Status> + Send + Sync + 'static,
    ) where
        Q: Message + Default,
        A: Message,
    {
        let script: Script = Arc::new(move |body, headers| {
            let request = Q::decode(body).expect("the edge sends what it was told to");
            let reply =
                answer(request, headers).map(|(reply, headers)| framed(&reply.encode_to_vec(), headers));
            Box::pin(std::future::ready(reply))
        });
        self.rpcs.lock().unwrap().insert(format!("/{rpc}"), script);
    }

    /// Answers a streaming rpc.
    pub(crate) fn on_stream<Q, S, A>(
        &self,
        rpc: &str,
        answer: impl Fn(Q) -> Result<S, Status> + Send + Sync + 'static,
    ) where
        Q: Message + Default,
        S: Stream<Item = A> + Send + 'static,
        A: Message,
    {
        let script: Script = Arc::new(move |body, _| {
            let request = Q::decode(body).expect("the edge sends what it was told to");
            let reply = answer(request).map(|messages| {
                let frames = messages.map(|message| Frame::data(frame(&message.encode_to_vec())));
                let end = futures::stream::iter([Frame::trailers(trailers())]);
                response(Body::new(StreamBody::new(frames.chain(end).map(Ok::<_, Infallible>))))
            });
            Box::pin(std::future::ready(reply))
        });
        self.rpcs.lock().unwrap().insert(format!("/{rpc}"), script);
    }

    /// Answers an rpc once the gate lets it: each answer takes one permit and is made then.
    pub(crate) fn on_gated<Q, A>(
        &self,
        rpc: &str,
        gate: &Arc<Semaphore>,
        answer: impl Fn(Q) -> Result<A, Status> + Send + Sync + 'static,
    ) where
        Q: Message + Default,
        A: Message,
    {
        let gate = gate.clone();
        let script: Script = Arc::new(move |body, _| {
            let request = Q::decode(body).expect("the edge sends what it was told to");
            // What a service read before a write is what it answers after it.
            let reply = answer(request).map(|reply| framed(&reply.encode_to_vec(), HeaderMap::new()));
            let gate = gate.clone();
            Box::pin(async move {
                gate.acquire().await.expect("the gate is never closed").forget();
                reply
            })
        });
        self.rpcs.lock().unwrap().insert(format!("/{rpc}"), script);
    }

    /// Answers an rpc after a while, as a service that has something to do.
    pub(crate) fn on_slow<Q, A>(
        &self,
        rpc: &str,
        takes: Duration,
        answer: impl Fn(Q) -> Result<A, Status> + Send + Sync + 'static,
    ) where
        Q: Message + Default,
        A: Message,
    {
        let script: Script = Arc::new(move |body, _| {
            let request = Q::decode(body).expect("the edge sends what it was told to");
            let reply = answer(request).map(|reply| framed(&reply.encode_to_vec(), HeaderMap::new()));
            Box::pin(async move {
                tokio::time::sleep(takes).await;
                reply
            })
        });
        self.rpcs.lock().unwrap().insert(format!("/{rpc}"), script);
    }

    /// Never answers an rpc.
    pub(crate) fn hang(&self, rpc: &str) {
        let script: Script = Arc::new(|_, _| Box::pin(std::future::pending()));
        self.rpcs.lock().unwrap().insert(format!("/{rpc}"), script);
    }

    /// Answers an rpc that much later.
    pub(crate) fn delay(&self, rpc: &str, by: Duration) {
        self.delays.lock().unwrap().insert(format!("/{rpc}"), by);
    }

    /// What the calls of an rpc carried.
    pub(crate) fn seen(&self, rpc: &str) -> Vec<HeaderMap> {
        let path = format!("/{rpc}");
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|(known, _)| *known == path).map(|(_, headers)| headers.clone()).collect()
    }
}

impl tower::Service<http::Request<Body>> for Scripts {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let path = parts.uri.path().to_owned();
            let mut body = body.collect().await.unwrap().to_bytes();
            // A gRPC message has a flag and its length in front.
            let message = body.split_off(5);
            this.seen.lock().unwrap().push((path.clone(), parts.headers.clone()));
            let script = this.rpcs.lock().unwrap().get(&path).cloned();
            let delay = this.delays.lock().unwrap().get(&path).copied();
            if let Some(delay) = delay {
                tokio::time::sleep(delay).await;
            }
            let answer = match script {
                Some(script) => script(message, parts.headers).await,
                None => Err(Status::unimplemented("no script")),
            };
            Ok(answer.unwrap_or_else(|fault| fault.into_http()))
        })
    }
}

fn framed(reply: &[u8], headers: HeaderMap) -> http::Response<Body> {
    let body = Full::new(frame(reply)).with_trailers(std::future::ready(Some(Ok(trailers()))));
    let mut response = response(Body::new(body));
    response.headers_mut().extend(headers);
    response
}

fn frame(message: &[u8]) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.len()).unwrap());
    frame.put_slice(message);
    frame.freeze()
}

fn trailers() -> HeaderMap {
    HeaderMap::from_iter([(
        http::HeaderName::from_static("grpc-status"),
        http::HeaderValue::from_static("0"),
    )])
}

fn response(body: Body) -> http::Response<Body> {
    let mut response = http::Response::new(body);
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/grpc"));
    response
}

/// The key that scripted users sign with.
pub(crate) fn signer(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

/// The set that a users service would answer with.
pub(crate) fn key_set(seeds: &[u8]) -> KeySet {
    let keys = seeds
        .iter()
        .map(|seed| Key {
            kty: "OKP".into(),
            crv: "Ed25519".into(),
            kid: format!("key-{seed}"),
            x: URL_SAFE_NO_PAD.encode(signer(*seed).verifying_key().to_bytes()),
            alg: "EdDSA".into(),
            r#use: "sig".into(),
        })
        .collect();
    KeySet { keys }
}

/// A token of key 1 for a session, valid for a minute.
pub(crate) fn token(session: &str, roles: &[&str]) -> String {
    token_of(1, session, roles, 60)
}

/// A token with everything chosen; the lifetime may lie in the past.
pub(crate) fn token_of(seed: u8, session: &str, roles: &[&str], lifetime_s: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let expires = now.saturating_add_signed(lifetime_s);
    let header = format!(r#"{{"alg":"EdDSA","typ":"JWT","kid":"key-{seed}"}}"#);
    let claims = serde_json::json!({
        "iss": "vitrina", "sub": "usr_ana", "sid": session, "roles": roles, "iat": expires.min(now) - 1, "exp": expires,
    });
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims.to_string()));
    let signature = signer(seed).sign(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
}

impl Shop {
    /// An edge with the users, products and publications services scripted.
    pub(crate) async fn open() -> Self {
        Self::open_with(EdgeConfig::default(), None).await
    }

    pub(crate) async fn open_with(config: EdgeConfig, broker: Option<Arc<dyn Broker>>) -> Self {
        Self::open_of(&["users", "products", "publications"], config, broker).await
    }

    /// An edge with every service scripted.
    pub(crate) async fn whole() -> Self {
        Self::open_of(&vitrina_edge::SERVICES, EdgeConfig::default(), None).await
    }

    pub(crate) async fn open_of(
        services: &[&str],
        config: EdgeConfig,
        broker: Option<Arc<dyn Broker>>,
    ) -> Self {
        let scripts = Scripts::default();
        scripts.on("vitrina.users.v1.Users/GetKeys", |_: vitrina_proto::users::v1::GetKeysRequest| {
            Ok(key_set(&[1]))
        });
        scripts.on("vitrina.users.v1.Users/GetSession", |_: GetSessionRequest| {
            Ok(SessionState { active: true, is_seller: false })
        });
        scripts.on("vitrina.users.v1.Users/GetMe", |_: vitrina_proto::users::v1::GetMeRequest| Ok(ana()));
        let upstreams = services
            .iter()
            .fold(Upstreams::new(), |upstreams, name| upstreams.in_process(name, scripts.clone()));
        let config = EdgeConfig { listen: free(), admin_listen: free(), ..config };
        let edge = Edge::start(config, upstreams, broker).await.unwrap();
        Self { edge, scripts, http: vitrina_outgoing::client().build().unwrap() }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.edge.addr)
    }

    pub(crate) fn admin(&self, path: &str) -> String {
        format!("http://{}{path}", self.edge.admin_addr)
    }

    pub(crate) async fn get(&self, path: &str) -> reqwest::Response {
        self.http.get(self.url(path)).timeout(LIMIT).send().await.unwrap()
    }

    /// Waits until a number of the edge is at least so large.
    pub(crate) async fn reaches(&self, metric: &str, value: u64) {
        let enough = async {
            loop {
                let text = self.http.get(self.admin("/metrics")).send().await.unwrap().text().await.unwrap();
                let line = text.lines().find_map(|line| line.strip_prefix(&format!("{metric} ")));
                if line.and_then(|number| number.parse::<u64>().ok()).is_some_and(|number| number >= value) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(LIMIT, enough).await.expect("the number is reached in time");
    }

    pub(crate) async fn get_as(&self, path: &str, token: &str) -> reqwest::Response {
        self.http.get(self.url(path)).bearer_auth(token).timeout(LIMIT).send().await.unwrap()
    }

    /// Sends bytes as they are and reads what comes until the edge closes or the answer is whole.
    pub(crate) async fn raw(&self, bytes: &str) -> String {
        let mut stream = TcpStream::connect(self.edge.addr).await.unwrap();
        stream.write_all(bytes.as_bytes()).await.unwrap();
        read_all(&mut stream).await
    }
}

/// Reads until the other side closes, within the limit.
pub(crate) async fn read_all(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    // A reset after the answer is an end as well.
    let _ =
        tokio::time::timeout(LIMIT, stream.read_to_end(&mut answer)).await.expect("the edge closes in time");
    String::from_utf8_lossy(&answer).into_owned()
}

pub(crate) fn free() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

pub(crate) fn ana() -> User {
    User {
        id: "usr_ana".into(),
        version: 3,
        username: "ana".into(),
        language: "es".into(),
        ..User::default()
    }
}

/// Checks a problem document and gives it back.
pub(crate) async fn check_problem(answer: reqwest::Response, status: u16, code: &str) -> serde_json::Value {
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let sent = answer.status().as_u16();
    let problem: serde_json::Value = answer.json().await.unwrap();
    assert_eq!((sent, problem["code"].as_str()), (status, Some(code)), "{problem}");
    assert_eq!(problem["status"], status);
    assert_eq!(problem["type"], format!("urn:vitrina:problem:{code}"));
    assert_eq!(problem["traceId"].as_str().map(str::len), Some(32), "{problem}");
    problem
}
