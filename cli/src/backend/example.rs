//! What could a value of this schema look like?
//!
//! The schema's own words come first: `example`, `examples`, `default`, `const`, `enum`. Only where
//! it has none is a value made up from type, format and bounds. A schema that contains itself ends
//! where it meets itself, and the whole value has a bound.

use serde_json::{Map, Value, json};

/// More than this many values in one answer help nobody.
const MOST_VALUES: usize = 4_000;
const MOST_REFERENCES: usize = 32;

/// Follows local references of a document.
///
/// `None` for a reference that leads nowhere, into another document, or in a circle.
pub(super) fn resolve<'a>(root: &'a Value, mut value: &'a Value) -> Option<&'a Value> {
    for _ in 0..MOST_REFERENCES {
        let Some(reference) = reference(value) else { return Some(value) };
        value = root.pointer(&pointer(reference)?)?;
    }
    None
}

/// A value that fits the schema as well as can be told; `None` where none can be made.
pub(super) fn of_schema(root: &Value, schema: &Value) -> Option<Value> {
    Maker { root, inside: Vec::new(), left: MOST_VALUES }.make(schema)
}

fn reference(value: &Value) -> Option<&str> {
    value.get("$ref").and_then(Value::as_str)
}

/// `#/components/schemas/A%20B` as the JSON pointer that it is.
fn pointer(reference: &str) -> Option<String> {
    let encoded = reference.strip_prefix('#')?;
    if !encoded.contains('%') {
        return Some(encoded.to_owned());
    }
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let high = char::from(rest.next()?).to_digit(16)?;
                let low = char::from(rest.next()?).to_digit(16)?;
                u8::try_from(high * 16 + low).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

struct Maker<'a> {
    root: &'a Value,
    /// The references that are being followed; meeting one of them again is a circle.
    inside: Vec<&'a str>,
    left: usize,
}

impl<'a> Maker<'a> {
    fn make(&mut self, schema: &'a Value) -> Option<Value> {
        self.left = self.left.checked_sub(1)?;
        if let Some(own) = own_words(schema) {
            return Some(own);
        }
        let Some(reference) = reference(schema) else { return self.make_up(schema) };
        if self.inside.contains(&reference) || self.inside.len() >= MOST_REFERENCES {
            return None;
        }
        let target = self.root.pointer(&pointer(reference)?)?;
        self.inside.push(reference);
        let value = self.make(target);
        self.inside.pop();
        value
    }

    fn make_up(&mut self, schema: &'a Value) -> Option<Value> {
        if let Some(parts) = schema.get("allOf").and_then(Value::as_array) {
            return self.all_of(schema, parts);
        }
        for choice in ["oneOf", "anyOf"] {
            if let Some(choices) = schema.get(choice).and_then(Value::as_array) {
                return choices.iter().find_map(|one| self.make(one));
            }
        }
        match type_of(schema)? {
            "object" => Some(Value::Object(self.object(schema))),
            "array" => Some(self.array(schema)),
            "string" => Some(Value::String(text(schema))),
            "integer" => Some(json!(whole_number(schema))),
            "number" => Some(number(schema)),
            "boolean" => Some(Value::Bool(true)),
            "null" => Some(Value::Null),
            _ => None,
        }
    }

    /// The properties of all parts together, and the schema's own besides.
    fn all_of(&mut self, schema: &'a Value, parts: &'a [Value]) -> Option<Value> {
        let mut together = Map::new();
        let mut other = None;
        for part in parts {
            match self.make(part) {
                Some(Value::Object(fields)) => together.extend(fields),
                Some(value) => other = Some(value),
                None => {}
            }
        }
        together.extend(self.object(schema));
        if together.is_empty() { other } else { Some(Value::Object(together)) }
    }

    fn object(&mut self, schema: &'a Value) -> Map<String, Value> {
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
            return Map::new();
        };
        properties
            .iter()
            .filter(|(_, property)| property.get("writeOnly") != Some(&Value::Bool(true)))
            .filter_map(|(name, property)| Some((name.clone(), self.make(property)?)))
            .collect()
    }

    fn array(&mut self, schema: &'a Value) -> Value {
        let wanted = schema.get("minItems").and_then(Value::as_u64).unwrap_or(1).clamp(1, 3);
        let Some(items) = schema.get("items") else { return json!([]) };
        Value::Array((0..wanted).filter_map(|_| self.make(items)).collect())
    }
}

/// What the author of the schema wrote down as a value.
fn own_words(schema: &Value) -> Option<Value> {
    // `example: null` says nothing in most definitions; a field without a value is made up.
    let said = |name: &str| schema.get(name).filter(|value| !value.is_null()).cloned();
    said("example")
        .or_else(|| schema.get("examples").and_then(Value::as_array)?.first().cloned())
        .or_else(|| said("default"))
        .or_else(|| schema.get("const").cloned())
        .or_else(|| schema.get("enum").and_then(Value::as_array)?.first().cloned())
}

/// The type that the schema names, or that its other words imply.
fn type_of(schema: &Value) -> Option<&str> {
    match schema.get("type") {
        Some(Value::String(name)) => Some(name),
        Some(Value::Array(names)) => {
            let mut names = names.iter().filter_map(Value::as_str);
            names.clone().find(|name| *name != "null").or_else(|| names.next())
        }
        _ if schema.get("properties").is_some() => Some("object"),
        _ if schema.get("items").is_some() => Some("array"),
        _ => None,
    }
}

