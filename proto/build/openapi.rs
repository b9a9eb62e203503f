//! Writes the OpenAPI 3.1 document: what the contract promises to clients of the HTTP API.

use anyhow::Result;
use prost_reflect::Kind;
use serde_json::{Map, Value, json};

use crate::comments;
use crate::contract::{Body, Contract, Route};
use crate::glue::service_name;
use crate::schemas::{Null, Schemas, with_text};

/// What downloads answer with: pictures are the only ones.
const DOWNLOAD_TYPES: [&str; 2] = ["image/webp", "image/jpeg"];

const EMPTY: &str = "vitrina.common.v1.Empty";

/// The document, indented.
pub(crate) fn write(contract: &Contract) -> Result<String> {
    let mut schemas = Schemas::new(contract);
    let mut paths: Map<String, Value> = Map::new();
    for route in &contract.routes {
        let operation = operation(&mut schemas, route)?;
        let path = paths.entry(public_path(route)).or_insert_with(|| json!({}));
        if let Some(operations) = path.as_object_mut() {
            operations.insert(route.verb.to_ascii_lowercase(), operation);
        }
    }
    let tags: Vec<Value> = contract
        .services
        .iter()
        .map(|service| json!({"name": service_name(service.package_name())}))
        .collect();
    let mut components = schemas.finish();
    components.insert("Problem".to_owned(), problem());
    components.insert("QueuedOperation".to_owned(), queued());
    let document = json!({
        "openapi": "3.1.0",
        "info": {"title": "Vitrina", "version": "1", "description": "A marketplace. Unknown members of a body are \
            refused, unknown query parameters ignored. Amounts of money are in minor units; times are UTC."},
        "servers": [{"url": "/"}],
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": components,
            "responses": {"Problem": {
                "description": "What went wrong (RFC 9457).",
                "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
            }},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "cart": {"type": "apiKey", "in": "header", "name": "X-Cart-Token"},
            },
        },
    });
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

/// Parameters are named in camelCase outside.
fn public_path(route: &Route) -> String {
    route.path_fields.iter().fold(route.path.clone(), |path, field| {
        path.replace(&format!("{{{}}}", field.name()), &format!("{{{}}}", field.json_name()))
    })
}

fn operation(schemas: &mut Schemas<'_>, route: &Route) -> Result<Value> {
    let service = service_name(route.method.parent_service().package_name());
    let mut operation = json!({
        "operationId": format!("{service}{}", route.method.name()),
        "tags": [service],
        "parameters": parameters(schemas, route)?,
        "responses": responses(schemas, route)?,
        "security": security(route),
        "x-deadline-ms": route.options.deadline_ms,
    });
    if let Some(object) = operation.as_object_mut() {
        if let Some(text) = comments::of_method(&route.method) {
            object.insert("summary".to_owned(), Value::String(text));
        }
        if let Some(body) = body(schemas, route)? {
            object.insert("requestBody".to_owned(), body);
        }
        if let Some(cache) = &route.options.cache {
            object.insert("x-cache-max-age-s".to_owned(), json!(cache.max_age_s));
        }
    }
    Ok(operation)
}

fn parameters(schemas: &mut Schemas<'_>, route: &Route) -> Result<Vec<Value>> {
    let mut out = Vec::new();
    let places = route.path_fields.iter().map(|field| (field, "path"));
    for (field, place) in places.chain(route.query_fields.iter().map(|field| (field, "query"))) {
        let mut schema = schemas.field(field)?;
        let text = schema.as_object_mut().and_then(|schema| schema.remove("description"));
        let is_required = place == "path" || schemas.is_required(field);
        let parameter =
            json!({"name": field.json_name(), "in": place, "required": is_required, "schema": schema});
        out.push(with_text(parameter, text.and_then(|text| text.as_str().map(str::to_owned))));
    }
    let header = |name: &str, is_required: bool, text: &str| {
        json!({"name": name, "in": "header", "required": is_required, "description": text,
            "schema": {"type": "string", "minLength": 1, "maxLength": 255}})
    };
    if route.options.key != "Ignored" {
        let text = "The same key and payload get the stored answer; another payload gets 422.";
        out.push(header("Idempotency-Key", route.options.key == "Required", text));
    }
    if route.options.kind == "Download" {
        let range = json!({"name": "Range", "in": "header", "required": false, "schema": {"type": "string"},
            "description": "One range of bytes; several are answered with the whole."});
        out.push(range);
        let tag = json!({"name": "If-None-Match", "in": "header", "required": false, "schema": {"type": "string"},
            "description": "An ETag; the same one gets 304."});
        out.push(tag);
    }
    if matches!(route.verb, "Patch" | "Put" | "Delete") {
        out.push(header("If-Match", false, "An ETag; another version gets 412."));
    }
    Ok(out)
}

