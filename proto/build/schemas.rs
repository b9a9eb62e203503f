//! The schemas of the OpenAPI document: how messages look as JSON.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};
use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};

use crate::comments;
use crate::contract::Contract;
use crate::names::json_values;

/// Gathers what operations refer to, so that only what is used is described.
pub(crate) struct Schemas<'a> {
    contract: &'a Contract,
    done: BTreeMap<String, (String, Value)>,
    /// Messages that answers show; what they always show is required.
    shown: BTreeSet<String>,
}

/// Whether `null` is a value of its own: in a merge-patch it clears.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Null {
    Clears,
    IsAbsent,
}

impl<'a> Schemas<'a> {
    pub(crate) fn new(contract: &'a Contract) -> Self {
        let mut schemas = Self { contract, done: BTreeMap::new(), shown: BTreeSet::new() };
        for route in &contract.routes {
            schemas.show(&route.method.output());
        }
        schemas
    }

    /// A reference to a message's schema, which is written when it is new.
    pub(crate) fn reference(&mut self, message: &MessageDescriptor) -> Result<Value> {
        let name = message.name().to_owned();
        self.claim(&name, message.full_name(), |schemas| schemas.message(message))?;
        Ok(json!({"$ref": format!("#/components/schemas/{name}")}))
    }

    /// An object of some fields of a request.
    pub(crate) fn members(&mut self, fields: &[FieldDescriptor], null: Null) -> Result<Value> {
        let mut schema = self.object(fields, null, Self::is_required)?;
        schema.insert("additionalProperties".to_owned(), json!(false));
        Ok(Value::Object(schema))
    }

    /// The schema of one field.
    pub(crate) fn field(&mut self, field: &FieldDescriptor) -> Result<Value> {
        let value = match field.kind() {
            Kind::Message(entry) if field.is_map() => {
                let value = entry.map_entry_value_field();
                json!({"type": "object", "additionalProperties": self.value(&value.kind())?})
            }
            kind if field.is_list() => json!({"type": "array", "items": self.value(&kind)?}),
            kind => self.value(&kind)?,
        };
        Ok(with_text(value, comments::of_field(field)))
    }

    /// Whether a request must hold the field.
    pub(crate) fn is_required(&self, field: &FieldDescriptor) -> bool {
        self.contract.rules(field).is_required
    }

    /// All schemas by name.
    pub(crate) fn finish(self) -> Map<String, Value> {
        self.done.into_iter().map(|(name, (_, schema))| (name, schema)).collect()
    }

    fn show(&mut self, message: &MessageDescriptor) {
        if !self.shown.insert(message.full_name().to_owned()) {
            return;
        }
        for field in message.fields() {
            if let Kind::Message(inner) = field.kind() {
                self.show(&inner);
            }
        }
    }

    fn message(&mut self, message: &MessageDescriptor) -> Result<Value> {
        let is_shown = self.shown.contains(message.full_name());
        let fields: Vec<_> = message.fields().collect();
        let schema = self.object(&fields, Null::IsAbsent, |schemas, field| {
            let rules = schemas.contract.rules(field);
            let is_always_there = if field.is_list() || field.is_map() {
                !rules.is_omitted_empty
            } else {
                // The unspecified value of an enum is left out.
                !field.supports_presence() && !matches!(field.kind(), Kind::Enum(_))
            };
            rules.is_required || (is_shown && is_always_there)
        })?;
        Ok(with_text(Value::Object(schema), comments::of_message(message)))
    }

    fn object(
        &mut self,
        fields: &[FieldDescriptor],
        null: Null,
        is_required: impl Fn(&Self, &FieldDescriptor) -> bool,
    ) -> Result<Map<String, Value>> {
        let (mut properties, mut required) = (Map::new(), Vec::new());
        for field in fields.iter().filter(|field| !self.contract.rules(field).is_hidden) {
            let mut schema = self.field(field)?;
            let is_clearable = field.supports_presence() || field.is_list() || field.is_map();
            if null == Null::Clears && is_clearable && !self.contract.rules(field).is_required {
                schema = json!({"anyOf": [schema, {"type": "null"}]});
            }
            properties.insert(field.json_name().to_owned(), schema);
            if is_required(self, field) {
                required.push(field.json_name().to_owned());
            }
        }
        let mut schema = Map::new();
        schema.insert("type".to_owned(), json!("object"));
        schema.insert("properties".to_owned(), Value::Object(properties));
        if !required.is_empty() {
            schema.insert("required".to_owned(), json!(required));
        }
        Ok(schema)
    }

    fn value(&mut self, kind: &Kind) -> Result<Value> {
        Ok(match kind {
            Kind::Message(message) if message.full_name() == "google.protobuf.Timestamp" => {
                json!({"type": "string", "format": "date-time"})
            }
            Kind::Message(message) => self.reference(message)?,
            Kind::Enum(kind) => self.enumeration(kind)?,
            Kind::String => json!({"type": "string"}),
            Kind::Bool => json!({"type": "boolean"}),
            Kind::Double | Kind::Float => json!({"type": "number"}),
            Kind::Bytes => json!({"type": "string", "format": "byte"}),
            Kind::Uint32 | Kind::Fixed32 => {
                json!({"type": "integer", "format": "int64", "minimum": 0, "maximum": u32::MAX})
            }
            Kind::Uint64 | Kind::Fixed64 => json!({"type": "integer", "format": "int64", "minimum": 0}),
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => json!({"type": "integer", "format": "int64"}),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => json!({"type": "integer", "format": "int32"}),
        })
    }

    fn enumeration(&mut self, kind: &EnumDescriptor) -> Result<Value> {
        let name = kind.name().to_owned();
        self.claim(&name, kind.full_name(), |_| {
            let names: Vec<String> = json_values(kind).into_iter().map(|(name, _)| name).collect();
            Ok(with_text(json!({"type": "string", "enum": names}), comments::of_enum(kind)))
        })?;
        Ok(json!({"$ref": format!("#/components/schemas/{name}")}))
    }

    fn claim(
        &mut self,
        name: &str,
        full_name: &str,
        make: impl FnOnce(&mut Self) -> Result<Value>,
    ) -> Result<()> {
        match self.done.get(name) {
            Some((owner, _)) if owner == full_name => return Ok(()),
            Some((owner, _)) => bail!("{full_name} and {owner} have the same name in the OpenAPI document"),
            None => {}
        }
        // Claimed first: a message may hold itself.
        self.done.insert(name.to_owned(), (full_name.to_owned(), Value::Null));
        let schema = make(self)?;
        self.done.insert(name.to_owned(), (full_name.to_owned(), schema));
        Ok(())
    }
}

/// A schema with its description, when there is one.
pub(crate) fn with_text(mut schema: Value, text: Option<String>) -> Value {
    if let (Some(object), Some(text)) = (schema.as_object_mut(), text) {
        object.insert("description".to_owned(), Value::String(text));
    }
    schema
}
