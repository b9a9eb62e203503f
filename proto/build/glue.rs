//! Writes the module tree of messages, the names of enum values and the static route table.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::comments;
use crate::contract::{Body, Contract, Route};
use crate::names::{camel, json_values, quote, rust_path};

/// `pub mod users { pub mod v1 { … } }` for every package.
pub(crate) fn modules(contract: &Contract) -> String {
    let mut tree: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for package in contract.packages() {
        let mut segments = package.split('.').skip(1);
        let (name, version) = (segments.next().unwrap_or_default(), segments.next().unwrap_or("v1"));
        tree.entry(name.to_owned()).or_default().push((version.to_owned(), package.clone()));
    }
    let mut out = String::new();
    for (name, versions) in tree {
        let _ = writeln!(out, "/// The contract of {name}.\npub mod {name} {{");
        for (version, package) in versions {
            let lints = lints(contract, &package);
            let _ = writeln!(
                out,
                "    /// Package `{package}`.\n{lints}    \
                 pub mod {version} {{\n        include!(concat!(env!(\"OUT_DIR\"), \"/{package}.rs\"));\n    }}"
            );
        }
        out.push_str("}\n");
    }
    out
}

/// What generated code may do that ours may not. An expectation that is not met is a warning itself.
fn lints(contract: &Contract, package: &str) -> String {
    let mut lints = Vec::new();
    if !comments::is_complete(contract, package) {
        lints.push("missing_docs");
    }
    let mut services = contract.services.iter().filter(|service| service.package_name() == package);
    if let Some(service) = services.next() {
        lints.push("clippy::allow_attributes_without_reason");
        // The dispatcher of a server has about forty lines an rpc.
        if service.methods().len() > 1 {
            lints.push("clippy::too_many_lines");
        }
    }
    if lints.is_empty() {
        return String::new();
    }
    let reason = "generated; the .proto file documents what needs words";
    format!("    #[expect({}, reason = {})]\n", lints.join(", "), quote(reason))
}

/// The names of enum values and the route table.
pub(crate) fn write(contract: &Contract) -> String {
    let mut out = String::new();
    for kind in &contract.enums {
        let _ = writeln!(
            out,
            "impl crate::json::JsonNames for {} {{\n    const NAMES: &'static [(&'static str, i32)] = &{:?};\n}}",
            rust_path(kind.full_name()),
            json_values(kind)
        );
    }
    services(&mut out, contract);
    let _ = writeln!(
        out,
        "/// Every route of the HTTP API, in the order of services and rpcs.\npub static ROUTES: &[Route] = &["
    );
    for (index, route) in contract.routes.iter().enumerate() {
        row(&mut out, index, route);
    }
    out.push_str("];\n");
    out
}

/// `vitrina.users.v1` → `users`: how a service is called everywhere.
pub(crate) fn service_name(package: &str) -> &str {
    package.split('.').nth(1).unwrap_or(package)
}

fn services(out: &mut String, contract: &Contract) {
    let names: Vec<&str> =
        contract.services.iter().map(|service| service_name(service.package_name())).collect();
    let _ = writeln!(
        out,
        "/// The services of the contract.\n\
         #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]\npub enum Service {{"
    );
    for name in &names {
        let _ = writeln!(out, "    /// `{name}`.\n    {},", camel(name));
    }
    let all: Vec<String> = names.iter().map(|name| format!("Service::{}", camel(name))).collect();
    let _ = writeln!(
        out,
        "}}\n\nimpl Service {{\n    /// All of them, by name.\n    pub const ALL: &'static [Service] = &[{}];\n\n    \
         /// The name in configuration, logs and metrics.\n    #[must_use]\n    \
         pub fn name(self) -> &'static str {{\n        match self {{",
        all.join(", ")
    );
    for name in &names {
        let _ = writeln!(out, "            Service::{} => {},", camel(name), quote(name));
    }
    out.push_str("        }\n    }\n}\n\n");
}

fn row(out: &mut String, index: usize, route: &Route) {
    let options = &route.options;
    let path_params: Vec<&str> = route.path_fields.iter().map(|field| field.name()).collect();
    let query_params: Vec<&str> = route.query_fields.iter().map(|field| field.json_name()).collect();
    let body = match &route.body {
        Body::None => "None",
        Body::Fields(_) | Body::Field(_) => "Json",
        Body::Bytes(_) => "Bytes",
    };
    let cache = options.cache.as_ref().map_or_else(
        || "None".to_owned(),
        |cache| {
            format!(
                "Some(Cache {{ max_age_s: {}, swr_s: {}, sie_s: {}, tags: &{:?} }})",
                cache.max_age_s, cache.swr_s, cache.sie_s, cache.tags
            )
        },
    );
    let _ = writeln!(
        out,
        "    Route {{\n        index: {index},\n        rpc: {rpc},\n        service: Service::{service},\n        \
         method: Method::{verb},\n        path: {path},\n        path_params: &{path_params:?},\n        \
         query_params: &{query_params:?},\n        body: Body::{body},\n        kind: Kind::{kind},\n        \
         success_status: {status},\n        auth: Auth::{auth},\n        cache: {cache},\n        key: Key::{key},\n        \
         is_recoverable: {recoverable},\n        deadline_ms: {deadline},\n        rate_class: RateClass::{rate},\n        \
         body_bytes_max: {bytes},\n    }},",
        rpc = quote(&route.rpc()),
        service = camel(service_name(route.method.parent_service().package_name())),
        verb = route.verb,
        path = quote(&route.path),
        kind = options.kind,
        status = options.success_status,
        auth = options.auth,
        key = options.key,
        recoverable = options.is_recoverable,
        deadline = options.deadline_ms,
        rate = options.rate_class,
        bytes = options.body_bytes_max,
    );
}