fn body(schemas: &mut Schemas<'_>, route: &Route) -> Result<Option<Value>> {
    let json_body = |schema: Value, is_required: bool| json!({"required": is_required, "content": {"application/json": {"schema": schema}}});
    Ok(match &route.body {
        Body::None => None,
        Body::Fields(fields) if fields.is_empty() => None,
        Body::Fields(fields) => {
            // Only a merge-patch that says what to clear tells null from absent.
            let is_patch = route.method.input().get_field_by_name("clear").is_some();
            let null = if is_patch { Null::Clears } else { Null::IsAbsent };
            let schema = schemas.members(fields, null)?;
            let is_required = schema.get("required").is_some();
            Some(json_body(schema, is_required))
        }
        Body::Field(field) => match field.kind() {
            Kind::Message(message) => Some(json_body(schemas.reference(&message)?, true)),
            _ => None,
        },
        Body::Bytes(_) if route.options.kind == "Csv" => {
            Some(json!({"required": true, "content": {"text/csv": {"schema": {"type": "string"}}}}))
        }
        Body::Bytes(_) if route.options.auth == "Signed" => {
            Some(json!({"required": true, "content": {"application/json": {"schema": {}}}}))
        }
        Body::Bytes(_) => Some(json!({
            "description": format!("The bytes, at most {}, alone or as the one file of a form.", route.options.body_bytes_max),
            "required": true,
            "content": {
                "multipart/form-data": {"schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "contentMediaType": "application/octet-stream"}},
                }},
                // OpenAPI 3.1 describes bytes that are no JSON by a media type without a schema.
                "image/*": {},
                "application/octet-stream": {},
            },
        })),
    })
}

fn bytes(description: &str) -> Value {
    let content: Map<String, Value> =
        DOWNLOAD_TYPES.iter().map(|kind| ((*kind).to_owned(), json!({}))).collect();
    json!({
        "description": description,
        "headers": {
            "ETag": {"description": "SHA-256 of the whole.", "schema": {"type": "string"}},
            "Cache-Control": {"description": "The bytes never change.", "schema": {"type": "string"}},
        },
        "content": content,
    })
}

fn responses(schemas: &mut Schemas<'_>, route: &Route) -> Result<Value> {
    let output = route.method.output();
    let success = match route.options.kind.as_str() {
        "Download" => bytes("The bytes."),
        "Events" => {
            let schema = schemas.reference(&output)?;
            let text = "Server-sent events: `data` of each is this JSON on one line. Comment lines only keep the \
                connection alive.";
            json!({"description": text, "content": {"text/event-stream": {"schema": schema}}})
        }
        _ if output.full_name() == EMPTY => json!({"description": "Done."}),
        _ => {
            let schema = schemas.reference(&output)?;
            json!({"description": "Done.", "content": {"application/json": {"schema": schema}}})
        }
    };
    let mut out = json!({"default": {"$ref": "#/components/responses/Problem"}});
    out[route.options.success_status.to_string()] = success;
    if route.options.kind == "Download" {
        out["206"] = bytes("The range of the bytes that was asked for.");
        out["304"] = json!({"description": "The client has these bytes."});
    }
    if route.options.is_recoverable {
        out["202"] = json!({
            "description": "The write is kept and done later; `Location` names the operation.",
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/QueuedOperation"}}},
        });
    }
    Ok(out)
}

fn security(route: &Route) -> Value {
    match route.options.auth.as_str() {
        "User" | "Seller" => json!([{"bearer": []}]),
        "Guest" => json!([{"bearer": []}, {"cart": []}]),
        "Optional" => json!([{}, {"bearer": []}]),
        _ => json!([]),
    }
}

fn problem() -> Value {
    let text = json!({"type": "string"});
    json!({
        "type": "object",
        "required": ["type", "title", "status", "detail", "code", "traceId"],
        "properties": {
            "type": text, "title": text, "detail": text, "code": text, "traceId": text,
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "errors": {"type": "array", "items": {
                "type": "object",
                "required": ["field", "code", "detail"],
                "properties": {"field": text, "code": text, "detail": text},
            }},
        },
    })
}

fn queued() -> Value {
    json!({
        "type": "object",
        "required": ["operation"],
        "properties": {"operation": {
            "type": "object",
            "required": ["id", "state"],
            "properties": {"id": {"type": "string"}, "state": {"type": "string", "enum": ["queued"]}},
        }},
    })
}
