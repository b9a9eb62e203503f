//! The route table: what the contract says about every path of the HTTP API.
//!
//! The table itself is generated; the types are here. Everything is static, so that a route costs nothing to look at.

use std::fmt::Write as _;

use crate::input::{self, Input};

/// One rpc that is reached over HTTP.
#[derive(Debug)]
pub struct Route {
    /// Position in [`ROUTES`].
    pub index: usize,
    /// Full name, such as `vitrina.users.v1.Users/Register`: the gRPC path without its first slash.
    pub rpc: &'static str,
    /// Who implements it.
    pub service: Service,
    /// HTTP method.
    pub method: Method,
    /// Path with parameters named by request fields: `/v1/me/addresses/{id}`. A static segment wins over a parameter.
    pub path: &'static str,
    /// The parameters of the path in their order, as spelled there.
    pub path_params: &'static [&'static str],
    /// Query parameters that are looked at, in camelCase; all others are ignored and belong in no cache key.
    pub query_params: &'static [&'static str],
    /// What the body is.
    pub body: Body,
    /// What moves over the wire.
    pub kind: Kind,
    /// HTTP status of success, 200 to 299.
    pub success_status: u16,
    /// Who may call.
    pub auth: Auth,
    /// How the answer may be cached; `None`: not at all.
    pub cache: Option<Cache>,
    /// Whether an Idempotency-Key is looked at.
    pub key: Key,
    /// Whether a write that could not be delivered may be queued and replayed.
    pub is_recoverable: bool,
    /// Milliseconds that a call may take.
    pub deadline_ms: u64,
    /// Under which limit calls are counted.
    pub rate_class: RateClass,
    /// Largest body in bytes.
    pub body_bytes_max: usize,
}

/// HTTP methods of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Method {
    /// GET.
    Get,
    /// PUT.
    Put,
    /// POST.
    Post,
    /// DELETE.
    Delete,
    /// PATCH.
    Patch,
}

/// What the body of a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// There is none; bytes that come are ignored.
    None,
    /// A JSON object; nothing at all is the empty object.
    Json,
    /// Bytes that become a field of the request as they are.
    Bytes,
}

/// What moves over the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One message each way, JSON outside.
    Unary,
    /// The answer is a stream of server-sent events.
    Events,
    /// The body is bytes, the answer JSON.
    Upload,
    /// The answer is bytes.
    Download,
    /// The body is CSV, the answer JSON.
    Csv,
}

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// Anybody; a token is not looked at.
    Public,
    /// Holders of a valid access token.
    User,
    /// Holders of a valid access token that have a seller profile.
    Seller,
    /// Holders of a valid access token or an X-Cart-Token.
    Guest,
    /// An outside provider that signs the body; the service verifies it.
    Signed,
    /// Anybody; a valid token makes the caller known.
    Optional,
}

/// Whether an Idempotency-Key header is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// It is ignored.
    Ignored,
    /// It may be sent.
    Accepted,
    /// Without it the call is refused.
    Required,
}

/// Under which limit calls are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RateClass {
    /// Reads.
    Read,
    /// Searches.
    Search,
    /// Writes.
    Write,
    /// Anything that checks or makes credentials.
    Auth,
    /// Orders and payments.
    Checkout,
    /// Calls of outside providers.
    Webhook,
}

/// How an answer may be cached; all times in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cache {
    /// How long an answer is fresh.
    pub max_age_s: u32,
    /// How long after that it may be served while it is refreshed.
    pub swr_s: u32,
    /// How long after `max_age_s` it may be served when the service fails.
    pub sie_s: u32,
    /// Templates such as `publication:{id}`; [`Route::tags`] fills them.
    pub tags: &'static [&'static str],
}

impl Method {
    /// As on the wire: `GET`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Put => "PUT",
            Method::Post => "POST",
            Method::Delete => "DELETE",
            Method::Patch => "PATCH",
        }
    }
}

impl Route {
    /// The cache tags of an answer to this input. A tag whose query parameter is absent is left out.
    ///
    /// Values are percent-encoded but for letters, digits and `-._~`, so that no value can forge another tag; ids of
    /// ours come out as they are.
    #[must_use]
    pub fn tags(&self, input: &Input<'_>) -> Vec<String> {
        let templates = self.cache.map_or(&[][..], |cache| cache.tags);
        templates.iter().filter_map(|template| fill(template, input)).collect()
    }
}

/// The route of an rpc by its full name, such as `vitrina.users.v1.Users/Register`.
#[must_use]
pub fn by_rpc(rpc: &str) -> Option<&'static Route> {
    ROUTES.iter().find(|route| route.rpc == rpc)
}

fn fill(template: &str, input: &Input<'_>) -> Option<String> {
    let mut out = String::with_capacity(template.len() + 32);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}')?;
        out.push_str(before);
        encode(&value_of(name, input)?, &mut out);
        rest = after;
    }
    out.push_str(rest);
    Some(out)
}

fn value_of(name: &str, input: &Input<'_>) -> Option<String> {
    if let Some((_, raw)) = input.path.iter().find(|(param, _)| *param == name) {
        return input::decode_path(raw);
    }
    // Tags name fields as the contract does, queries as JSON does.
    let json_name = input::camel(name);
    input::query(input.query).find(|(param, _)| *param == json_name).map(|(_, value)| value.into_owned())
}

fn encode(value: &str, out: &mut String) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

include!(concat!(env!("OUT_DIR"), "/glue.rs"));
