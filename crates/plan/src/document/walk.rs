//! Does a tree fit a message, and where does it not?
//!
//! The tree is walked against the message's descriptor, so that every unknown field, wrong type
//! and unknown name is told with its place, and not only the first.

use std::collections::{BTreeSet, HashMap};

use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, ReflectMessage as _, Value,
};

use super::scalar::{self, Wrong};
use super::tree::Tree;
use crate::problem::{At, Problems, did_you_mean, nearest, shown};

/// The message that `tree` says, as far as it is right; what is wrong goes to `problems`.
pub(crate) fn message(
    descriptor: &MessageDescriptor,
    tree: Tree,
    at: &At<'_>,
    problems: &mut Problems,
) -> Option<DynamicMessage> {
    let map = match tree {
        Tree::Map(map) => map,
        other => {
            told(Wrong::expected("an object", &other), at, problems);
            return None;
        }
    };
    let mut message = DynamicMessage::new(descriptor.clone());
    let mut seen = BTreeSet::new();
    for (name, value) in map {
        let here = at.name(&name);
        let known = descriptor
            .get_field_by_json_name(&name)
            .or_else(|| descriptor.get_field_by_name(&name));
        let Some(field) = known else {
            unknown(descriptor, &name, &here, problems);
            continue;
        };
        if !seen.insert(field.number()) {
            problems.add(&here, "the field stands twice", "keep one of them");
            continue;
        }
        if value == Tree::Null {
            continue;
        }
        if let Some(other) = chosen(&field, &message) {
            let reason = format!("`{other}` stands beside it, and only one of them can");
            problems.add(&here, reason, "keep one of them");
            continue;
        }
        if let Some(value) = value_of(&field, value, &here, problems) {
            message.set_field(&field, value);
        }
    }
    Some(message)
}

/// The name of another field that was set where only one may be.
fn chosen(field: &FieldDescriptor, message: &DynamicMessage) -> Option<String> {
    let set = field.containing_oneof()?.fields().find(|other| message.has_field(other))?;
    Some(set.json_name().to_owned())
}

fn value_of(
    field: &FieldDescriptor,
    tree: Tree,
    at: &At<'_>,
    problems: &mut Problems,
) -> Option<Value> {
    if field.is_map() {
        return map_of(field, tree, at, problems);
    }
    if field.is_list() {
        return list_of(field, tree, at, problems);
    }
    single(&field.kind(), tree, at, problems)
}

fn single(kind: &Kind, tree: Tree, at: &At<'_>, problems: &mut Problems) -> Option<Value> {
    let read = match kind {
        Kind::Message(inner) => match inner.full_name() {
            "google.protobuf.Duration" => scalar::duration(&tree).map(|value| wrap(inner, &value)),
            "google.protobuf.Timestamp" => timestamp(&tree).map(|value| wrap(inner, &value)),
            "google.protobuf.Value" => scalar::any(tree).map(|value| wrap(inner, &value)),
            _ => return message(inner, tree, at, problems).map(Value::Message),
        },
        _ => scalar::read(kind, tree).map(Some),
    };
    match read {
        Ok(value) => value,
        Err(wrong) => {
            told(wrong, at, problems);
            None
        }
    }
}

fn wrap(descriptor: &MessageDescriptor, message: &impl prost::Message) -> Option<Value> {
    let mut wrapped = DynamicMessage::new(descriptor.clone());
    wrapped.transcode_from(message).ok()?;
    Some(Value::Message(wrapped))
}

fn timestamp(tree: &Tree) -> Result<prost_types::Timestamp, Wrong> {
    tree.as_text()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| Wrong::expected("a time like `2026-01-31T12:00:00Z`", tree))
}

fn list_of(
    field: &FieldDescriptor,
    tree: Tree,
    at: &At<'_>,
    problems: &mut Problems,
) -> Option<Value> {
    let Tree::List(items) = tree else {
        let wrong = Wrong::expected("a list", &tree);
        let suggestion = match &tree {
            Tree::Text(text) => format!("write `[{}]`", shown(text)),
            _ => String::new(),
        };
        told(Wrong { suggestion, ..wrong }, at, problems);
        return None;
    };
    let mut list = Vec::with_capacity(items.len());
    for (index, item) in items.into_iter().enumerate() {
        list.extend(single(&field.kind(), item, &at.index(index), problems));
    }
    Some(Value::List(list))
}

fn map_of(
    field: &FieldDescriptor,
    tree: Tree,
    at: &At<'_>,
    problems: &mut Problems,
) -> Option<Value> {
    let Tree::Map(entries) = tree else {
        told(Wrong::expected("an object of names and values", &tree), at, problems);
        return None;
    };
    let Kind::Message(entry) = field.kind() else { return None };
    let kind = entry.map_entry_value_field().kind();
    let mut map = HashMap::with_capacity(entries.len());
    for (name, value) in entries {
        let here = at.name(&name);
        let Some(value) = single(&kind, value, &here, problems) else { continue };
        if map.insert(MapKey::String(name.clone()), value).is_some() {
            problems.add(&here, "the name stands twice", "keep one of them");
        }
    }
    Some(Value::Map(map))
}

fn told(wrong: Wrong, at: &At<'_>, problems: &mut Problems) {
    problems.add(at, wrong.reason, wrong.suggestion);
}

fn unknown(descriptor: &MessageDescriptor, name: &str, at: &At<'_>, problems: &mut Problems) {
    let fields: Vec<FieldDescriptor> = descriptor.fields().collect();
    let near = nearest(name, fields.iter().map(FieldDescriptor::json_name));
    let suggestion = match near {
        Some(_) => did_you_mean(near),
        None => elsewhere(&fields, name).unwrap_or_default(),
    };
    problems.add(at, format!("there is no field `{}` here", shown(name)), suggestion);
}

/// The field exists one level deeper: `context` beside `spec` instead of in it.
fn elsewhere(fields: &[FieldDescriptor], name: &str) -> Option<String> {
    fields.iter().find_map(|field| match field.kind() {
        Kind::Message(inner) if !field.is_list() && !field.is_map() => inner
            .get_field_by_json_name(name)
            .map(|_| format!("it belongs under `{}`", field.json_name())),
        _ => None,
    })
}

/// The typed form of a message that was walked.
pub(crate) fn typed<T: prost::Message + Default>(message: &DynamicMessage) -> Option<T> {
    debug_assert!(!message.descriptor().full_name().is_empty());
    message.transcode_to().ok()
}
