//! Random requests, made from the OpenAPI document, never break the shop: no 5xx but the 501 of what is not there, no panic.

use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::{Map, Value, json};
use vitrina_bench::{Answer, Client, Shop, Way, story};

fn requests() -> usize {
    std::env::var("REQUESTS").map_or(1_500, |requests| requests.parse().expect("REQUESTS is a number"))
}

#[tokio::test(flavor = "multi_thread")]
async fn random_requests_never_break_the_shop() {
    let seed = std::env::var("SEED").map_or_else(|_| rand::random(), |seed| seed.parse().expect("a number"));
    println!("SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let shop = Shop::start(Way::OneProcess).await;
    let client = shop.client();
    let seller = story::seller(&client, "fuzz").await;
    let (product, publication) = story::publication(&seller, "Azar").await;
    let ids = [product, publication, seller.id.clone(), "pub_1".to_owned(), "🦀".to_owned(), String::new()];
    let document = client.get("/openapi.json").await.expect(200).json;
    let operations = operations(&document);
    assert!(operations.len() > 30, "the document names too little");
    for _ in 0..requests() {
        let operation = operations.choose(&mut random).expect("it is not empty");
        let caller = if random.gen_bool(0.8) { &seller.client } else { &client };
        // An account that deletes itself or logs out would turn the rest into 401.
        if ["deleteMe", "logout"].iter().any(|end| operation.id.to_lowercase().contains(&end.to_lowercase()))
        {
            continue;
        }
        let path = fill(&operation.path, &ids, &mut random);
        let method = operation.method.parse().expect("OpenAPI's methods are HTTP's");
        let mut request = caller.request(method, &path);
        if random.gen_bool(0.2) {
            request = request.header("idempotency-key", "k".repeat(random.gen_range(1..300)));
        }
        let body = operation.body.as_ref().map(|schema| value(schema, &document, &mut random, 0));
        if let Some(body) = &body {
            request = request.json(body);
        }
        let answer = settled(caller, request).await;
        let told = format!("{} {path} {body:?}: {answer:#?}", operation.method);
        assert!(answer.status < 500 || answer.status == 501, "{told}");
        if answer.status >= 400 {
            assert!(
                answer.json["code"].is_string() && answer.json["traceId"].is_string(),
                "no problem document: {told}"
            );
        }
    }
    assert!(!shop.log().contains("panicked"), "{}", shop.log());
}

/// The answer; a shop that is told by 503 or 504 to be too busy is asked again, since a loaded disk is no defect.
async fn settled(caller: &Client, request: reqwest::RequestBuilder) -> Answer {
    let again = |request: &reqwest::RequestBuilder| request.try_clone().expect("the body is in memory");
    let mut answer = caller.send(again(&request)).await;
    for _ in 0..5 {
        if ![503, 504].contains(&answer.status) {
            break;
        }
        answer = caller.send(again(&request)).await;
    }
    answer
}

struct Operation {
    id: String,
    method: String,
    path: String,
    body: Option<Value>,
}

fn operations(document: &Value) -> Vec<Operation> {
    let paths = document["paths"].as_object().expect("there are paths");
    let each = paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().into_iter().flatten();
        methods.filter(|(_, operation)| operation.get("responses").is_some()).map(
            move |(method, operation)| Operation {
                id: operation["operationId"].as_str().unwrap_or_default().to_owned(),
                method: method.to_uppercase(),
                path: path.clone(),
                body: operation.pointer("/requestBody/content/application~1json/schema").cloned(),
            },
        )
    });
    each.collect()
}

fn fill(path: &str, ids: &[String], random: &mut StdRng) -> String {
    let mut filled = String::new();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('{') {
        let (_, after) = after.split_once('}').unwrap_or((after, ""));
        filled.push_str(before);
        filled.push_str(ids.choose(random).expect("there are ids"));
        rest = after;
    }
    filled.push_str(rest);
    if random.gen_bool(0.3) {
        let odd = [
            "limit=0",
            "limit=x",
            "q=%00%ff",
            "cursor=AAAA",
            "minPrice=-1",
            "sort=up",
            "q=a\"b(c",
            "q=%2B%2D",
        ];
        filled.push('?');
        filled.push_str(odd.choose(random).expect("it is not empty"));
    }
    filled
}

/// A value that fits the schema, mostly.
fn value(schema: &Value, document: &Value, random: &mut StdRng, depth: usize) -> Value {
    if depth > 6 || random.gen_bool(0.05) {
        return odd(random);
    }
    if let Some(reference) = schema["$ref"].as_str() {
        let target = document.pointer(reference.trim_start_matches('#')).unwrap_or(&Value::Null);
        return value(target, document, random, depth + 1);
    }
    if let Some(values) = schema["enum"].as_array() {
        return values.choose(random).cloned().unwrap_or(Value::Null);
    }
    let kind = schema["type"].as_str().or_else(|| schema["type"][0].as_str()).unwrap_or_default();
    match kind {
        "object" => object(schema, document, random, depth),
        "array" => {
            let count = random.gen_range(0..4);
            (0..count).map(|_| value(&schema["items"], document, random, depth + 1)).collect()
        }
        "integer" | "number" => json!(random.gen_range(-5..1_000_000)),
        "boolean" => json!(random.gen_bool(0.5)),
        _ => json!(text(random)),
    }
}

fn object(schema: &Value, document: &Value, random: &mut StdRng, depth: usize) -> Value {
    let mut object = Map::new();
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        if random.gen_bool(0.85) {
            object.insert(name.clone(), value(property, document, random, depth + 1));
        }
    }
    if random.gen_bool(0.05) {
        object.insert("unknown".to_owned(), odd(random));
    }
    Value::Object(object)
}

fn text(random: &mut StdRng) -> String {
    let texts = [
        "",
        "a",
        "NEW",
        "ARS",
        "Ünïcödé 🦀",
        "2026-13-45T99:00:00Z",
        "2030-01-01T00:00:00Z",
        "x@example.com",
        "\0",
    ];
    if random.gen_bool(0.05) {
        return "ñ".repeat(random.gen_range(100..5_000));
    }
    (*texts.choose(random).expect("it is not empty")).to_owned()
}

fn odd(random: &mut StdRng) -> Value {
    let values = [
        json!(null),
        json!(-1),
        json!(1e300),
        json!([]),
        json!({}),
        json!("x"),
        json!(true),
        json!([[[[]]]]),
    ];
    values.choose(random).cloned().unwrap_or(Value::Null)
}
