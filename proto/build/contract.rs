//! The contract as the generator sees it: services, messages and routes, read from descriptors and checked.
//!
//! Refused, each with the rpc at fault: an rpc with a path and without options or the other way round, a path parameter
//! or tag that names no field, a parameter that is no plain value, two routes that clash, a verb behind a parameter
//! (`/{id}:verb`), JSON shapes without a form in JSON, an unknown kind of body.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, anyhow, bail};
use prost_reflect::{
    DescriptorPool, EnumDescriptor, ExtensionDescriptor, FieldDescriptor, Kind, MessageDescriptor,
    MethodDescriptor, ServiceDescriptor, Value,
};

use crate::attributes;
use crate::options::{self, Options};

/// Everything of package `vitrina`, options left out.
pub(crate) struct Contract {
    pub(crate) services: Vec<ServiceDescriptor>,
    pub(crate) messages: Vec<MessageDescriptor>,
    pub(crate) enums: Vec<EnumDescriptor>,
    pub(crate) routes: Vec<Route>,
    field_rules: ExtensionDescriptor,
}

/// One rpc with an HTTP path.
pub(crate) struct Route {
    pub(crate) method: MethodDescriptor,
    pub(crate) verb: &'static str,
    /// As in the contract: parameters are named by request fields.
    pub(crate) path: String,
    pub(crate) path_fields: Vec<FieldDescriptor>,
    pub(crate) query_fields: Vec<FieldDescriptor>,
    pub(crate) body: Body,
    /// The request has a hidden map for header fields, which `receive` fills.
    pub(crate) takes_headers: bool,
    pub(crate) options: Options,
}

/// Where the bytes of the body go.
pub(crate) enum Body {
    None,
    /// JSON members are these fields of the request.
    Fields(Vec<FieldDescriptor>),
    /// The JSON value is this field.
    Field(FieldDescriptor),
    /// The bytes as they came are this field.
    Bytes(FieldDescriptor),
}

/// What `vitrina.options.v1.FieldRules` says.
#[derive(Default)]
pub(crate) struct Rules {
    pub(crate) is_required: bool,
    pub(crate) is_hidden: bool,
    pub(crate) is_omitted_empty: bool,
}

impl Contract {
    /// Reads what the pool holds of ours.
    pub(crate) fn read(pool: &DescriptorPool) -> Result<Self> {
        let extension =
            |name: &str| pool.get_extension_by_name(name).ok_or_else(|| anyhow!("{name} is not declared"));
        let (http, route) = (extension("google.api.http")?, extension("vitrina.options.v1.route")?);
        let is_ours = |package: &str| package.starts_with("vitrina.") && package != "vitrina.options.v1";
        let mut contract = Self {
            services: pool.services().filter(|service| is_ours(service.package_name())).collect(),
            messages: pool
                .all_messages()
                .filter(|message| is_ours(message.package_name()) && !message.is_map_entry())
                .collect(),
            enums: pool.all_enums().filter(|kind| is_ours(kind.package_name())).collect(),
            routes: Vec::new(),
            field_rules: extension("vitrina.options.v1.field")?,
        };
        contract.services.sort_by(|left, right| left.full_name().cmp(right.full_name()));
        for method in contract.services.iter().flat_map(|service| service.methods().collect::<Vec<_>>()) {
            let route = contract.route(&method, &http, &route);
            if let Some(route) = route.with_context(|| method.full_name().to_owned())? {
                contract.routes.push(route);
            }
        }
        contract.check_clashes()?;
        contract.check_json()?;
        Ok(contract)
    }

    /// The packages that hold messages, in order.
    pub(crate) fn packages(&self) -> BTreeSet<String> {
        self.messages.iter().map(|message| message.package_name().to_owned()).collect()
    }

    /// The rules of a field.
    pub(crate) fn rules(&self, field: &FieldDescriptor) -> Rules {
        let options = field.options();
        if !options.has_extension(&self.field_rules) {
            return Rules::default();
        }
        let value = options.get_extension(&self.field_rules);
        let is = |name: &str| {
            let rules = value.as_message()?;
            rules.get_field_by_name(name)?.as_bool()
        };
        Rules {
            is_required: is("required").unwrap_or_default(),
            is_hidden: is("hidden").unwrap_or_default(),
            is_omitted_empty: is("omit_empty").unwrap_or_default(),
        }
    }

