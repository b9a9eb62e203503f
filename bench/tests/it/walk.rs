//! Walks the contract: every route answers an anonymous caller, another user and bad input as its guard promises.
//!
//! A route is covered by being in the OpenAPI document; what is no route of the contract is named here with its reason,
//! and a route that has an id of something private must be listed in [`PRIVATE`], so that a new one fails until somebody
//! has said whose it is.

use serde_json::{Value, json};
use vitrina_bench::story::{self, Person};
use vitrina_bench::{Answer, Client, Shop, Way};

/// Routes to a thing that belongs to somebody, and how another seller is told off.
const PRIVATE: [(&str, &str, &[u16]); 37] = [
    ("GET", "/v1/products/{id}", &[404]),
    ("PATCH", "/v1/products/{id}", &[404]),
    ("DELETE", "/v1/products/{id}", &[404]),
    ("PUT", "/v1/products/{id}/offer", &[404]),
    ("DELETE", "/v1/products/{id}/offer", &[404]),
    ("POST", "/v1/products/{id}/stock-adjustments", &[404]),
    ("PATCH", "/v1/publications/{id}", &[403, 404]),
    ("DELETE", "/v1/publications/{id}", &[403, 404]),
    ("PUT", "/v1/publications/{id}/status", &[403, 404]),
    ("POST", "/v1/questions/{id}/answer", &[403, 404]),
    ("DELETE", "/v1/questions/{id}", &[403, 404]),
    ("PATCH", "/v1/me/addresses/{id}", &[404]),
    ("DELETE", "/v1/me/addresses/{id}", &[404]),
    ("GET", "/v1/me/bank-accounts/{id}", &[404]),
    ("PATCH", "/v1/me/bank-accounts/{id}", &[404]),
    ("DELETE", "/v1/me/bank-accounts/{id}", &[404]),
    // The key is the caller's own: another's device or wish is simply not there.
    ("DELETE", "/v1/me/devices/{token}", &[204, 404]),
    ("DELETE", "/v1/me/wishlist/{publicationId}", &[204]),
    // The body is looked at first: an empty one tells nothing about the product.
    ("POST", "/v1/products/{productId}/images", &[400, 404, 415]),
    ("PUT", "/v1/products/{productId}/images/order", &[403, 404]),
    ("DELETE", "/v1/images/{id}", &[403, 404]),
    ("POST", "/v1/images/uploads/{id}/complete", &[404]),
    ("GET", "/v1/carts/{id}", &[404]),
    ("POST", "/v1/carts/{id}/items", &[404]),
    ("PATCH", "/v1/carts/{id}/items/{lineId}", &[404]),
    ("DELETE", "/v1/carts/{id}/items/{lineId}", &[404]),
    ("POST", "/v1/carts/{id}/merge", &[404]),
    ("POST", "/v1/carts/{id}/checkout", &[404]),
    ("GET", "/v1/pages/cart/{id}", &[404]),
    ("GET", "/v1/orders/{id}", &[404]),
    ("GET", "/v1/pages/orders/{id}", &[404]),
    ("GET", "/v1/orders/{id}/events", &[404]),
    ("GET", "/v1/orders/{id}/refunds", &[404]),
    ("GET", "/v1/orders/{id}/review", &[404]),
    // No operation is kept yet, so another's is not there either.
    ("GET", "/v1/operations/{id}", &[404]),
    ("PATCH", "/v1/returns/{id}", &[404]),
    ("POST", "/v1/me/notifications/{id}/read", &[404]),
];

/// Moves of an order, which only its parties make.
const MOVES: [&str; 8] =
    ["cancel", "confirm-payment", "ship", "finish", "retry-payment", "refunds", "returns", "review"];

/// Routes with an id that anybody may read or that creates the caller's own thing under it.
const OPEN: [(&str, &str); 13] = [
    ("GET", "/v1/sellers/{id}"),
    ("GET", "/v1/publications/{id}"),
    ("GET", "/v1/publications/{id}/related"),
    ("GET", "/v1/publications/{publicationId}/availability"),
    ("GET", "/v1/publications/{publicationId}/questions"),
    ("POST", "/v1/publications/{publicationId}/questions"),
    ("PUT", "/v1/me/devices/{token}"),
    ("PUT", "/v1/me/wishlist/{publicationId}"),
    ("GET", "/v1/pages/publications/{id}"),
    ("GET", "/v1/pages/sellers/{id}"),
    ("GET", "/v1/sellers/{sellerId}/reviews"),
    ("GET", "/v1/products/{productId}/images"),
    ("GET", "/v1/images/{id}/{variant}"),
];

