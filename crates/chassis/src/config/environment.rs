//! What do the `TURNPIKE_*` variables say?
//!
//! `TURNPIKE_<SECTION>_<KEY>` sets one key; dots and dashes are underscores there. The value is
//! read by the type of the default. A variable whose section this service does not have belongs to
//! somebody else and is left alone; one that names a section and no key of it is refused.

use super::document::{Content, Document, Node, Table};
use super::error::{Origin, Problem};
use super::suggest;

const PREFIX: &str = "TURNPIKE_";

/// Applies one variable.
pub(super) fn apply(
    schema: &Node,
    base: &mut Node,
    name: &str,
    value: &str,
    problems: &mut Vec<Problem>,
) {
    let Some(wanted) = name.strip_prefix(PREFIX) else { return };
    let Content::Table(sections) = &schema.content else { return };
    let mut known = Vec::new();
    leaves(sections, &mut Vec::new(), &mut known);
    let origin = Origin::Variable(name.into());
    if let Some((_, path)) = known.iter().find(|(variable, _)| variable == wanted) {
        set(base, path, value, &origin, problems);
        return;
    }
    if let Some(path) = open_key(sections, wanted) {
        set(base, &path, value, &origin, problems);
        return;
    }
    let in_section = |section: &String| {
        wanted.strip_prefix(&variable(section)).is_some_and(|rest| rest.starts_with('_'))
    };
    if sections.keys().any(in_section) {
        let names: Vec<&str> = known.iter().map(|(variable, _)| variable.as_str()).collect();
        let hint = suggest::nearest(wanted, names)
            .map_or_else(String::new, |near| format!("; did you mean `{PREFIX}{near}`?"));
        problems.push(Problem {
            place: name.to_owned(),
            key: String::new(),
            reason: format!("unknown variable{hint}"),
        });
    }
}

/// Sets one key, of which `path` is known to exist or to lie in an open table.
pub(super) fn set(
    base: &mut Node,
    path: &[String],
    value: &str,
    origin: &Origin,
    problems: &mut Vec<Problem>,
) {
    let refuse =
        |reason: String| Problem { place: origin.to_string(), key: path.join("."), reason };
    let mut node = base;
    for key in path {
        let Content::Table(table) = &mut node.content else {
            problems.push(refuse("there is no such key".to_owned()));
            return;
        };
        node = table.entry(key.clone()).or_insert_with(|| Node {
            content: Content::Text(String::new()),
            origin: origin.clone(),
        });
    }
    match as_kind_of(&node.content, value) {
        Ok(content) => *node = Node { content, origin: origin.clone() },
        Err(reason) => problems.push(refuse(reason)),
    }
}

/// Every key that is no table, with the name of its variable (without the prefix).
fn leaves(table: &Table, at: &mut Vec<String>, found: &mut Vec<(String, Vec<String>)>) {
    for (key, node) in table {
        at.push(key.clone());
        match &node.content {
            Content::Table(inner) if !inner.is_empty() => leaves(inner, at, found),
            _ => found.push((variable(&at.join("_")), at.clone())),
        }
        at.pop();
    }
}

/// `TURNPIKE_LABELS_TEAM` is the key `team` of `[labels]` where that table is open.
fn open_key(sections: &Table, wanted: &str) -> Option<Vec<String>> {
    sections.iter().find_map(|(section, node)| {
        let rest = wanted.strip_prefix(&variable(section))?.strip_prefix('_')?;
        match &node.content {
            Content::Table(inner) if inner.is_empty() => {
                Some(vec![section.clone(), rest.to_ascii_lowercase()])
            }
            Content::Table(inner) => {
                let mut path = open_key(inner, rest)?;
                path.insert(0, section.clone());
                Some(path)
            }
            _ => None,
        }
    })
}

fn variable(path: &str) -> String {
    path.replace(['-', '.'], "_").to_ascii_uppercase()
}

fn as_kind_of(default: &Content, value: &str) -> Result<Content, String> {
    let refuse = || format!("`{value}` is not {}", default.kind());
    match default {
        Content::Text(_) | Content::Moment(_) => Ok(Content::Text(value.to_owned())),
        Content::Integer(_) => {
            value.trim().replace('_', "").parse().map(Content::Integer).map_err(|_| refuse())
        }
        Content::Float(_) => value.trim().parse().map(Content::Float).map_err(|_| refuse()),
        Content::Boolean(_) => value.trim().parse().map(Content::Boolean).map_err(|_| refuse()),
        Content::List(_) if !value.trim_start().starts_with('[') => {
            let words = value.split(',').map(str::trim).filter(|word| !word.is_empty());
            let origin = Origin::Default { line: 1 };
            let item = |word: &str| Node {
                content: Content::Text(word.to_owned()),
                origin: origin.clone(),
            };
            Ok(Content::List(words.map(item).collect()))
        }
        Content::List(_) | Content::Table(_) => inline(value, default.kind()).ok_or_else(refuse),
    }
}

/// A list or a table, written as TOML writes it on one line.
fn inline(value: &str, kind: &str) -> Option<Content> {
    let parsed = Document::Default.parse(&format!("value = {value}")).ok()?;
    let Content::Table(mut table) = parsed.content else { return None };
    table.remove("value").map(|node| node.content).filter(|content| content.kind() == kind)
}