    fn route(
        &self,
        method: &MethodDescriptor,
        http: &ExtensionDescriptor,
        route: &ExtensionDescriptor,
    ) -> Result<Option<Route>> {
        let annotations = method.options();
        match (annotations.has_extension(http), annotations.has_extension(route)) {
            (false, false) => return Ok(None),
            (true, false) => bail!("has a path and no (vitrina.options.v1.route)"),
            (false, true) => bail!("has (vitrina.options.v1.route) and no path"),
            (true, true) => {}
        }
        let rule = annotations.get_extension(http);
        let rule = rule.as_message().context("google.api.http is a message")?;
        let text = |name: &str| match rule.get_field_by_name(name).as_deref() {
            Some(Value::String(text)) => text.clone(),
            _ => String::new(),
        };
        let (field, verb) =
            [("get", "Get"), ("put", "Put"), ("post", "Post"), ("delete", "Delete"), ("patch", "Patch")]
                .into_iter()
                .find(|(field, _)| rule.has_field_by_name(field))
                .context("google.api.http names no method")?;
        let path = text(field);
        let value = annotations.get_extension(route);
        let options = Options::read(value.as_message().context("route is a message")?)?;
        if (options.kind == "Events") != method.is_server_streaming() || method.is_client_streaming() {
            bail!("`kind: KIND_EVENTS` and a stream of answers go together, and requests never stream");
        }
        let path_fields = self.path_fields(method, &path)?;
        let body = self.body(method, &text("body"), &options, &path_fields)?;
        let takes_headers = options.kind == "Upload" && self.takes_headers(method)?;
        let query_fields = self.query_fields(method, &path_fields, &body)?;
        if options.kind == "Download" {
            self.check_download(method)?;
        }
        let method = method.clone();
        let route = Route { method, verb, path, path_fields, query_fields, body, takes_headers, options };
        route.check_tags()?;
        Ok(Some(route))
    }

    fn path_fields(&self, method: &MethodDescriptor, path: &str) -> Result<Vec<FieldDescriptor>> {
        if !path.starts_with('/') || path.contains("//") || (path.len() > 1 && path.ends_with('/')) {
            bail!("`{path}` is no path");
        }
        for segment in path.split('/').filter(|segment| segment.contains(['{', '}', '*'])) {
            if !segment.starts_with('{')
                || segment.find('}') != Some(segment.len() - 1)
                || segment.contains(['=', '*', ':'])
            {
                bail!("`{segment}`: a parameter fills its segment, without verb or pattern");
            }
        }
        let names = options::placeholders(path)?;
        if names.iter().collect::<BTreeSet<_>>().len() != names.len() {
            bail!("`{path}` names a parameter twice");
        }
        names.iter().map(|name| self.parameter(method, name)).collect()
    }

    fn parameter(&self, method: &MethodDescriptor, name: &str) -> Result<FieldDescriptor> {
        let field = method
            .input()
            .get_field_by_name(name)
            .with_context(|| format!("`{{{name}}}` names no field of {}", method.input().full_name()))?;
        if field.is_list() || !is_plain(&field) || self.rules(&field).is_hidden {
            bail!("`{{{name}}}` is no plain value");
        }
        Ok(field)
    }

    fn body(
        &self,
        method: &MethodDescriptor,
        body: &str,
        options: &Options,
        path_fields: &[FieldDescriptor],
    ) -> Result<Body> {
        let request = method.input();
        let mut fields = request.fields();
        if matches!(options.kind.as_str(), "Upload" | "Csv") {
            let bytes = fields.find(|field| field.kind() == Kind::Bytes && !field.is_list());
            return match bytes {
                Some(field) if self.rules(&field).is_hidden => Ok(Body::Bytes(field)),
                Some(field) => bail!("`{}` carries the body and must be hidden", field.name()),
                None => bail!("the request has no field of type bytes for the body"),
            };
        }
        match body {
            "" => Ok(Body::None),
            "*" => {
                let is_member =
                    |field: &FieldDescriptor| !path_fields.contains(field) && !self.rules(field).is_hidden;
                Ok(Body::Fields(fields.filter(is_member).collect()))
            }
            name => {
                let field = method.input().get_field_by_name(name);
                let field = field.with_context(|| format!("body `{name}` names no field"))?;
                if !matches!(field.kind(), Kind::Message(_)) || field.is_list() || field.is_map() {
                    bail!("body `{name}` must be one message");
                }
                Ok(Body::Field(field))
            }
        }
    }

