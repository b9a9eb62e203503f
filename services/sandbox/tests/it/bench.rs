//! A sandbox with a client, and somebody who is notified.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};
use tempfile::TempDir;
use vitrina_sandbox::{Running, Sandbox, SandboxConfig};

/// Longest wait for anything.
const LIMIT: Duration = Duration::from_secs(45);

pub(crate) const TOKEN: &str = "TEST-vitrina";

pub(crate) struct Bench {
    pub(crate) dir: TempDir,
    pub(crate) running: Running,
    pub(crate) client: Client,
}

impl Bench {
    pub(crate) async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let running = open(&dir).await;
        Self { dir, running, client: client() }
    }

    /// Ends the sandbox without a word and starts it anew on the same files.
    pub(crate) async fn crash(self) -> Self {
        let Self { dir, running, .. } = self;
        drop(running);
        let running = open(&dir).await;
        Self { dir, running, client: client() }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.running.url())
    }

    /// A request to MercadoPago.
    pub(crate) fn pago(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, self.url(path)).bearer_auth(TOKEN)
    }

    pub(crate) async fn post(&self, path: &str, key: &str, body: &Value) -> (u16, Value) {
        answer(self.pago(Method::POST, path).header("x-idempotency-key", key).json(body)).await
    }

    pub(crate) async fn put(&self, path: &str, key: &str, body: &Value) -> (u16, Value) {
        answer(self.pago(Method::PUT, path).header("x-idempotency-key", key).json(body)).await
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        answer(self.pago(Method::GET, path)).await
    }

    pub(crate) async fn turn(&self, knobs: Value) {
        let (status, body) = answer(self.client.post(self.url("/sandbox/knobs")).json(&knobs)).await;
        assert_eq!(status, 200, "{body}");
    }
}

async fn open(dir: &TempDir) -> Running {
    let mut config = SandboxConfig::new(dir.path());
    config.ladder = vec![Duration::from_millis(50); 3];
    Sandbox::start(config).await.unwrap()
}

fn client() -> Client {
    vitrina_outgoing::client().no_proxy().timeout(LIMIT).build().unwrap()
}

pub(crate) async fn answer(request: RequestBuilder) -> (u16, Value) {
    let response: Response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// A payment by card that is asked for.
pub(crate) fn payment(holder: &str) -> Value {
    json!({
        "transaction_amount": 1234.5,
        "token": holder,
        "installments": 1,
        "external_reference": "ord_1",
        "payer": { "email": "ana@example.com" },
    })
}

/// What somebody was notified of.
#[derive(Clone)]
pub(crate) struct Heard {
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Heard {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap().to_str().unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// Somebody who is notified, and answers as told.
#[derive(Clone)]
pub(crate) struct Ear {
    pub(crate) url: String,
    heard: Arc<Mutex<Vec<Heard>>>,
    /// The next answers; 200 when there is none.
    answers: Arc<Mutex<Vec<u16>>>,
}

impl Ear {
    pub(crate) async fn open() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let ear = Self { url, heard: Arc::default(), answers: Arc::default() };
        let router = Router::new().fallback(hear).with_state(ear.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        ear
    }

    /// Answers these next, last one first.
    pub(crate) fn will_answer(&self, statuses: &[u16]) {
        self.answers.lock().unwrap().extend(statuses);
    }

    /// Waits until so many were heard.
    pub(crate) async fn hears(&self, count: usize) -> Vec<Heard> {
        let heard = || self.heard.lock().unwrap().clone();
        until(&format!("{count} notifications"), || heard().len() >= count).await;
        heard()
    }

    pub(crate) fn count(&self) -> usize {
        self.heard.lock().unwrap().len()
    }
}

async fn hear(State(ear): State<Ear>, uri: Uri, headers: HeaderMap, body: Bytes) -> StatusCode {
    ear.heard.lock().unwrap().push(Heard { uri, headers, body });
    let status = ear.answers.lock().unwrap().pop();
    StatusCode::from_u16(status.unwrap_or(200)).unwrap()
}

/// Waits for a condition.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < LIMIT, "waited too long for {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
