//! The OpenAPI document.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;
use vitrina_proto::routes::ROUTES;

#[test]
fn the_copy_in_the_repository_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, vitrina_proto::openapi()).unwrap();
    }
    let copy = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        copy == vitrina_proto::openapi(),
        "openapi.json is old: run `UPDATE=1 cargo test -p vitrina-proto`"
    );
}

#[test]
fn every_route_is_described() {
    let document: Value = serde_json::from_str(vitrina_proto::openapi()).unwrap();
    let described: usize =
        document["paths"].as_object().unwrap().values().map(|path| path.as_object().unwrap().len()).sum();
    assert_eq!(described, ROUTES.len());
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            assert!(operation["summary"].is_string(), "{method} {path} has no comment");
            assert!(operation["responses"]["default"].is_object());
        }
    }
}

#[test]
fn every_reference_is_met_and_every_operation_has_its_own_name() {
    let document: Value = serde_json::from_str(vitrina_proto::openapi()).unwrap();
    let mut names = BTreeSet::new();
    check_references(&document, &document, &mut names);
    assert_eq!(names.len(), ROUTES.len());
}

#[test]
fn hidden_fields_are_not_described() {
    assert!(!vitrina_proto::openapi().contains("\"clear\""));
}

#[test]
fn required_fields_are_told() {
    let document: Value = serde_json::from_str(vitrina_proto::openapi()).unwrap();
    let login =
        &document["paths"]["/v1/auth/login"]["post"]["requestBody"]["content"]["application/json"]["schema"];
    assert_eq!(login["required"], serde_json::json!(["login", "password"]));
    assert_eq!(
        document["paths"]["/v1/me/wishlist/{publicationId}"]["put"]["parameters"][0]["name"],
        "publicationId"
    );
}

#[test]
fn only_a_merge_patch_takes_null() {
    let document: Value = serde_json::from_str(vitrina_proto::openapi()).unwrap();
    let body = |path: &str| {
        let path = path.replace('/', "~1");
        let inner = "patch/requestBody/content/application~1json/schema/properties";
        document.pointer(&format!("/paths/{path}/{inner}")).unwrap().clone()
    };
    assert_eq!(body("/v1/me/addresses/{id}")["phone"]["anyOf"][1]["type"], "null");
    assert_eq!(body("/v1/carts/{id}/items/{lineId}")["quantity"]["type"], "integer");
}

#[test]
fn bytes_and_events_are_described_as_what_they_are() {
    let document: Value = serde_json::from_str(vitrina_proto::openapi()).unwrap();
    let types = |path: &str, inner: &str| -> Vec<String> {
        let content = document["paths"][path].pointer(inner).unwrap();
        content.as_object().unwrap().keys().cloned().collect()
    };
    let upload = types("/v1/products/{productId}/images", "/post/requestBody/content");
    assert_eq!(upload, ["application/octet-stream", "image/*", "multipart/form-data"]);
    assert_eq!(types("/v1/webhooks/mercadopago", "/post/requestBody/content"), ["application/json"]);
    for status in ["200", "206"] {
        let types = types("/v1/images/{id}/{variant}", &format!("/get/responses/{status}/content"));
        assert_eq!(types, ["image/jpeg", "image/webp"]);
    }
    assert_eq!(types("/v1/orders/{id}/events", "/get/responses/200/content"), ["text/event-stream"]);
}

fn check_references(document: &Value, value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            if let Some(Value::String(target)) = members.get("$ref") {
                assert!(document.pointer(target.trim_start_matches('#')).is_some(), "{target}");
            }
            if let Some(Value::String(name)) = members.get("operationId") {
                assert!(names.insert(name.clone()), "{name} twice");
            }
            members.values().for_each(|member| check_references(document, member, names));
        }
        Value::Array(items) => items.iter().for_each(|item| check_references(document, item, names)),
        _ => {}
    }
}
