//! How are parameters of the REST API, and the bodies of requests, described?

use serde_json::{Value, json};

use crate::edge::rest::schemas::Schemas;

/// How names, and names with versions, are written.
pub(super) const NAME: &str = "^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$";
pub(super) const NAME_AND_VERSION: &str =
    "^[A-Za-z0-9][A-Za-z0-9._-]{0,127}:[A-Za-z0-9][A-Za-z0-9._-]{0,127}$";

pub(super) fn path(name: &str, description: &str, pattern: &str) -> Value {
    json!({
        "name": name, "in": "path", "required": true, "description": description,
        "schema": { "type": "string", "pattern": pattern },
    })
}

pub(super) fn query(name: &str, description: &str, schema: &Value) -> Value {
    json!({ "name": name, "in": "query", "description": description, "schema": schema })
}

pub(super) fn span() -> Value {
    json!({ "type": "string", "pattern": "^[0-9]{1,6}(ms|s|m|h|d)$", "examples": ["30s"] })
}

fn condition(name: &str, description: &str, pattern: &str) -> Value {
    json!({
        "name": name, "in": "header", "description": description,
        "schema": { "type": "string", "pattern": pattern, "minLength": 1 },
    })
}

pub(super) fn if_match() -> Value {
    let said = "The ETag that must be stored, or `*`: 412 otherwise.";
    condition("If-Match", said, r#"^(\*|"[0-9]{1,18}")$"#)
}

pub(super) fn if_none_match() -> Value {
    let said = "An ETag that is known: 304 where it is still the one.";
    condition("If-None-Match", said, r#"^(\*|"[0-9]{1,18}")$"#)
}

pub(super) fn absent() -> Value {
    condition("If-None-Match", "`*`: 412 where there is one already.", r"^\*$")
}

/// A document of resources.
pub(super) fn document_of(schema: &Value, example: Option<Value>) -> Value {
    let mut json = json!({ "schema": schema });
    if let (Some(members), Some(example)) = (json.as_object_mut(), example) {
        members.insert("examples".to_owned(), json!({ "one": { "value": example } }));
    }
    let yaml = json!({ "schema": schema });
    json!({ "required": true, "content": { "application/json": json, "application/yaml": yaml } })
}

/// A body that has to be JSON of this form.
pub(super) fn json_body(schema: &Value) -> Value {
    json!({ "content": { "application/json": { "schema": schema } } })
}

/// The body of a message without what the path says.
pub(super) fn json_of(schemas: &mut Schemas, name: &str) -> Value {
    let message = turnpike_proto::POOL.get_message_by_name(name);
    let schema = message.map(|message| schemas.without(&message, &["application"]));
    json_body(&schema.unwrap_or_default())
}
