//! Which schema does a message have?
//!
//! That of its proto3 JSON form, with the comments of the `.proto` files. A member that is null is one
//! that is absent.

use std::collections::BTreeSet;

use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind as FieldKind, MessageDescriptor};
use serde_json::{Map, Value, json};
use turnpike_proto::POOL;

use super::comments::{comment, is_required};

/// The schemas that are referred to.
#[derive(Default)]
pub(super) struct Schemas {
    pub(super) written: Map<String, Value>,
    begun: BTreeSet<String>,
}

impl Schemas {
    /// Writes the schema of a message, and of those in it; answers a reference to it.
    pub(super) fn add(&mut self, name: &str) -> Value {
        if let Some(message) = POOL.get_message_by_name(name)
            && self.begun.insert(name.to_owned())
        {
            let schema = self.message(&message);
            self.written.insert(name.to_owned(), schema);
        }
        json!({ "$ref": format!("#/components/schemas/{name}") })
    }

    /// The schema of a message itself, without the fields that are said elsewhere.
    pub(super) fn without(&mut self, message: &MessageDescriptor, elsewhere: &[&str]) -> Value {
        let mut schema = self.message(message);
        if let Some(members) = schema.get_mut("properties").and_then(Value::as_object_mut) {
            members.retain(|name, _| !elsewhere.contains(&name.as_str()));
        }
        if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
            required.retain(|name| name.as_str().is_none_or(|name| !elsewhere.contains(&name)));
        }
        schema
    }

    fn message(&mut self, message: &MessageDescriptor) -> Value {
        let file = message.parent_file();
        let (mut members, mut required) = (Map::new(), Vec::new());
        // What the head of a resource says, the path says too.
        let is_kind = message.get_field_by_name("api_version").is_some();
        for field in message.fields() {
            let said = comment(file.name(), field.path());
            let name = field.json_name();
            if is_required(said) && !(is_kind && name != "spec") {
                required.push(name.to_owned());
            }
            members.insert(name.to_owned(), described(self.field(&field), said));
        }
        let mut schema = json!({
            "type": "object",
            "properties": members,
            "additionalProperties": false,
        });
        if let Some(schema) = schema.as_object_mut() {
            let said = comment(file.name(), message.path());
            if !said.is_empty() {
                schema.insert("description".to_owned(), said.into());
            }
            if !required.is_empty() {
                schema.insert("required".to_owned(), required.into());
            }
        }
        schema
    }

    pub(super) fn field(&mut self, field: &FieldDescriptor) -> Value {
        if field.is_map()
            && let FieldKind::Message(entry) = field.kind()
        {
            let value = self.value(&entry.map_entry_value_field().kind());
            return json!({ "type": "object", "additionalProperties": value });
        }
        let value = self.value(&field.kind());
        if field.is_list() { json!({ "type": "array", "items": value }) } else { value }
    }

    fn value(&mut self, kind: &FieldKind) -> Value {
        match kind {
            FieldKind::Bool => json!({ "type": "boolean" }),
            FieldKind::Double | FieldKind::Float => json!({ "type": "number" }),
            FieldKind::Int32 | FieldKind::Sint32 | FieldKind::Sfixed32 => {
                number(&i32::MIN.into(), &i32::MAX.into(), "int32")
            }
            FieldKind::Uint32 | FieldKind::Fixed32 => number(&0.into(), &u32::MAX.into(), "uint32"),
            FieldKind::Int64 | FieldKind::Sint64 | FieldKind::Sfixed64 => {
                number(&i64::MIN.into(), &i64::MAX.into(), "int64")
            }
            FieldKind::Uint64 | FieldKind::Fixed64 => number(&0.into(), &u64::MAX.into(), "uint64"),
            FieldKind::String => json!({ "type": "string" }),
            FieldKind::Bytes => json!({ "type": "string", "format": "byte" }),
            FieldKind::Enum(of) => json!({ "type": "string", "enum": names(of) }),
            FieldKind::Message(of) => match of.full_name() {
                "google.protobuf.Timestamp" => json!({ "type": "string", "format": "date-time" }),
                "google.protobuf.Duration" => json!({
                    "type": "string",
                    "pattern": r"^-?[0-9]{1,12}(\.[0-9]{1,9})?s$",
                    "examples": ["30s"],
                }),
                "google.protobuf.Value" => json!({ "type": ["string", "number", "boolean"] }),
                "google.protobuf.Struct" | "google.protobuf.Any" => json!({ "type": "object" }),
                "google.protobuf.Empty" => {
                    json!({ "type": "object", "additionalProperties": false })
                }
                name => self.add(name),
            },
        }
    }
}

/// Numbers are taken as texts, too, and those of 64 bits are answered as texts or as numbers.
fn number(least: &Value, most: &Value, format: &str) -> Value {
    json!({
        "type": ["integer", "string"],
        "minimum": least,
        "maximum": most,
        "format": format,
        "pattern": "^-?[0-9]{1,20}$",
    })
}

/// The schema with what the comment says; a reference cannot hold it itself in all tools.
fn described(schema: Value, said: &str) -> Value {
    let mut schema = schema;
    if let Some(members) = schema.as_object_mut()
        && !said.is_empty()
    {
        members.insert("description".to_owned(), said.into());
    }
    schema
}

fn names(of: &EnumDescriptor) -> Vec<String> {
    of.values().map(|value| value.name().to_owned()).collect()
}
