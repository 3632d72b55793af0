//! Which resources does a text hold?
//!
//! Several YAML documents, one JSON value, or a list of them. Each one says `apiVersion` and
//! `kind`, and is then read as the message of its kind.

use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind as FieldKind, MessageDescriptor, Value as FieldValue,
};
use serde_json::Value;
use turnpike_proto::config::v1::{Problem, Resource};

use super::tree::{self, Tree, TreeError};
use super::walk;
use crate::problem::{At, Problems, did_you_mean, nearest, shown};
use crate::resource::{Kind, ResourceKey, key};

/// The largest text that is read, in bytes.
pub(crate) const MAX_FILE_BYTES: usize = 8 * 1024 * 1024;

/// The resources of a YAML or JSON text, and everything that is wrong with the others. `file`
/// only names the text in problems.
pub fn read_document(text: &str, file: &str) -> (Vec<Resource>, Vec<Problem>) {
    let (mut resources, mut list) = (Vec::new(), Vec::new());
    if text.len() > MAX_FILE_BYTES {
        let mut problems = Problems::of("", file);
        let reason = format!("it has {} bytes, and at most {MAX_FILE_BYTES} are read", text.len());
        problems.add(&At::ROOT, reason, "split it into several files");
        return (resources, problems.into_list());
    }
    let json_only = std::path::Path::new(file)
        .extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case("json"));
    for tree in tree::parse(text, json_only) {
        let trees = match tree {
            Ok(Tree::Null) => continue,
            Ok(Tree::List(list)) => list,
            Ok(one) => vec![one],
            Err(error) => {
                list.extend(syntax(&error, file));
                continue;
            }
        };
        for tree in trees {
            match read_resource(tree, file) {
                Ok(resource) => resources.push(resource),
                Err(problems) => list.extend(problems),
            }
        }
    }
    (resources, list)
}

/// The values of a YAML or JSON text that holds no resources of ours. Bounded as
/// [`read_document`] is: in size, in depth, and in what aliases may make of it.
pub fn read_values(text: &str, file: &str) -> Result<Vec<Value>, Vec<Problem>> {
    let mut problems = Problems::of("", file);
    if text.len() > MAX_FILE_BYTES {
        let reason = format!("it has {} bytes, and at most {MAX_FILE_BYTES} are read", text.len());
        problems.add(&At::ROOT, reason, "leave out examples, or split it");
        return Err(problems.into_list());
    }
    let mut values = Vec::new();
    for tree in tree::parse(text, false) {
        match tree {
            Ok(Tree::Null) => {}
            Ok(tree) => values.push(tree.into()),
            Err(error) => problems.add(&At::ROOT, error.to_string(), ""),
        }
    }
    if problems.is_empty() { Ok(values) } else { Err(problems.into_list()) }
}

/// One resource in its JSON form.
pub fn from_json(value: Value, file: &str) -> Result<Resource, Vec<Problem>> {
    read_resource(value.into(), file)
}

/// A message of any kind in its JSON form, as strictly as resources are read: everything that is wrong
/// is told with its place.
pub fn message_from_json(
    descriptor: &MessageDescriptor,
    value: Value,
) -> Result<DynamicMessage, Vec<Problem>> {
    let mut problems = Problems::of("", "");
    let message = walk::message(descriptor, value.into(), &At::ROOT, &mut problems);
    match message {
        Some(message) if problems.is_empty() => Ok(message),
        _ => Err(problems.into_list()),
    }
}

fn syntax(error: &TreeError, file: &str) -> Vec<Problem> {
    let mut problems = Problems::of("", file);
    problems.add(&At::ROOT, error.to_string(), "");
    problems.into_list()
}

