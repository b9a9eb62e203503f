//! The generator over small contracts: an annotation is all it takes, and a mistake fails the build.

use std::fs;
use std::path::Path;

use anyhow::Result;

use crate::contract::Contract;
use crate::{attributes, calls, glue, openapi};

const ROUTE: &str = "option (vitrina.options.v1.route) = {auth: AUTH_PUBLIC rate_class: RATE_CLASS_READ};";

struct Made {
    table: String,
    calls: String,
    modules: String,
    document: serde_json::Value,
}

/// Runs the generator over one service whose rpc `Get` has these options and whose request has these fields.
fn make(options: &str, fields: &str) -> Result<Made> {
    make_file(&format!(
        "service Lamps {{\n // Lights it.\n rpc Get(GetRequest) returns (Lamp) {{ {options} }}\n}}\n\
         message GetRequest {{ {fields} }}\nmessage Lamp {{ uint32 version = 1; }}"
    ))
}

fn make_file(text: &str) -> Result<Made> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("lamps.proto");
    let head = "syntax = \"proto3\"; package vitrina.lamps.v1;\n\
                import \"google/api/annotations.proto\"; import \"vitrina/options/v1/options.proto\";\n";
    fs::write(&path, format!("{head}{text}"))?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("proto");
    let mut compiler = protox::Compiler::new([folder.path(), root.as_path()])?;
    compiler.include_imports(true).include_source_info(true).open_file("lamps.proto")?;
    let contract = Contract::read(&compiler.descriptor_pool())?;
    attributes::add(&mut prost_build::Config::new(), &contract)?;
    Ok(Made {
        table: glue::write(&contract),
        calls: calls::write(&contract),
        modules: glue::modules(&contract),
        document: serde_json::from_str(&openapi::write(&contract)?)?,
    })
}

fn check_refused(options: &str, fields: &str, cause: &str) {
    let fault = make(options, fields).err().unwrap_or_else(|| panic!("{options} {fields} was taken"));
    let text = format!("{fault:#}");
    assert!(text.contains(cause), "{text}");
}

#[test]
fn an_annotation_gives_a_called_and_documented_route() {
    let options = format!("option (google.api.http) = {{get: \"/v1/lamps/{{lamp_id}}\"}}; {ROUTE}");
    let made = make(&options, "string lamp_id = 1; optional uint32 limit = 2;").unwrap();
    assert!(made.modules.contains("pub mod lamps"));
    assert!(made.table.contains("rpc: \"vitrina.lamps.v1.Lamps/Get\""));
    assert!(made.table.contains("query_params: &[\"limit\"]"));
    assert!(made.calls.contains("clients.lamps.clone().get(request)"));
    assert!(made.calls.contains("Some(u64::from(reply.version))"));
    assert_eq!(made.document["paths"]["/v1/lamps/{lampId}"]["get"]["summary"], "Lights it.");
}

#[test]
fn an_rpc_without_annotation_is_no_route() {
    let made = make("", "string lamp_id = 1;").unwrap();
    assert!(!made.table.contains("vitrina.lamps.v1.Lamps/Get"));
}

#[test]
fn mistakes_in_annotations_fail_the_build() {
    let get = |path: &str| format!("option (google.api.http) = {{get: \"{path}\"}};");
    let with =
        |path: &str, route: &str| format!("{} option (vitrina.options.v1.route) = {{{route}}};", get(path));
    let ok = "auth: AUTH_PUBLIC rate_class: RATE_CLASS_READ";
    check_refused(&with("/v1/{nothing}", ok), "", "names no field");
    check_refused(&with("/v1/{id}:verb", ok), "string id = 1;", "without verb");
    check_refused(&with("/v1/{id", ok), "string id = 1;", "without verb");
    check_refused(&with("v1", ok), "", "is no path");
    check_refused(&with("/v1/{id}/{id}", ok), "string id = 1;", "twice");
    check_refused(&with("/v1/{ids}", ok), "repeated string ids = 1;", "no plain value");
    check_refused(&with("/v1", "rate_class: RATE_CLASS_READ"), "", "`auth` is missing");
    check_refused(&with("/v1", "auth: AUTH_PUBLIC"), "", "`rate_class` is missing");
    check_refused(&with("/v1", &format!("{ok} colour: 3")), "", "invalid value");
    check_refused(&with("/v1", &format!("{ok} recoverable: true")), "", "needs `key`");
    check_refused(&with("/v1", &format!("{ok} success_status: 404")), "", "success_status");
    check_refused(&with("/v1", &format!("{ok} kind: KIND_EVENTS")), "", "go together");
    check_refused(&with("/v1", &format!("{ok} kind: KIND_CSV")), "", "no field of type bytes");
    let upload = with("/v1", &format!("{ok} kind: KIND_UPLOAD"));
    check_refused(&upload, "", "no field of type bytes");
    let body = "bytes body = 1 [(vitrina.options.v1.field).hidden = true];";
    check_refused(&upload, &format!("{body} map<string, string> headers = 2;"), "hidden map");
    check_refused(&with("/v1", &format!("{ok} kind: KIND_DOWNLOAD")), "", "hidden `content`");
    check_refused(
        &with("/v1", &format!("{ok} cache: {{max_age_s: 5 tags: \"lamp:{{id}}\"}}")),
        "",
        "no path or query",
    );
    check_refused(&with("/v1", ok), "bytes raw = 1;", "no query parameter");
    check_refused(&get("/v1"), "", "no (vitrina.options.v1.route)");
    check_refused(ROUTE, "", "no path");
    let post = format!("option (google.api.http) = {{post: \"/v1\" body: \"*\"}}; {ROUTE}");
    check_refused(&post, "uint64 big = 1;", "64-bit");
    check_refused(&post, "map<uint32, string> names = 1;", "keys");
    check_refused(&post, "oneof either { string a = 1; string b = 2; }", "oneof");
}

#[test]
fn routes_that_clash_fail_the_build() {
    let rpc = |name: &str, path: &str| {
        format!("rpc {name}(R) returns (R) {{ option (google.api.http) = {{get: \"{path}\"}}; {ROUTE} }}\n")
    };
    let file = |first: &str, second: &str| {
        make_file(&format!(
            "service Lamps {{ {}{} }}\nmessage R {{ string id = 1; string name = 2; }}",
            rpc("First", first),
            rpc("Second", second)
        ))
    };
    let fault = file("/v1/lamps/{id}", "/v1/lamps/{name}").err().unwrap();
    assert!(fault.to_string().contains("same path"), "{fault}");
    assert!(file("/v1/lamps/{id}", "/v1/lamps/newest").is_ok());
}