fn text(schema: &Value) -> String {
    let shape = match schema.get("format").and_then(Value::as_str).unwrap_or_default() {
        "date" => "2026-01-31",
        "date-time" => "2026-01-31T09:30:00Z",
        "time" => "09:30:00Z",
        "duration" => "PT1H",
        "uuid" => "3f2a8c1e-5b7d-4e9a-8c06-1d2f3a4b5c6d",
        "email" => "ann@example.com",
        "uri" | "url" | "uri-reference" => "https://example.com/",
        "hostname" => "example.com",
        "ipv4" => "192.0.2.1",
        "ipv6" => "2001:db8::1",
        "byte" => "dGV4dA==",
        _ => "text",
    };
    let length = |name: &str| {
        schema.get(name).and_then(Value::as_u64).and_then(|length| usize::try_from(length).ok())
    };
    let mut shape = shape.to_owned();
    if let Some(least) = length("minLength").map(|least| least.min(1_000)) {
        while shape.len() < least {
            shape.push('x');
        }
    }
    if let Some(most) = length("maxLength") {
        shape.truncate(most);
    }
    shape
}

fn whole_number(schema: &Value) -> i64 {
    let bound = |name: &str| schema.get(name).and_then(Value::as_i64);
    // OpenAPI 3.0 says `exclusiveMinimum: true` beside `minimum`, 3.1 gives the number itself.
    let open = schema.get("exclusiveMinimum") == Some(&Value::Bool(true));
    let least = bound("exclusiveMinimum")
        .map(|least| least.saturating_add(1))
        .or_else(|| bound("minimum").map(|least| least.saturating_add(i64::from(open))));
    let most = bound("exclusiveMaximum").map(|most| most.saturating_sub(1)).or(bound("maximum"));
    let value = least.unwrap_or(1).max(1);
    most.map_or(value, |most| value.min(most))
}

fn number(schema: &Value) -> Value {
    let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
    let value = bound("minimum").or_else(|| bound("exclusiveMinimum").map(|least| least + 0.5));
    let value = value.unwrap_or(1.5);
    json!(bound("maximum").map_or(value, |most| value.min(most)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(schema: &Value, value: &Value) {
        let root = json!({ "components": { "schemas": {
            "Name": { "type": "string", "example": "Ann" },
            "Node": { "properties": {
                "name": { "$ref": "#/components/schemas/Name" },
                "next": { "$ref": "#/components/schemas/Node" },
                "all": { "type": "array", "items": { "$ref": "#/components/schemas/Node" } },
            } },
            "Odd Name": { "const": 7 },
        } }, "it": schema });
        let made = root.get("it").and_then(|schema| of_schema(&root, schema));
        assert_eq!(made.unwrap_or_default(), *value);
    }

    #[test]
    fn the_words_of_the_author_win_over_made_up_values() {
        check(&json!({ "type": "integer", "example": 12, "default": 5 }), &json!(12));
        check(&json!({ "type": "string", "examples": ["a", "b"] }), &json!("a"));
        check(&json!({ "enum": ["NEW", "PAID"] }), &json!("NEW"));
        check(&json!({ "type": "string", "default": "x" }), &json!("x"));
    }

    #[test]
    fn a_schema_that_contains_itself_ends() {
        check(
            &json!({ "$ref": "#/components/schemas/Node" }),
            &json!({ "name": "Ann", "all": [] }),
        );
    }

    #[test]
    fn parts_are_put_together() {
        check(
            &json!({ "allOf": [
                { "properties": { "a": { "type": "boolean" } } },
                { "properties": { "b": { "$ref": "#/components/schemas/Name" } } },
            ], "properties": { "c": { "type": ["null", "number"], "maximum": 1 } } }),
            &json!({ "a": true, "b": "Ann", "c": 1.0 }),
        );
        check(&json!({ "oneOf": [{ "$ref": "#/nowhere" }, { "type": "null" }] }), &json!(null));
    }

    #[test]
    fn bounds_and_formats_are_kept() {
        check(&json!({ "type": "integer", "minimum": 18, "exclusiveMinimum": true }), &json!(19));
        check(&json!({ "type": "integer", "maximum": -3 }), &json!(-3));
        check(&json!({ "type": "string", "format": "date" }), &json!("2026-01-31"));
        check(&json!({ "type": "string", "minLength": 6, "maxLength": 6 }), &json!("textxx"));
        check(&json!({ "type": "array", "minItems": 2, "items": { "const": 1 } }), &json!([1, 1]));
    }

    #[test]
    fn a_secret_that_is_only_written_is_not_answered() {
        check(
            &json!({ "properties": {
                "password": { "type": "string", "writeOnly": true },
                "user": { "type": "string", "example": "ann" },
            } }),
            &json!({ "user": "ann" }),
        );
    }

    #[test]
    fn an_encoded_reference_is_followed() {
        check(&json!({ "$ref": "#/components/schemas/Odd%20Name" }), &json!(7));
    }
}
