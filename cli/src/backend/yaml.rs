//! YAML as JSON, for documents that others wrote.
//!
//! `200:` becomes the key `"200"`, and of two equal keys the last one counts: definitions that are
//! not quite valid are served all the same.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

pub(super) fn parse(text: &str) -> Result<Value, serde_norway::Error> {
    serde_norway::from_str::<Any>(text).map(|any| any.0)
}

struct Any(Value);

impl<'de> Deserialize<'de> for Any {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyVisitor).map(Self)
    }
}

struct AnyVisitor;

impl<'de> Visitor<'de> for AnyVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("YAML")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<Value, D::Error> {
        inner.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Any(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some((Any(key), Any(value))) = entries.next_entry()? {
            let key = match key {
                Value::String(key) => key,
                other => other.to_string(),
            };
            fields.insert(key, value);
        }
        Ok(Value::Object(fields))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_become_texts_and_the_last_of_two_equal_ones_counts() {
        let value = parse("200: ok\ntrue: [1, 2.5, ~]\na: 1\na: 2\n").unwrap();
        assert_eq!(value, json!({ "200": "ok", "true": [1, 2.5, null], "a": 2 }));
    }

    #[test]
    fn anchors_are_followed_and_nonsense_is_refused() {
        assert_eq!(parse("a: &x [1]\nb: *x").unwrap(), json!({ "a": [1], "b": [1] }));
        assert!(parse("a: [").is_err());
    }
}
