//! The payment provider of the tests: the sandbox, a webhook that hands its notifications on, and a person who pays.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use tempfile::TempDir;
use tonic::{Code, Request, Status};
use vitrina_chassis::Transport;
use vitrina_orders::{Config, MercadoPago};
use vitrina_proto::orders::v1::{self as pb, orders_client::OrdersClient};
use vitrina_sandbox::{Sandbox, SandboxConfig};

use crate::mall::Mall;

const TOKEN: &str = "TEST-vitrina";
const SECRET: &str = "vitrina-webhook-secret";

/// Where notifications go; `None`: they get lost.
type Target = Arc<Mutex<Option<OrdersClient<Transport>>>>;

pub(crate) struct Bank {
    url: String,
    webhook: String,
    http: reqwest::Client,
    target: Target,
    _sandbox: vitrina_sandbox::Running,
    _dir: TempDir,
}

impl Bank {
    pub(crate) async fn open() -> Bank {
        let dir = TempDir::new().expect("there is room");
        let sandbox = Sandbox::start(SandboxConfig::new(dir.path())).await.expect("the sandbox starts");
        let target = Target::default();
        let app = Router::new().route("/hook", post(hand_on)).with_state(Arc::clone(&target));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("there is a port");
        let webhook = format!("http://{}/hook", listener.local_addr().expect("it has an address"));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Bank {
            url: sandbox.url(),
            webhook,
            http: vitrina_outgoing::client().build().expect("a client is made"),
            target,
            _sandbox: sandbox,
            _dir: dir,
        }
    }

    /// A mall whose automatic orders are paid here; notifications reach it.
    pub(crate) async fn mall(&self, set: impl FnOnce(&mut Config)) -> Mall {
        let mall = Mall::with(|config| {
            self.set(config);
            set(config);
        })
        .await;
        self.attach(&mall);
        mall
    }

    /// Points the settings here.
    pub(crate) fn set(&self, config: &mut Config) {
        let provider = MercadoPago::new(&self.url, TOKEN, SECRET, &self.webhook);
        config.mercadopago = Some(MercadoPago { timeout_ms: 1000, ..provider });
        config.lookup_interval_ms = 3_600_000;
    }

    /// Sends notifications to this mall from now on.
    pub(crate) fn attach(&self, mall: &Mall) {
        *self.target.lock().expect("nobody panicked") = Some(mall.client());
    }

    /// Loses notifications from now on: they are taken and forgotten.
    pub(crate) fn detach(&self) {
        *self.target.lock().expect("nobody panicked") = None;
    }

    /// Lets the provider misbehave, or behave again with `{}`.
    pub(crate) async fn misbehave(&self, mut how: Value) {
        how["provider"] = json!("mercadopago");
        self.post("/sandbox/knobs", &how).await;
    }

    /// Pays where the order sends the buyer; gives the payment's id.
    pub(crate) async fn pay(&self, order: &pb::Order, result: &str) -> String {
        self.pay_at(&preference(order), result).await
    }

    /// Pays a preference.
    pub(crate) async fn pay_at(&self, preference: &str, result: &str) -> String {
        let paid = self.post("/checkout/v1/pay", &json!({ "pref_id": preference, "result": result })).await;
        paid["id"].to_string()
    }

    /// Decides about a payment that is pending.
    pub(crate) async fn settle(&self, payment: &str, status: &str) {
        self.post(&format!("/sandbox/payments/{payment}"), &json!({ "status": status })).await;
    }

    /// Changes what a preference costs behind the shop's back.
    pub(crate) async fn reprice(&self, order: &pb::Order, currency: &str, price: f64) {
        let url = format!("{}/checkout/preferences/{}", self.url, preference(order));
        let items = json!([{ "title": "x", "quantity": 1, "currency_id": currency, "unit_price": price }]);
        let request = self.http.put(url).bearer_auth(TOKEN).header("x-idempotency-key", "reprice");
        let answer = request.json(&json!({ "items": items })).send().await.expect("the sandbox answers");
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap_or_default());
    }

    /// What was charged and not given back, in minor units.
    pub(crate) async fn kept_minor(&self) -> i64 {
        let answer = self.http.get(format!("{}/sandbox/payments", self.url)).send().await;
        let payments: Value = answer.expect("the sandbox answers").json().await.expect("JSON");
        let minor = |value: &Value| (value.as_f64().unwrap_or_default() * 100.0).round() as i64;
        let payments = payments.as_array().expect("a list").iter();
        payments
            .filter(|payment| matches!(payment["status"].as_str(), Some("approved" | "refunded")))
            .map(|payment| {
                minor(&payment["transaction_amount"]) - minor(&payment["transaction_amount_refunded"])
            })
            .sum()
    }

    async fn post(&self, path: &str, body: &Value) -> Value {
        let answer = self.http.post(format!("{}{path}", self.url)).json(body).send().await;
        let answer = answer.expect("the sandbox answers");
        assert!(answer.status().is_success(), "{path}: {}", answer.text().await.unwrap_or_default());
        answer.json().await.unwrap_or_default()
    }
}

/// A notification that is signed with a secret at a time in seconds.
pub(crate) fn notification(payment: &str, id: u32, (secret, ts): (&str, u64)) -> pb::PaymentNotification {
    let request_id = format!("r-{id}");
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key of any length");
    mac.update(format!("id:{payment};request-id:{request_id};ts:{ts};").as_bytes());
    let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    pb::PaymentNotification {
        body: json!({ "id": id, "type": "payment", "data": { "id": payment } }).to_string().into_bytes(),
        headers: BTreeMap::from([
            ("x-signature".to_owned(), format!("ts={ts},v1={hex}")),
            ("x-request-id".to_owned(), request_id),
        ]),
        data_id: Some(payment.to_owned()),
        r#type: Some("payment".to_owned()),
    }
}

/// The secret that the shop knows.
pub(crate) fn secret() -> &'static str {
    SECRET
}

/// The preference that an order sends its buyer to.
pub(crate) fn preference(order: &pb::Order) -> String {
    let url = order.payment.as_ref().and_then(|payment| payment.redirect_url.clone());
    let url = url.expect("the buyer is sent somewhere");
    url.split_once("pref_id=").expect("it names a preference").1.to_owned()
}

/// As the edge does it.
async fn hand_on(
    State(target): State<Target>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let client = target.lock().expect("nobody panicked").clone();
    let Some(mut client) = client else { return StatusCode::OK };
    let query = query.unwrap_or_default();
    let value = |name: &str| {
        query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find(|(key, _)| *key == name)
            .map(|(_, v)| v.to_owned())
    };
    let headers =
        headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned()));
    let request = pb::PaymentNotification {
        body: body.to_vec(),
        headers: headers.collect(),
        data_id: value("data.id"),
        r#type: value("type"),
    };
    match client.receive_payment(Request::new(request)).await {
        Ok(_) => StatusCode::OK,
        Err(status) => code(&status),
    }
}

fn code(status: &Status) -> StatusCode {
    match status.code() {
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    }
}
