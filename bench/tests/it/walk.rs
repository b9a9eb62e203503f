//! Walks the contract: every route answers an anonymous caller, another user and bad input as its guard promises.
//!
//! A route is covered by being in the OpenAPI document; what is no route of the contract is named here with its reason,
//! and a route that has an id of something private must be listed in [`PRIVATE`], so that a new one fails until somebody
//! has said whose it is.

use serde_json::{Value, json};
use vitrina_bench::story::{self, Person};
use vitrina_bench::{Shop, Way};

/// Routes to a thing that belongs to somebody, and how another seller is told off.
const PRIVATE: [(&str, &str, &[u16]); 18] = [
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
];

/// Routes with an id that anybody may read or that creates the caller's own thing under it.
const OPEN: [(&str, &str); 11] = [
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
    ("GET", "/v1/pages/orders/{id}"),
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
    let things = Things::make(&owner, &asker).await;
    let document = client.get("/openapi.json").await.expect(200).json;
    let mut walked = 0;
    for route in routes(&document) {
        let told = format!("{} {}", route.method, route.path);
        let path = things.fill(&route.path);
        let send = |person: Option<&Person>, body: Option<Value>| {
            let caller = person.map_or(client.clone(), |person| person.client.clone());
            let method = route.method.parse().expect("OpenAPI's methods are HTTP's");
            let request = caller.request(method, &path).header("idempotency-key", "walk");
            let request = match body {
                Some(body) => request.json(&body),
                None => request,
            };
            async move { caller.send(request).await }
        };
        let anonymous = send(None, route.schema.as_ref().map(|_| json!({}))).await;
        if anonymous.status == 501 {
            continue;
        }
        walked += 1;
        if route.needs_token {
            assert_eq!(anonymous.status, 401, "{told} lets anybody in: {anonymous:#?}");
        }
        if let Some(schema) = &route.schema {
            let answer = send(Some(&owner), Some(json!({"noSuchField": 1}))).await;
            assert_eq!(answer.status, 400, "{told} takes an unknown field: {answer:#?}");
            assert!(
                answer.text.contains("noSuchField"),
                "{told} does not name the unknown field: {answer:#?}"
            );
            if has_required(schema, &document) {
                let answer = send(Some(&owner), Some(json!({}))).await;
                let is_refused =
                    answer.status == 400 && answer.json["errors"].as_array().is_some_and(|e| !e.is_empty());
                assert!(is_refused, "{told} takes an empty body: {answer:#?}");
            }
        }
        if !route.path.contains('{') {
            continue;
        }
        let is_open = OPEN.iter().any(|(method, path)| *method == route.method && *path == route.path);
        let private = PRIVATE.iter().find(|(method, path, _)| *method == route.method && *path == route.path);
        assert!(is_open != private.is_some(), "{told} has an id: say in this file whose it is");
        if let Some((_, _, statuses)) = private {
            let body = route.schema.as_ref().map(|_| valid_body(&route.path));
            let answer = send(Some(&other), body).await;
            assert!(statuses.contains(&answer.status), "{told} of another: {answer:#?}");
        }
    }
    assert!(walked >= 45, "only {walked} routes were walked");
    things.are_untouched(&owner).await;
}

struct Things {
    product: String,
    publication: String,
    question: String,
    address: String,
    bank_account: String,
    seller: String,
}

impl Things {
    async fn make(owner: &Person, asker: &Person) -> Things {
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
        Things { product, publication, question, address, bank_account, seller: owner.id.clone() }
    }

    fn fill(&self, path: &str) -> String {
        let id = match path {
            path if path.contains("/addresses/") => &self.address,
            path if path.contains("/bank-accounts/") => &self.bank_account,
            path if path.contains("/questions/") => &self.question,
            path if path.contains("/products/") => &self.product,
            path if path.contains("/sellers/") => &self.seller,
            _ => &self.publication,
        };
        path.replace("{id}", id).replace("{token}", "device").replace("{publicationId}", &self.publication)
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
