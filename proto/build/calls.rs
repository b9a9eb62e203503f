//! Writes the typed glue: the clients, how input becomes each request, and the one `call`.

use std::fmt::Write as _;

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};

use crate::contract::{Body, Contract, Route};
use crate::glue::service_name;
use crate::names::{camel, quote, rust_field, rust_path, snake};

/// Lines of an arm of `call`, and what clippy lets a function have.
const ARM_LINES: usize = 5;
const LINES_MAX: usize = 60;

const EMPTY: &str = "vitrina.common.v1.Empty";

/// `Clients`, the functions that call, and a request function for every route.
pub(crate) fn write(contract: &Contract) -> String {
    let mut out = String::new();
    clients(&mut out, contract);
    dispatch(&mut out, contract, &CALL);
    dispatch(&mut out, contract, &RECEIVE);
    dispatch(&mut out, contract, &DOWNLOAD);
    dispatch(&mut out, contract, &WATCH);
    for (index, route) in contract.routes.iter().enumerate() {
        request(&mut out, contract, index, route);
    }
    out
}

fn clients(out: &mut String, contract: &Contract) {
    let mut fields = String::new();
    let mut values = String::new();
    for service in &contract.services {
        let (package, name) = (service_name(service.package_name()), service.name());
        let path = format!("crate::{package}::v1::{}_client::{name}Client", snake(name));
        let _ =
            writeln!(fields, "    /// Client of `{}`.\n    pub {package}: {path}<T>,", service.full_name());
        let variant = camel(package);
        let _ = writeln!(values, "            {package}: {path}::new(transport(Service::{variant})),");
    }
    let _ = writeln!(
        out,
        "/// A client for every service, over any transport: a channel, or the services themselves.\n\
         #[derive(Debug, Clone)]\npub struct Clients<T> {{\n{fields}}}\n\n\
         impl<T: Transport> Clients<T> {{\n    /// Asks for the transport of each service once.\n    \
         pub fn new(mut transport: impl FnMut(Service) -> T) -> Self {{\n        Self {{\n{values}        }}\n    }}\n}}\n"
    );
}

struct Dispatch {
    text: &'static str,
    head: &'static str,
    is_mine: fn(&Route) -> bool,
    /// What is done with the request before it is sent; empty: nothing.
    prepare: &'static str,
    arm: fn(&Route) -> String,
}

const CALL: Dispatch = Dispatch {
    text: "/// Calls the rpc of a route: input → request → reply → JSON.\n///\n\
           /// The metadata goes along as it is; a deadline belongs in it (`grpc-timeout`) or around this call. Dropping the\n\
           /// future drops the call. Whether it is safe to repeat is the route's [`key`](Route::key) to say.\n///\n\
           /// # Errors\n\
           /// `InvalidArgument` with a `BadRequest` that names every wrong field in camelCase; `Unimplemented` when the route\n\
           /// is no unary one; else the status of the service, untouched.",
    head: "pub async fn call<T: Transport>(\n    route: &Route,\n    clients: &Clients<T>,\n    input: Input<'_>,\n    \
           metadata: MetadataMap,\n) -> Result<Reply, Status> {",
    is_mine: Route::is_callable,
    prepare: "",
    arm: json_answer,
};

const RECEIVE: Dispatch = Dispatch {
    text: "/// Hands on what an outside provider has signed: as [`call`], with the header fields of its signature.\n///\n\
           /// # Errors\n/// As [`call`]; `Unimplemented` when the request has no place for header fields.",
    head: "pub async fn receive<T: Transport>(\n    route: &Route,\n    clients: &Clients<T>,\n    input: Input<'_>,\n    \
           headers: BTreeMap<String, String>,\n    metadata: MetadataMap,\n) -> Result<Reply, Status> {",
    is_mine: |route| route.takes_headers,
    prepare: "request.headers = headers;",
    arm: json_answer,
};

const DOWNLOAD: Dispatch = Dispatch {
    text: "/// Fetches the bytes of a route of kind [`Download`](crate::routes::Kind::Download).\n///\n\
           /// # Errors\n/// As [`call`].",
    head: "pub async fn download<T: Transport>(\n    route: &Route,\n    clients: &Clients<T>,\n    input: Input<'_>,\n    \
           metadata: MetadataMap,\n) -> Result<Download, Status> {",
    is_mine: |route| route.options.kind == "Download",
    prepare: "",
    arm: |_| "bytes(|reply| (reply.content, reply.content_type, reply.sha256))".to_owned(),
};

