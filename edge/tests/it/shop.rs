//! The edge in front of the real users and products services, called in process.

use std::time::Duration;

use reqwest::{Method, Response};
use serde_json::{Value, json};
use vitrina_chassis::{Running, testing};
use vitrina_edge::{Edge, EdgeConfig, Upstreams};
use vitrina_users::PasswordCost;

use crate::support::{LIMIT, check_problem, free};

struct Real {
    edge: vitrina_edge::Running,
    services: Vec<Running>,
    http: reqwest::Client,
    /// Removed when the shop is closed.
    _dirs: Vec<tempfile::TempDir>,
}

impl Real {
    async fn open() -> Self {
        let (users_context, users_dir) = testing::context();
        let (products_context, products_dir) = testing::context();
        // The clock of the tests stands still; tokens are checked against the real one.
        let users_context = real_time(users_context);
        let products_context = real_time(products_context);
        let broker = users_context.broker.clone();
        let config = vitrina_users::Config {
            password_cost: PasswordCost::LEAST,
            ..vitrina_users::Config::new([42; 32])
        };
        let users = vitrina_users::start(users_context.clone(), config).unwrap();
        let products = vitrina_products::start(products_context.clone(), vitrina_products::Config::default());
        let services = vec![
            vitrina_chassis::start(users_context, users).unwrap(),
            vitrina_chassis::start(products_context, products).unwrap(),
        ];
        let upstreams = services.iter().fold(Upstreams::new(), |upstreams, service| {
            upstreams.in_process(service.name(), service.in_process())
        });
        let config = EdgeConfig { listen: free(), admin_listen: free(), ..EdgeConfig::default() };
        let edge = Edge::start(config, upstreams, Some(broker)).await.unwrap();
        Self {
            edge,
            services,
            http: vitrina_outgoing::client().build().unwrap(),
            _dirs: vec![users_dir, products_dir],
        }
    }

    fn request(&self, method: Method, path: &str, token: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("http://{}{path}", self.edge.addr)).timeout(LIMIT);
        if token.is_empty() { request } else { request.bearer_auth(token) }
    }

    async fn post(&self, path: &str, token: &str, body: Value) -> Response {
        self.request(Method::POST, path, token).json(&body).send().await.unwrap()
    }

    async fn register(&self, name: &str) -> Value {
        let body = json!({
            "email": format!("{name}@shop.example"), "username": name, "password": "correct horse battery",
            "firstName": name, "lastName": "Test",
        });
        let answer = self.post("/v1/auth/register", "", body).await;
        assert_eq!(answer.status(), 201);
        answer.json().await.unwrap()
    }

    async fn close(self) {
        self.edge.drain().await;
        for service in self.services {
            service.drain(Duration::from_secs(10)).await;
        }
    }
}

fn real_time(mut context: vitrina_chassis::Context) -> vitrina_chassis::Context {
    context.clock = vitrina_chassis::Clock::system();
    context
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_becomes_a_seller_and_offers_a_product() {
    let shop = Real::open().await;
    let session = shop.register("ana").await;
    let token = text(&session, "accessToken");
    let me: Value = shop.request(Method::GET, "/v1/me", token).send().await.unwrap().json().await.unwrap();
    assert_eq!(me["username"], "ana");

    let product = json!({
        "name": "Radio", "condition": "NEW", "category": "electronics/audio",
        "price": {"minor": 598_000, "currency": "ARS"}, "stock": {"onHand": 3},
    });
    check_problem(shop.post("/v1/products", token, product.clone()).await, 403, "seller_required").await;
    let answer = shop.post("/v1/me/seller", token, json!({"displayName": "Ana's"})).await;
    assert_eq!(answer.status(), 201);
    let answer = shop.post("/v1/products", token, product).await;
    assert_eq!(answer.status(), 201);
    let location = answer.headers()["location"].to_str().unwrap().to_owned();
    let created: Value = answer.json().await.unwrap();
    assert_eq!(location, format!("/v1/products/{}", text(&created, "id")));
    let read: Value = shop.request(Method::GET, &location, token).send().await.unwrap().json().await.unwrap();
    assert_eq!(read["stock"]["available"], 3);

    let other = shop.register("eve").await;
    let answer = shop.request(Method::GET, &location, text(&other, "accessToken")).send().await.unwrap();
    check_problem(answer, 403, "seller_required").await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_guards_a_change_and_a_key_repeats_it() {
    let shop = Real::open().await;
    let session = shop.register("ana").await;
    let token = text(&session, "accessToken");
    let answer = shop.request(Method::GET, "/v1/me", token).send().await.unwrap();
    let tag = answer.headers()["etag"].to_str().unwrap().to_owned();
    let patch = |name: &str| {
        let request = shop.request(Method::PATCH, "/v1/me", token).header("if-match", &tag);
        request.json(&json!({"firstName": name})).send()
    };
    assert_eq!(patch("Ann").await.unwrap().status(), 200);
    assert_eq!(patch("Anne").await.unwrap().status(), 412);

    let add = |city: &str| {
        let address = json!({
            "recipient": "Ana", "street": "Calle 1", "city": city, "region": "BA", "postalCode": "1000", "country": "AR",
        });
        shop.request(Method::POST, "/v1/me/addresses", token)
            .header("idempotency-key", "k-1")
            .json(&address)
            .send()
    };
    let first = add("Bahía").await.unwrap();
    assert_eq!(first.status(), 201);
    let first: Value = first.json().await.unwrap();
    let again = add("Bahía").await.unwrap();
    assert_eq!(again.headers()["idempotent-replayed"], "true");
    assert_eq!(again.json::<Value>().await.unwrap(), first);
    assert_eq!(add("Salta").await.unwrap().status(), 422);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_is_named_field_by_field() {
    let shop = Real::open().await;
    let answer = shop.post("/v1/auth/register", "", json!({"email": "no", "username": "A!"})).await;
    let problem: Value = answer.json().await.unwrap();
    assert_eq!(problem["status"], 400);
    let fields: Vec<&str> =
        problem["errors"].as_array().unwrap().iter().map(|error| text(error, "field")).collect();
    for field in ["email", "username", "password", "firstName", "lastName"] {
        assert!(fields.contains(&field), "{problem}");
    }
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_out_ends_the_session_at_once() {
    let shop = Real::open().await;
    let session = shop.register("ana").await;
    let token = text(&session, "accessToken");
    let body = json!({"refreshToken": text(&session, "refreshToken")});
    assert_eq!(shop.post("/v1/auth/logout", "", body).await.status(), 204);
    let answer = shop.request(Method::GET, "/v1/me", token).send().await.unwrap();
    check_problem(answer, 401, "session_ended").await;
    shop.close().await;
}
