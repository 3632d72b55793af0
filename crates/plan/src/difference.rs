//! What differs between two forms of a resource, field by field?
//!
//! In the words of the files: paths of the JSON form and JSON texts. Values of secrets are in neither
//! form, and what only the store knows (revisions, times) is left out.

use serde_json::Value;
use turnpike_proto::config::v1::Resource;

use crate::resource::{metadata_mut, to_json};

/// A text longer than this is cut; a definition may have megabytes.
const LONGEST: usize = 400;
/// More fields of one resource are not told.
const MOST: usize = 1000;

/// A field that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Its path, for example `spec.operations[2].path`.
    pub path: String,
    /// Its JSON text before; `None`: it was not there.
    pub before: Option<String>,
    /// Its JSON text afterwards; `None`: it is not there.
    pub after: Option<String>,
}

/// The fields that differ, in the order of the JSON form; a resource that is not there has none.
pub fn differences(before: Option<&Resource>, after: Option<&Resource>) -> Vec<Difference> {
    let mut found = Vec::new();
    compare("", before.map(shown).as_ref(), after.map(shown).as_ref(), &mut found);
    found
}

fn shown(resource: &Resource) -> Value {
    let mut resource = resource.clone();
    if let Some(metadata) = metadata_mut(&mut resource) {
        metadata.revision = 0;
        metadata.created_at = None;
        metadata.updated_at = None;
        metadata.status = None;
    }
    to_json(&resource)
}

fn compare(path: &str, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<Difference>) {
    if before == after || found.len() >= MOST {
        return;
    }
    match (before, after) {
        (Some(Value::Object(one)), Some(Value::Object(other))) => {
            let names = one.keys().chain(other.keys().filter(|name| !one.contains_key(*name)));
            for name in names {
                compare(&member(path, name), one.get(name), other.get(name), found);
            }
        }
        (Some(Value::Array(one)), Some(Value::Array(other))) => lists(path, one, other, found),
        _ => found.push(Difference {
            path: path.to_owned(),
            before: before.map(text),
            after: after.map(text),
        }),
    }
}

/// Elements that are the same at both ends stay out; what is in between is told element by element.
fn lists(path: &str, before: &[Value], after: &[Value], found: &mut Vec<Difference>) {
    let same = before.iter().zip(after).take_while(|(one, other)| one == other).count();
    let (before, after) =
        (before.get(same..).unwrap_or_default(), after.get(same..).unwrap_or_default());
    let tail = before.iter().rev().zip(after.iter().rev());
    let tail = tail.take_while(|(one, other)| one == other).count();
    let before = before.get(..before.len().saturating_sub(tail)).unwrap_or_default();
    let after = after.get(..after.len().saturating_sub(tail)).unwrap_or_default();
    for at in 0..before.len().max(after.len()) {
        let element = format!("{path}[{}]", same.saturating_add(at));
        compare(&element, before.get(at), after.get(at), found);
    }
}

fn member(path: &str, name: &str) -> String {
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    match (path.is_empty(), plain && !name.is_empty()) {
        (true, true) => name.to_owned(),
        (false, true) => format!("{path}.{name}"),
        (_, false) => format!("{path}[{name:?}]"),
    }
}

fn text(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => {
            format!("{}… ({} bytes)", text.get(..end).unwrap_or_default(), text.len())
        }
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::read_document;

    /// Two specs of an Api, and "path: before -> after" of each field that differs.
    #[track_caller]
    fn check(before: &str, after: &str, expected: &[&str]) {
        let api = |spec: &str| {
            let text = format!(
                "{{apiVersion: turnpike/v1, kind: Api, metadata: {{name: a, version: '1'}}, spec: {spec}}}"
            );
            let (mut resources, problems) = read_document(&text, "");
            assert_eq!(problems, []);
            resources.remove(0)
        };
        let found = differences(Some(&api(before)), Some(&api(after)));
        let said: Vec<String> = found
            .iter()
            .map(|one| {
                let side = |side: &Option<String>| side.clone().unwrap_or_else(|| "-".to_owned());
                format!("{}: {} -> {}", one.path, side(&one.before), side(&one.after))
            })
            .collect();
        assert_eq!(said, expected);
    }

    #[test]
    fn each_field_is_told_with_both_values() {
        check(
            "{context: /a, tiers: [Gold]}",
            "{context: /b, lifecycle: PUBLISHED, tiers: [Gold]}",
            &["spec.context: \"/a\" -> \"/b\"", "spec.lifecycle: - -> \"PUBLISHED\""],
        );
        check("{context: /a}", "{context: /a}", &[]);
    }

    #[test]
    fn an_element_in_the_middle_of_a_list_is_one_difference() {
        check(
            "{tiers: [Gold, Silver, Bronze]}",
            "{tiers: [Gold, Bronze]}",
            &["spec.tiers[1]: \"Silver\" -> -"],
        );
        check(
            "{operations: [{method: GET, path: /a}, {method: GET, path: /b}]}",
            "{operations: [{method: GET, path: /a}, {method: PUT, path: /b}]}",
            &["spec.operations[1].method: \"GET\" -> \"PUT\""],
        );
    }

    #[test]
    fn a_long_text_is_cut() {
        let long = format!("{{description: {}}}", "x".repeat(3000));
        let (mut resources, _) = read_document(
            &format!(
                "{{apiVersion: turnpike/v1, kind: Tier, metadata: {{name: a}}, spec: {long}}}"
            ),
            "",
        );
        let found = differences(None, resources.pop().as_ref());
        assert!(found.iter().all(|one| one.after.as_ref().is_none_or(|text| text.len() < 500)));
        assert_eq!(found.len(), 1);
    }
}