struct Route {
    method: String,
    path: String,
    needs_token: bool,
    schema: Option<Value>,
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_is_guarded_and_refuses_bad_input() {
    let shop = Shop::start(Way::OneProcess).await;
    let client = shop.client();
    let owner = story::seller(&client, "owner").await;
    let other = story::seller(&client, "other").await;
    let asker = story::person(&client, "asker").await;
    let third = story::seller(&client, "third").await;
    let things = Things::make(&owner, &asker, &third).await;
    let document = client.get("/openapi.json").await.expect(200).json;
    let mut walk = Walk { client, owner, other, things, document, wrong: Vec::new(), walked: 0 };
    for route in routes(&walk.document) {
        walk.visit(&route).await;
    }
    assert!(walk.wrong.is_empty(), "{}", walk.wrong.join("\n\n"));
    assert!(walk.walked >= 80, "only {} routes were walked", walk.walked);
    walk.things.are_untouched(&walk.owner).await;
}

/// The walk, and everything that was found wrong on it.
struct Walk {
    client: Client,
    owner: Person,
    other: Person,
    things: Things,
    document: Value,
    wrong: Vec<String>,
    walked: usize,
}

impl Walk {
    async fn visit(&mut self, route: &Route) {
        let nobody = self.client.clone();
        let anonymous = self.send(&nobody, route, route.schema.as_ref().map(|_| json!({}))).await;
        if anonymous.status == 501 {
            return;
        }
        self.walked += 1;
        self.check(!route.needs_token || anonymous.status == 401, route, "lets anybody in", &anonymous);
        // What an outside provider sends is its own business; it is believed by its signature.
        let is_ours = !route.path.starts_with("/v1/webhooks/");
        if let Some(schema) = route.schema.as_ref().filter(|_| is_ours) {
            self.check_input(route, schema).await;
        }
        if route.path.contains('{') {
            self.check_privacy(route).await;
        }
    }

    async fn check_input(&mut self, route: &Route, schema: &Value) {
        let owner = self.owner.client.clone();
        let answer = self.send(&owner, route, Some(json!({"noSuchField": 1}))).await;
        let is_named = answer.status == 400 && answer.text.contains("noSuchField");
        self.check(is_named, route, "does not name an unknown field", &answer);
        if has_required(schema, &self.document) {
            let answer = self.send(&owner, route, Some(json!({}))).await;
            let is_named = answer.json["errors"].as_array().is_some_and(|errors| !errors.is_empty());
            self.check(answer.status == 400 && is_named, route, "takes an empty body", &answer);
        }
    }

    async fn check_privacy(&mut self, route: &Route) {
        let is_here = |method: &str, path: &str| method == route.method && path == route.path;
        let is_open = OPEN.iter().any(|(method, path)| is_here(method, path));
        let private = PRIVATE.iter().find(|(method, path, _)| is_here(method, path));
        let is_move = MOVES.iter().any(|name| is_here("POST", &format!("/v1/orders/{{id}}/{name}")));
        let ways = [is_open, private.is_some(), is_move].into_iter().filter(|way| *way).count();
        if ways != 1 {
            self.wrong
                .push(format!("{} {} has an id: say in this file whose it is", route.method, route.path));
        }
        let statuses = private.map(|(_, _, statuses)| *statuses).or(is_move.then_some(&[404]));
        if let Some(statuses) = statuses {
            let other = self.other.client.clone();
            let answer =
                self.send(&other, route, route.schema.as_ref().map(|_| valid_body(&route.path))).await;
            self.check(statuses.contains(&answer.status), route, "does not hide another's", &answer);
        }
    }

    async fn send(&self, caller: &Client, route: &Route, body: Option<Value>) -> Answer {
        let method = route.method.parse().expect("OpenAPI's methods are HTTP's");
        let request = caller.request(method, &self.things.fill(&route.path));
        let request = request.header("idempotency-key", "walk");
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        caller.send(request).await
    }

    fn check(&mut self, holds: bool, route: &Route, what: &str, answer: &Answer) {
        if !holds {
            let (status, text) = (answer.status, &answer.text);
            self.wrong.push(format!("{} {} {what}: {status} {text}", route.method, route.path));
        }
    }
}

struct Things {
    product: String,
    publication: String,
    question: String,
    address: String,
    bank_account: String,
    seller: String,
    cart: String,
    line: String,
    order: String,
    notification: String,
}

impl Things {
    async fn make(owner: &Person, asker: &Person, asker_shop: &Person) -> Things {
        let (product, publication) = story::publication(owner, "De Ana").await;
        let path = format!("/v1/publications/{publication}/questions");
        let question = asker.client.post(&path, &json!({"text": "¿Anda?"})).await.expect(201).text_at("/id");
        let address = json!({"recipient": "Ana", "street": "Mitre 1", "city": "Rosario", "region": "Santa Fe",
            "postalCode": "2000", "country": "AR"});
        let address = owner.client.post("/v1/me/addresses", &address).await.expect(201).text_at("/id");
        let account = json!({"bankName": "Nación", "holderName": "Ana Paz", "accountType": "SAVINGS",
            "holderIdentity": {"type": "DNI", "number": "30111222"}, "scheme": "CBU",
            "number": "2850590940090418135201"});
        let account = owner.client.post("/v1/me/bank-accounts", &account).await.expect(201);
        assert!(account.text_at("/number").ends_with("5201") && !account.text.contains("285059094009"));
        let bank_account = account.text_at("/id");
        let (_, other_publication) = story::publication(asker_shop, "De Otra").await;
        let cart = owner.client.post("/v1/carts", &json!({})).await.expect(201).text_at("/id");
        let item = json!({"publicationId": other_publication, "quantity": 1});
        let items = format!("/v1/carts/{cart}/items");
        let line = owner.client.post(&items, &item).await.expect(201).text_at("/lines/0/id");
        let buy = json!({"publicationId": other_publication, "quantity": 1, "addressId": address, "paymentMethod": "MANUAL"});
        let request =
            owner.client.request(reqwest::Method::POST, "/v1/orders").header("idempotency-key", "buy");
        let order = owner.client.send(request.json(&buy)).await.expect(201).text_at("/orders/0/id");
        let inbox = owner.client.get_until("/v1/me/notifications", |inbox| inbox.json["unread"] != 0).await;
        let (seller, notification) = (owner.id.clone(), inbox.text_at("/items/0/id"));
        Things {
            product,
            publication,
            question,
            address,
            bank_account,
            seller,
            cart,
            line,
            order,
            notification,
        }
    }