const WATCH: Dispatch = Dispatch {
    text: "/// Opens the stream of a route of kind [`Events`](crate::routes::Kind::Events); each event is a JSON object.\n///\n\
           /// # Errors\n/// As [`call`]; the stream ends after the first error in it.",
    head: "pub async fn watch<T: Transport>(\n    route: &Route,\n    clients: &Clients<T>,\n    input: Input<'_>,\n    \
           metadata: MetadataMap,\n) -> Result<Events, Status> {",
    is_mine: |route| route.options.kind == "Events",
    prepare: "",
    arm: |_| "events".to_owned(),
};

fn json_answer(route: &Route) -> String {
    let output = route.method.output();
    if output.full_name() == EMPTY && route.options.success_status == 204 {
        return "without_body".to_owned();
    }
    format!("with_body(|reply| {})", version(&output))
}

fn dispatch(out: &mut String, contract: &Contract, dispatch: &Dispatch) {
    let mine: Vec<_> =
        contract.routes.iter().enumerate().filter(|(_, route)| (dispatch.is_mine)(route)).collect();
    // An expectation that is not met is a warning itself.
    let lint = if mine.len() * ARM_LINES > LINES_MAX {
        "#[expect(clippy::too_many_lines, reason = \"one arm a route\")]\n"
    } else {
        ""
    };
    let _ = writeln!(out, "{}\n{lint}{}\n    match route.index {{", dispatch.text, dispatch.head);
    for (index, route) in mine {
        let convert = (dispatch.arm)(route);
        let convert = match convert.split_once('(') {
            Some((name, version)) => format!("{name}(response, {version}"),
            None => format!("{convert}(response)"),
        };
        let request = match dispatch.prepare {
            "" => format!("let request = outgoing(request_{index}(&input)?, metadata);"),
            prepare => format!(
                "let mut request = request_{index}(&input)?;\n            {prepare}\n            \
                 let request = outgoing(request, metadata);"
            ),
        };
        let _ = writeln!(
            out,
            "        {index} => {{\n            {request}\n            \
             let response = clients.{service}.clone().{method}(request).await?;\n            {convert}\n        }}",
            service = service_name(route.method.parent_service().package_name()),
            method = snake(route.method.name()),
        );
    }
    out.push_str("        _ => Err(not_carried(route)),\n    }\n}\n\n");
}

/// Where the version of an entity is: in the reply, or in the one message that the reply wraps.
fn version(output: &MessageDescriptor) -> String {
    if is_version(output) {
        return "Some(u64::from(reply.version))".to_owned();
    }
    let fields: Vec<_> = output.fields().collect();
    match fields.as_slice() {
        [only] if !only.is_list() && !only.is_map() => match only.kind() {
            Kind::Message(inner) if is_version(&inner) => {
                format!("reply.{}.as_ref().map(|inner| u64::from(inner.version))", rust_field(only))
            }
            _ => "{ let _ = reply; None }".to_owned(),
        },
        _ => "{ let _ = reply; None }".to_owned(),
    }
}

fn is_version(message: &MessageDescriptor) -> bool {
    message
        .get_field_by_name("version")
        .is_some_and(|field| field.kind() == Kind::Uint32 && !field.is_list() && !is_optional(&field))
}

fn is_optional(field: &FieldDescriptor) -> bool {
    field.containing_oneof().is_some_and(|oneof| oneof.is_synthetic())
}

fn request(out: &mut String, contract: &Contract, index: usize, route: &Route) {
    let path = rust_path(route.method.input().full_name());
    let mut steps = body_steps(contract, route, &path);
    let mut uses_input = !matches!(route.body, Body::None);
    for field in &route.path_fields {
        uses_input = true;
        let _ = writeln!(
            steps,
            "    faults.path(input, {}, {}, &mut request.{});",
            quote(field.name()),
            parser(field),
            rust_field(field)
        );
    }
    if !route.query_fields.is_empty() {
        uses_input = true;
        steps.push_str(&query_steps(&route.query_fields));
    }
    let input = if uses_input { "input" } else { "_input" };
    let is_plain = route.path_fields.is_empty() && route.query_fields.is_empty();
    // Without any parameter there is nothing that could be wrong.
    let text = if is_plain && matches!(route.body, Body::None) {
        format!("    Ok({path}::default())\n")
    } else if is_plain && matches!(route.body, Body::Bytes(_)) {
        format!("{steps}    Ok(request)\n")
    } else {
        let start = match route.body {
            Body::None => format!("    let mut request = {path}::default();\n"),
            Body::Fields(_) | Body::Field(_) | Body::Bytes(_) => String::new(),
        };
        format!("    let mut faults = Faults::default();\n{start}{steps}    faults.finish(request)\n")
    };
    let _ = writeln!(out, "fn request_{index}({input}: &Input<'_>) -> Result<{path}, Status> {{\n{text}}}\n");
}

