//! The route options of an rpc, read from its descriptor.

use anyhow::{Result, bail};
use prost_reflect::{DynamicMessage, Kind, ReflectMessage, Value};

use crate::names;

const DEADLINE_MS: u32 = 2_000;
const BODY_BYTES_MAX: u32 = 65_536;

/// What `vitrina.options.v1.RouteOptions` says, with its defaults filled in. Enums are named as their Rust variants.
pub(crate) struct Options {
    pub(crate) auth: String,
    pub(crate) key: String,
    pub(crate) rate_class: String,
    pub(crate) kind: String,
    pub(crate) is_recoverable: bool,
    pub(crate) deadline_ms: u32,
    pub(crate) success_status: u32,
    pub(crate) body_bytes_max: u32,
    pub(crate) cache: Option<Cache>,
}

/// How an answer may be cached.
pub(crate) struct Cache {
    pub(crate) max_age_s: u32,
    pub(crate) swr_s: u32,
    pub(crate) sie_s: u32,
    pub(crate) tags: Vec<String>,
}

impl Options {
    /// Reads and checks the options of one rpc.
    pub(crate) fn read(message: &DynamicMessage) -> Result<Self> {
        let Some(auth) = variant(message, "auth") else { bail!("`auth` is missing") };
        let Some(rate_class) = variant(message, "rate_class") else { bail!("`rate_class` is missing") };
        let success_status = number(message, "success_status").unwrap_or(200);
        if !(200..300).contains(&success_status) {
            bail!("`success_status` {success_status} is none of success");
        }
        let is_recoverable = matches!(value(message, "recoverable"), Some(Value::Bool(true)));
        let key = variant(message, "key");
        if is_recoverable && key.is_none() {
            bail!("a recoverable write needs `key`: a replay must not do it twice");
        }
        Ok(Self {
            auth,
            key: key.unwrap_or_else(|| "Ignored".to_owned()),
            rate_class,
            kind: variant(message, "kind").unwrap_or_else(|| "Unary".to_owned()),
            is_recoverable,
            deadline_ms: number(message, "deadline_ms").unwrap_or(DEADLINE_MS),
            success_status,
            body_bytes_max: number(message, "body_bytes_max").unwrap_or(BODY_BYTES_MAX),
            cache: match value(message, "cache") {
                Some(Value::Message(cache)) => Some(Cache::read(&cache)?),
                _ => None,
            },
        })
    }
}

impl Cache {
    fn read(message: &DynamicMessage) -> Result<Self> {
        let max_age_s = number(message, "max_age_s").unwrap_or_default();
        if !(1..=31_536_000).contains(&max_age_s) {
            bail!("`cache.max_age_s` must be 1 to 31,536,000");
        }
        let tags = match value(message, "tags") {
            Some(Value::List(tags)) => {
                tags.iter().filter_map(|tag| tag.as_str().map(str::to_owned)).collect()
            }
            _ => Vec::new(),
        };
        Ok(Self {
            max_age_s,
            swr_s: number(message, "swr_s").unwrap_or_default(),
            sie_s: number(message, "sie_s").unwrap_or_default(),
            tags,
        })
    }
}

/// The names between braces of a template such as `publication:{id}`.
pub(crate) fn placeholders(template: &str) -> Result<Vec<String>> {
    let mut names = Vec::new();
    let mut rest = template;
    while let Some(start) = rest.find('{') {
        let Some(end) = rest[start..].find('}') else { bail!("`{template}`: a brace is not closed") };
        names.push(rest[start + 1..start + end].to_owned());
        rest = &rest[start + end + 1..];
    }
    Ok(names)
}

fn value(message: &DynamicMessage, name: &str) -> Option<Value> {
    message
        .has_field_by_name(name)
        .then(|| message.get_field_by_name(name).map(|value| value.into_owned()))
        .flatten()
}

fn number(message: &DynamicMessage, name: &str) -> Option<u32> {
    value(message, name)?.as_u32()
}

fn variant(message: &DynamicMessage, name: &str) -> Option<String> {
    let number = value(message, name)?.as_enum_number()?;
    let field = message.descriptor().get_field_by_name(name)?;
    let Kind::Enum(kind) = field.kind() else { return None };
    let value = kind.get_value(number)?;
    Some(names::camel(&names::short(&kind, value.name())))
}
