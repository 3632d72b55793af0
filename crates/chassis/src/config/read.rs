//! What does a document mean to a service?
//!
//! A deserializer of our own, because serde's usual ones forget where they are: this one says the
//! key and the line of a value that is refused, and notes which keys were read as secrets.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;

use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer as _, MapAccess,
    SeqAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::document::{Content, Node};
use super::error::{Error, Origin, Problem};
use super::{secret, suggest};

/// What was read, and the keys that are secrets.
pub(super) struct Reading<C> {
    pub(super) value: C,
    pub(super) secrets: BTreeSet<String>,
}

pub(super) fn read<C: DeserializeOwned>(root: &Node) -> Result<Reading<C>, Error> {
    let secrets = RefCell::default();
    let place = Place { node: root, key: String::new(), secrets: &secrets };
    let value = C::deserialize(place).map_err(|fault| Error::Refused(vec![fault.into()]))?;
    Ok(Reading { value, secrets: secrets.into_inner() })
}

/// Why a value was refused; the innermost place is the one that is told.
#[derive(Debug)]
struct Fault {
    reason: String,
    place: Option<(Origin, String)>,
}

#[derive(Clone)]
struct Place<'a> {
    node: &'a Node,
    key: String,
    secrets: &'a RefCell<BTreeSet<String>>,
}

impl<'a> Place<'a> {
    fn inner(&self, node: &'a Node, key: String) -> Self {
        Self { node, key, secrets: self.secrets }
    }

    fn blame(&self, fault: Fault) -> Fault {
        let here = || (self.node.origin.clone(), self.key.clone());
        Fault { place: fault.place.or_else(|| Some(here())), ..fault }
    }
}

impl<'de> Deserializer<'de> for Place<'de> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.node.content {
            Content::Text(text) | Content::Moment(text) => visitor.visit_borrowed_str(text),
            Content::Integer(number) => visitor.visit_i64(*number),
            Content::Float(number) => visitor.visit_f64(*number),
            Content::Boolean(truth) => visitor.visit_bool(*truth),
            Content::List(items) => {
                visitor.visit_seq(Items { place: self.clone(), items: items.iter().enumerate() })
            }
            Content::Table(table) => {
                visitor.visit_map(Entries { place: self.clone(), left: table.iter(), value: None })
            }
        }
        .map_err(|fault| self.blame(fault))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        if name == secret::NAME {
            self.secrets.borrow_mut().insert(self.key.clone());
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match &self.node.content {
            Content::Text(text) => {
                let variant: StrDeserializer<'_, Fault> = text.as_str().into_deserializer();
                visitor.visit_enum(variant)
            }
            Content::Table(table) => {
                let entries = Entries { place: self.clone(), left: table.iter(), value: None };
                visitor.visit_enum(MapAccessDeserializer::new(entries))
            }
            other => Err(de::Error::custom(format!("expected a text, found {}", other.kind()))),
        }
        .map_err(|fault| self.blame(fault))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

struct Items<'de, I> {
    place: Place<'de>,
    items: I,
}

impl<'de, I: Iterator<Item = (usize, &'de Node)>> SeqAccess<'de> for Items<'de, I> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Fault> {
        let Some((index, item)) = self.items.next() else { return Ok(None) };
        let key = format!("{}[{index}]", self.place.key);
        let place = self.place.inner(item, key);
        seed.deserialize(place.clone()).map(Some).map_err(|fault| place.blame(fault))
    }
}

struct Entries<'de, I> {
    place: Place<'de>,
    left: I,
    value: Option<Place<'de>>,
}

impl<'de, I: Iterator<Item = (&'de String, &'de Node)>> MapAccess<'de> for Entries<'de, I> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Fault> {
        let Some((key, node)) = self.left.next() else { return Ok(None) };
        let path = match self.place.key.as_str() {
            "" => key.clone(),
            outer => format!("{outer}.{key}"),
        };
        let place = self.place.inner(node, path);
        let name: StrDeserializer<'_, Fault> = key.as_str().into_deserializer();
        let read = seed.deserialize(name).map_err(|fault| place.blame(fault))?;
        self.value = Some(place);
        Ok(Some(read))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let value = self.value.take();
        let place =
            value.ok_or_else(|| de::Error::custom("a value was asked for before its key"))?;
        // Also what a type refuses after it was read, like a span of time, is to be blamed here.
        seed.deserialize(place.clone()).map_err(|fault| place.blame(fault))
    }
}

impl de::Error for Fault {
    fn custom<T: fmt::Display>(reason: T) -> Self {
        Self { reason: reason.to_string(), place: None }
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        de::Error::custom(format!("unknown key{}", suggest::hint(field, expected)))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        de::Error::custom(format!("`{variant}` is not known{}", suggest::hint(variant, expected)))
    }

    fn missing_field(field: &'static str) -> Self {
        de::Error::custom(format!("the key `{field}` is missing"))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for Fault {}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        let (place, key) = fault.place.map_or_else(
            || ("configuration".to_owned(), String::new()),
            |(origin, key)| (origin.to_string(), key),
        );
        Self { place, key, reason: fault.reason }
    }
}