    fn fill(&self, path: &str) -> String {
        let id = match path {
            path if path.contains("/addresses/") => &self.address,
            path if path.contains("/bank-accounts/") => &self.bank_account,
            path if path.contains("/questions/") => &self.question,
            path if path.contains("/products/") => &self.product,
            path if path.contains("/sellers/") => &self.seller,
            path if path.contains("/carts/") || path.contains("/cart/") => &self.cart,
            path if path.contains("/orders/") => &self.order,
            path if path.contains("/notifications/") => &self.notification,
            _ => &self.publication,
        };
        path.replace("{id}", id)
            .replace("{token}", "device")
            .replace("{publicationId}", &self.publication)
            .replace("{productId}", &self.product)
            .replace("{sellerId}", &self.seller)
            .replace("{lineId}", &self.line)
            .replace("{variant}", "card")
    }

    async fn are_untouched(&self, owner: &Person) {
        owner.client.get(&format!("/v1/products/{}", self.product)).await.expect(200);
        owner.client.get(&format!("/v1/me/bank-accounts/{}", self.bank_account)).await.expect(200);
        let publication =
            owner.client.get(&format!("/v1/publications/{}", self.publication)).await.expect(200);
        assert_eq!(publication.text_at("/status"), "ACTIVE");
        let addresses = owner.client.get("/v1/me/addresses").await.expect(200);
        assert_eq!(addresses.text_at("/items/0/id"), self.address);
    }
}

/// A body that would be fine for the owner.
fn valid_body(path: &str) -> Value {
    match path {
        path if path.ends_with("/offer") => {
            json!({"price": {"minor": 100, "currency": "ARS"}, "endsAt": "2099-01-01T00:00:00Z"})
        }
        path if path.ends_with("/stock-adjustments") => json!({"delta": 1, "reason": "hallado"}),
        path if path.ends_with("/status") => json!({"status": "PAUSED"}),
        path if path.ends_with("/answer") => json!({"text": "No"}),
        path if path.ends_with("/images/order") => json!({"ids": ["img_1"]}),
        path if path.ends_with("/items") => {
            json!({"publicationId": "pub_01a223fa99a5717b8409ecdf7376bde2", "quantity": 1})
        }
        path if path.ends_with("/items/{lineId}") => json!({"quantity": 2}),
        path if path.ends_with("/merge") => json!({"cartToken": "x"}),
        path if path.ends_with("/checkout") => json!({"paymentMethod": "MANUAL"}),
        path if path.ends_with("/returns") => json!({"reason": "roto"}),
        path if path.ends_with("/review") => json!({"rating": 5}),
        path if path.contains("/returns/") => json!({"state": "accepted"}),
        _ => json!({}),
    }
}

fn routes(document: &Value) -> Vec<Route> {
    let paths = document["paths"].as_object().expect("there are paths");
    let each = paths.iter().flat_map(|(path, item)| {
        item.as_object()
            .into_iter()
            .flatten()
            .filter(|(_, operation)| operation.get("responses").is_some())
            .map(move |(method, operation)| Route {
                method: method.to_uppercase(),
                path: path.clone(),
                needs_token: operation["security"].as_array().is_some_and(|ways| {
                    // An empty requirement among the ways means that a token is optional.
                    !ways.is_empty()
                        && ways.iter().all(|way| way.as_object().is_some_and(|way| !way.is_empty()))
                }),
                schema: operation.pointer("/requestBody/content/application~1json/schema").cloned(),
            })
    });
    each.collect()
}

fn has_required(schema: &Value, document: &Value) -> bool {
    let schema = match schema["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap_or(&Value::Null),
        None => schema,
    };
    schema["required"].as_array().is_some_and(|required| !required.is_empty())
}