fn query_steps(fields: &[FieldDescriptor]) -> String {
    let put = |field: &FieldDescriptor| {
        let (name, slot) = (quote(field.json_name()), rust_field(field));
        format!("faults.query({name}, &text, {}, &mut request.{slot})", parser(field))
    };
    let inner = match fields {
        [only] => format!(
            "        if name == {} {{\n            {};\n        }}\n",
            quote(only.json_name()),
            put(only)
        ),
        _ => {
            let arms: String = fields
                .iter()
                .map(|field| format!("            {} => {},\n", quote(field.json_name()), put(field)))
                .collect();
            format!("        match name.as_ref() {{\n{arms}            _ => {{}}\n        }}\n")
        }
    };
    format!("    for (name, text) in query(input.query) {{\n{inner}    }}\n")
}

/// A request with one field set.
fn start(route: &Route, field: &FieldDescriptor, value: &str) -> String {
    let path = rust_path(route.method.input().full_name());
    let is_changed = !route.path_fields.is_empty() || !route.query_fields.is_empty();
    let mutable = if is_changed { "mut " } else { "" };
    let rest = if route.method.input().fields().len() > 1 { ", ..Default::default()" } else { "" };
    format!("    let {mutable}request = {path} {{ {}: {value}{rest} }};\n", rust_field(field))
}

fn body_steps(contract: &Contract, route: &Route, path: &str) -> String {
    match &route.body {
        Body::None => String::new(),
        Body::Bytes(field) => start(route, field, "input.body.to_vec()"),
        Body::Fields(fields) => {
            let is_changed = !route.path_fields.is_empty();
            let clear = route
                .method
                .input()
                .get_field_by_name("clear")
                .filter(|field| contract.rules(field).is_hidden);
            let (mutable, nulls) = match clear {
                Some(_) => ("mut ", "nulls"),
                None if is_changed => ("mut ", "_"),
                None => ("", "_"),
            };
            let mut out = format!(
                "    let ({mutable}request, {nulls}) = faults.body::<{path}>(input.body, &{});\n",
                members(fields)
            );
            if nulls == "nulls" {
                out.push_str("    request.clear = nulls;\n");
            }
            out
        }
        Body::Field(field) => {
            let Kind::Message(inner) = field.kind() else { return String::new() };
            let fields: Vec<_> = inner.fields().filter(|field| !contract.rules(field).is_hidden).collect();
            start(route, field, &format!("Some(faults.body(input.body, &{}).0)", members(&fields)))
        }
    }
}

fn members(fields: &[FieldDescriptor]) -> String {
    let pairs: Vec<_> =
        fields.iter().map(|field| (field.json_name().to_owned(), field.name().to_owned())).collect();
    format!("{pairs:?}")
}

fn parser(field: &FieldDescriptor) -> String {
    match field.kind() {
        Kind::Enum(kind) => format!("param::name_of::<{}>", rust_path(kind.full_name())),
        Kind::Message(_) => "param::parse::<crate::Timestamp>".to_owned(),
        Kind::String => "param::parse::<String>".to_owned(),
        Kind::Bool => "param::parse::<bool>".to_owned(),
        Kind::Double => "param::parse::<f64>".to_owned(),
        Kind::Float => "param::parse::<f32>".to_owned(),
        Kind::Uint32 | Kind::Fixed32 => "param::parse::<u32>".to_owned(),
        Kind::Uint64 | Kind::Fixed64 => "param::parse::<u64>".to_owned(),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => "param::parse::<i64>".to_owned(),
        _ => "param::parse::<i32>".to_owned(),
    }
}
