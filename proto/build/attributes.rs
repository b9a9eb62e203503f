//! The JSON form of messages: serde attributes on what prost generates, after the ProtoJSON mapping.
//!
//! serde's own derive was taken instead of pbjson: it refuses unknown and repeated fields by itself, shows lists and
//! plain values even when they are empty or zero, and leaves room for our own names of enum values.

use anyhow::{Result, bail};
use prost_reflect::{Cardinality, FieldDescriptor, Kind};

use crate::contract::Contract;
use crate::names;

/// Adds the attributes of every message of ours.
pub(crate) fn add(config: &mut prost_build::Config, contract: &Contract) -> Result<()> {
    for message in &contract.messages {
        if message.oneofs().any(|oneof| !oneof.is_synthetic()) {
            bail!("{}: a oneof has no JSON form here", message.full_name());
        }
        let path = format!(".{}", message.full_name());
        config.message_attribute(&path, "#[derive(serde::Serialize, serde::Deserialize)]");
        config.message_attribute(&path, "#[serde(default, deny_unknown_fields)]");
        for field in message.fields() {
            let attribute = format!("#[serde({})]", field_rules(contract, &field).join(", "));
            config.field_attribute(format!("{path}.{}", field.name()), attribute);
        }
    }
    Ok(())
}

fn field_rules(contract: &Contract, field: &FieldDescriptor) -> Vec<String> {
    let rules = contract.rules(field);
    if rules.is_hidden {
        return vec!["skip".to_owned()];
    }
    let mut out = vec![format!("rename = {}", names::quote(field.json_name()))];
    let is_many = field.is_list() || field.is_map();
    let is_option = !is_many && field.supports_presence();
    if let Some(kind) = names::enum_of(field) {
        let shape = match field.cardinality() {
            Cardinality::Repeated => "many",
            _ if is_option => "option",
            _ => "one",
        };
        let path = names::rust_path(kind.full_name());
        out.push(format!("serialize_with = \"crate::json::put_{shape}::<{path}, _>\""));
        out.push(format!("deserialize_with = \"crate::json::take_{shape}::<{path}, _>\""));
        if !is_many {
            out.push(format!("skip_serializing_if = \"crate::json::is_nameless_{shape}::<{path}>\""));
        }
    } else if is_option {
        out.push("skip_serializing_if = \"Option::is_none\"".to_owned());
    } else if field.is_map() {
        out.push("deserialize_with = \"crate::json::take_map\"".to_owned());
    } else {
        out.push("deserialize_with = \"crate::json::nullable\"".to_owned());
    }
    if is_many && rules.is_omitted_empty {
        let kind = if field.is_map() { "std::collections::BTreeMap" } else { "Vec" };
        out.push(format!("skip_serializing_if = \"{kind}::is_empty\""));
    }
    out
}

/// Why a field cannot be part of a JSON document, if so.
pub(crate) fn json_fault(contract: &Contract, field: &FieldDescriptor) -> Option<&'static str> {
    if contract.rules(field).is_hidden || field.full_name() == "vitrina.common.v1.Money.minor" {
        return None;
    }
    match field.kind() {
        Kind::Message(entry) if field.is_map() && entry.map_entry_key_field().kind() != Kind::String => {
            Some("keys of a map must be strings")
        }
        Kind::Bytes => Some("bytes have no JSON form here: hide the field"),
        Kind::Int64 | Kind::Uint64 | Kind::Sint64 | Kind::Fixed64 | Kind::Sfixed64 => {
            Some("64-bit integers are strings in ProtoJSON: take uint32, int32, double or Money")
        }
        _ => None,
    }
}