    fn takes_headers(&self, method: &MethodDescriptor) -> Result<bool> {
        let Some(field) = method.input().get_field_by_name("headers") else { return Ok(false) };
        let is_text = match field.kind() {
            Kind::Message(entry) => field.is_map() && entry.map_entry_value_field().kind() == Kind::String,
            _ => false,
        };
        if !is_text || !self.rules(&field).is_hidden {
            bail!("`headers` must be a hidden map<string, string>");
        }
        Ok(true)
    }

    fn check_download(&self, method: &MethodDescriptor) -> Result<()> {
        let expected = [("content", Kind::Bytes), ("content_type", Kind::String), ("sha256", Kind::String)];
        for (name, kind) in expected {
            let field = method.output().get_field_by_name(name);
            let is_fit = field.is_some_and(|field| {
                field.kind() == kind
                    && !field.is_list()
                    && !field.supports_presence()
                    && self.rules(&field).is_hidden
            });
            if !is_fit {
                bail!("a download needs a hidden `{name}` in its answer");
            }
        }
        Ok(())
    }

    fn query_fields(
        &self,
        method: &MethodDescriptor,
        path_fields: &[FieldDescriptor],
        body: &Body,
    ) -> Result<Vec<FieldDescriptor>> {
        if matches!(body, Body::Fields(_)) {
            return Ok(Vec::new());
        }
        let is_body = |field: &FieldDescriptor| matches!(body, Body::Field(taken) | Body::Bytes(taken) if taken == field);
        let mut out = Vec::new();
        for field in method.input().fields() {
            if path_fields.contains(&field) || is_body(&field) || self.rules(&field).is_hidden {
                continue;
            }
            if !is_plain(&field) {
                bail!("`{}` can be no query parameter", field.name());
            }
            out.push(field);
        }
        Ok(out)
    }

    fn check_clashes(&self) -> Result<()> {
        let mut seen = BTreeMap::new();
        for route in &self.routes {
            let shape: Vec<&str> = route
                .path
                .split('/')
                .map(|segment| if segment.starts_with('{') { "{}" } else { segment })
                .collect();
            if let Some(other) = seen.insert((route.verb, shape.join("/")), route.method.full_name()) {
                bail!("{} and {other} have the same path `{}`", route.method.full_name(), route.path);
            }
        }
        Ok(())
    }

    /// Whatever a route shows or reads as JSON must have a form in JSON.
    fn check_json(&self) -> Result<()> {
        let mut seen = BTreeSet::new();
        for message in self.routes.iter().flat_map(Route::json_messages) {
            self.check_message(&message, &mut seen)?;
        }
        Ok(())
    }

    fn check_message(&self, message: &MessageDescriptor, seen: &mut BTreeSet<String>) -> Result<()> {
        if message.package_name() == "google.protobuf" || !seen.insert(message.full_name().to_owned()) {
            return Ok(());
        }
        for field in message.fields() {
            if let Some(fault) = attributes::json_fault(self, &field) {
                bail!("{}: {fault}", field.full_name());
            }
            if let Kind::Message(inner) = field.kind() {
                self.check_message(&inner, seen)?;
            }
        }
        Ok(())
    }
}

impl Route {
    /// `vitrina.users.v1.Users/GetMe`.
    pub(crate) fn rpc(&self) -> String {
        format!("{}/{}", self.method.parent_service().full_name(), self.method.name())
    }

    /// Whether `call` carries it: one request, one JSON answer.
    pub(crate) fn is_callable(&self) -> bool {
        !matches!(self.options.kind.as_str(), "Events" | "Download")
    }

    fn json_messages(&self) -> Vec<MessageDescriptor> {
        let mut out = vec![self.method.output()];
        match &self.body {
            Body::Fields(_) => out.push(self.method.input()),
            Body::Field(field) => out.extend(match field.kind() {
                Kind::Message(message) => Some(message),
                _ => None,
            }),
            Body::None | Body::Bytes(_) => {}
        }
        out
    }

    fn check_tags(&self) -> Result<()> {
        let Some(cache) = &self.options.cache else { return Ok(()) };
        if self.verb != "Get" {
            bail!("only a GET may be cached");
        }
        for tag in &cache.tags {
            for name in options::placeholders(tag)? {
                let mut known = self.path_fields.iter().chain(&self.query_fields);
                if !known.any(|field| field.name() == name) {
                    bail!("tag `{tag}`: `{name}` is no path or query parameter");
                }
            }
        }
        Ok(())
    }
}

fn is_plain(field: &FieldDescriptor) -> bool {
    match field.kind() {
        Kind::Message(message) => message.full_name() == "google.protobuf.Timestamp",
        Kind::Bytes => false,
        _ => !field.is_map(),
    }
}
