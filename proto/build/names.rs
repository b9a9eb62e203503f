//! How names of the contract are spelled in Rust and in JSON.

use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind};

const KEYWORDS: [&str; 16] = [
    "as", "box", "enum", "final", "fn", "for", "in", "loop", "match", "mod", "move", "ref", "static", "type",
    "use", "where",
];

/// `vitrina.users.v1.User` → `crate::users::v1::User`.
pub(crate) fn rust_path(full_name: &str) -> String {
    let inner = full_name.strip_prefix("vitrina.").unwrap_or(full_name);
    format!("crate::{}", inner.replace('.', "::"))
}

/// The field of the message struct.
pub(crate) fn rust_field(field: &FieldDescriptor) -> String {
    let name = field.name();
    if KEYWORDS.contains(&name) { format!("r#{name}") } else { name.to_owned() }
}

/// `GetMe` → `get_me`.
pub(crate) fn snake(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    for (at, letter) in name.chars().enumerate() {
        if letter.is_ascii_uppercase() && at > 0 {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}

/// `RATE_READ` or `users` → `RateRead`, `Users`.
pub(crate) fn camel(name: &str) -> String {
    name.split('_')
        .map(|word| {
            let (head, tail) = word.split_at(word.len().min(1));
            head.to_ascii_uppercase() + &tail.to_ascii_lowercase()
        })
        .collect()
}

/// The variants of an enum as JSON spells them, without the enum's own name in front and without the unspecified one.
pub(crate) fn json_values(kind: &EnumDescriptor) -> Vec<(String, i32)> {
    kind.values()
        .filter(|value| value.number() != 0)
        .map(|value| (short(kind, value.name()), value.number()))
        .collect()
}

/// `RateClass`, `RATE_CLASS_READ` → `READ`.
pub(crate) fn short(kind: &EnumDescriptor, value: &str) -> String {
    let prefix = snake(kind.name()).to_ascii_uppercase() + "_";
    value.strip_prefix(&prefix).unwrap_or(value).to_owned()
}

/// The enum of a field, when it is one.
pub(crate) fn enum_of(field: &FieldDescriptor) -> Option<EnumDescriptor> {
    match field.kind() {
        Kind::Enum(kind) if !field.is_map() => Some(kind),
        _ => None,
    }
}

/// A Rust string literal.
pub(crate) fn quote(text: &str) -> String {
    format!("{text:?}")
}