fn read_resource(tree: Tree, file: &str) -> Result<Resource, Vec<Problem>> {
    let mut problems = Problems::of(written_key(&tree), file);
    let root = At::ROOT;
    let resource = choose(&tree, &root, &mut problems).and_then(|field| {
        let FieldKind::Message(descriptor) = field.kind() else { return None };
        let message = walk::message(&descriptor, tree, &root, &mut problems)?;
        let mut outer = DynamicMessage::new(field.parent_message().clone());
        outer.set_field(&field, FieldValue::Message(message));
        walk::typed::<Resource>(&outer)
    });
    match resource {
        Some(resource) if problems.is_empty() => {
            if key(&resource).is_none() {
                nameless(&resource, &root, &mut problems);
                return Err(problems.into_list());
            }
            Ok(resource)
        }
        _ => {
            if problems.is_empty() {
                problems.add(&root, "it cannot be read", "");
            }
            Err(problems.into_list())
        }
    }
}

fn nameless(resource: &Resource, at: &At<'_>, problems: &mut Problems) {
    let at = at.name("metadata");
    let named = crate::resource::metadata(resource).is_some_and(|it| !it.name.is_empty());
    if named {
        problems.add(&at.name("version"), "an Api needs a version", "write `version: \"1.0.0\"`");
    } else {
        problems.add(&at.name("name"), "a name is missing", "write `metadata: { name: … }`");
    }
}

/// The member of `Resource` that `kind` names.
fn choose(tree: &Tree, at: &At<'_>, problems: &mut Problems) -> Option<FieldDescriptor> {
    if tree.as_map().is_none() {
        let reason = format!("a resource is an object, found {}", tree.described());
        problems.add(at, reason, "start with `apiVersion: turnpike/v1`");
        return None;
    }
    match tree.get("apiVersion").or_else(|| tree.get("api_version")) {
        Some(Tree::Text(version)) if version == "turnpike/v1" => {}
        Some(other) => {
            let reason = format!("`turnpike/v1` is expected, found {}", other.described());
            problems.add(&at.name("apiVersion"), reason, "write `apiVersion: turnpike/v1`");
        }
        None => {
            let suggestion = "write `apiVersion: turnpike/v1`";
            problems.add(&at.name("apiVersion"), "it is missing", suggestion);
        }
    }
    let resource = turnpike_proto::POOL.get_message_by_name("turnpike.config.v1.Resource")?;
    let kinds: Vec<(String, FieldDescriptor)> = resource
        .fields()
        .filter_map(|field| match field.kind() {
            FieldKind::Message(inner) => Some((inner.name().to_owned(), field)),
            _ => None,
        })
        .filter(|(name, _)| name.parse().is_ok_and(Kind::is_of_files))
        .collect();
    let names = kinds.iter().map(|(name, _)| name.as_str());
    let here = at.name("kind");
    let Some(kind) = tree.get("kind") else {
        let choices: Vec<&str> = names.collect();
        let reason = format!("it is missing; one of {} is expected", choices.join(", "));
        problems.add(&here, reason, "");
        return None;
    };
    let Some(kind) = kind.as_text() else {
        problems.add(&here, format!("a text is expected, found {}", kind.described()), "");
        return None;
    };
    let found = kinds.iter().find(|(name, _)| name == kind);
    if found.is_none() {
        let reason = format!("there is no kind `{}`", shown(kind));
        problems.add(&here, reason, did_you_mean(nearest(kind, names)));
    }
    found.map(|(_, field)| field.clone())
}

/// What the resource calls itself, for problems, however broken the rest is.
fn written_key(tree: &Tree) -> String {
    let text = |tree: Option<&Tree>| match tree {
        Some(Tree::Text(text)) => Some(shown(text)),
        Some(Tree::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    let metadata = tree.get("metadata");
    let name = text(metadata.and_then(|metadata| metadata.get("name")));
    let Some((kind, name)) = text(tree.get("kind")).zip(name) else { return String::new() };
    let version = text(metadata.and_then(|metadata| metadata.get("version")));
    match (kind.parse::<Kind>(), version) {
        (Ok(kind), version) => ResourceKey::new(kind, &name, version.as_deref()).to_string(),
        (Err(_), Some(version)) => format!("{kind}/{name}:{version}"),
        (Err(_), None) => format!("{kind}/{name}"),
    }
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
