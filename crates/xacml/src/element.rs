//! Does an element have the children and attributes that it may have?
//!
//! What the schema of the standard says about structure: which elements, in which order, how often,
//! and which attributes. Whatever else stands there is told, never passed over.

use roxmltree::Node;

use crate::problem::{Problems, quoted};

/// The namespace of XACML 3.0; "wd-17" is its final form.
pub(crate) const XACML_30: &str = "urn:oasis:names:tc:xacml:3.0:core:schema:wd-17";
const SCHEMA_INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";
const XML: &str = "http://www.w3.org/XML/1998/namespace";
/// The longest identifier, in bytes.
const MAX_IDENTIFIER: usize = 2048;

/// An element as it is read.
pub(crate) type Element<'d> = Node<'d, 'd>;

/// How often a child may stand in its element.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Occurs {
    Once,
    Maybe,
    Some,
    Any,
    /// The schema has it, and whoever asks for the children refuses it with a reason of its own.
    Never,
}

/// A child that an element may have: its name, its place in the order (children of one place may be mixed),
/// and how often it stands there.
pub(crate) type Part = (&'static str, u8, Occurs);

/// The line on which an element begins.
pub(crate) fn line(node: Node<'_, '_>) -> u32 {
    node.document().text_pos_at(node.range().start).row
}

/// The path of an element, with its number among those of its name where there are several.
pub(crate) fn place(node: Node<'_, '_>) -> String {
    let mut steps: Vec<String> = node.ancestors().filter(Node::is_element).map(step).collect();
    steps.reverse();
    steps.join("/")
}

fn step(node: Node<'_, '_>) -> String {
    let name = node.tag_name().name();
    let same = |one: &Node<'_, '_>| one.is_element() && one.tag_name().name() == name;
    let before = node.prev_siblings().skip(1).filter(same).count();
    let after = node.next_siblings().skip(1).any(|one| same(&one));
    let name: String = name.chars().take(64).collect();
    if before == 0 && !after { name } else { format!("{name}[{}]", before + 1) }
}

/// The children of an element that may stand in it, in the order of the document.
pub(crate) fn children<'d>(
    node: Element<'d>,
    parts: &[Part],
    problems: &mut Problems,
) -> Vec<Element<'d>> {
    let mut found = Vec::new();
    let mut furthest: Option<Part> = None;
    let mut seen = vec![false; parts.len()];
    for child in node.children() {
        if child.is_text() && !child.text().unwrap_or_default().trim().is_empty() {
            let reason =
                format!("text stands in it: {}", quoted(child.text().unwrap_or_default().trim()));
            problems.add(node, reason, "leave it out; only values have text");
        }
        if !child.is_element() {
            continue;
        }
        let name = child.tag_name().name();
        let known = parts.iter().position(|(known, ..)| *known == name);
        let known = known.filter(|_| child.tag_name().namespace() == Some(XACML_30));
        let Some((place, part)) = known.and_then(|place| Some((place, *parts.get(place)?))) else {
            let suggestion = meant(child, parts, problems);
            problems.add(child, stranger(child, node), suggestion);
            continue;
        };
        if let Some(last) = furthest.filter(|last| last.1 > part.1) {
            let reason = format!("it stands behind `{}`", last.0);
            problems.add(child, reason, format!("put it before `{}`", last.0));
        } else {
            furthest = Some(part);
        }
        let before = seen.get_mut(place).is_some_and(|seen| std::mem::replace(seen, true));
        if before && matches!(part.2, Occurs::Once | Occurs::Maybe | Occurs::Never) {
            problems.add(child, format!("`{name}` stands twice"), "keep one of them");
            continue;
        }
        found.push(child);
    }
    for ((name, _, occurs), seen) in parts.iter().zip(seen) {
        if !seen && matches!(occurs, Occurs::Once | Occurs::Some) {
            problems.add(node, format!("`{name}` is missing"), format!("add `<{name}>`"));
        }
    }
    found
}

/// The first of these that has a name.
pub(crate) fn named<'d>(all: &[Element<'d>], name: &str) -> Option<Element<'d>> {
    all.iter().find(|one| one.tag_name().name() == name).copied()
}

fn stranger(child: Element<'_>, parent: Element<'_>) -> String {
    let (name, parent) = (quoted(child.tag_name().name()), parent.tag_name().name());
    match child.tag_name().namespace() {
        Some(XACML_30) => format!("{name} does not stand in `{parent}`"),
        Some(other) => format!("{name} is of the namespace {}, not of XACML 3.0", quoted(other)),
        None => format!("{name} is of no namespace"),
    }
}

fn meant(child: Element<'_>, parts: &[Part], problems: &Problems) -> String {
    if child.tag_name().namespace() != Some(XACML_30) {
        return format!("write `xmlns=\"{XACML_30}\"` at the root");
    }
    let offered = || parts.iter().filter(|part| part.2 != Occurs::Never);
    let names = offered().map(|part| part.0.to_owned());
    let near = problems.did_you_mean(child.tag_name().name(), names);
    let allowed = || {
        let names: Vec<String> = offered().map(|part| format!("`{}`", part.0)).collect();
        if names.is_empty() {
            "leave it out".to_owned()
        } else {
            format!("here stand {}", names.join(", "))
        }
    };
    if near.is_empty() { allowed() } else { near }
}

/// Tells of attributes that do not belong here; those of schemas and of XML itself say nothing.
pub(crate) fn check_attributes(node: Element<'_>, known: &[&str], problems: &mut Problems) {
    for attribute in node.attributes() {
        match attribute.namespace() {
            Some(SCHEMA_INSTANCE | XML) => continue,
            None if known.contains(&attribute.name()) => continue,
            _ => {}
        }
        let names = known.iter().map(|name| (*name).to_owned());
        let near = problems.did_you_mean(attribute.name(), names);
        let suggestion = if near.is_empty() { "leave it out".to_owned() } else { near };
        let reason = format!("it has no attribute {}", quoted(attribute.name()));
        problems.add(node, reason, suggestion);
    }
}

/// An attribute as it is written. Those of XACML are of no namespace.
pub(crate) fn attribute<'d>(node: Element<'d>, name: &str) -> Option<&'d str> {
    let is_it =
        |one: &roxmltree::Attribute<'_, '_>| one.namespace().is_none() && one.name() == name;
    node.attributes().find(is_it).map(|one| one.value())
}

/// An attribute that may be absent, without blanks around it.
pub(crate) fn optional<'d>(
    node: Element<'d>,
    name: &str,
    problems: &mut Problems,
) -> Option<&'d str> {
    let value = attribute(node, name)?.trim();
    if value.is_empty() {
        problems.add(node, format!("`{name}` is empty"), "say what is meant, or leave it out");
        return None;
    }
    if value.len() > MAX_IDENTIFIER {
        let reason = format!("`{name}` has {} bytes, at most {MAX_IDENTIFIER}", value.len());
        problems.add(node, reason, "shorten it");
        return None;
    }
    Some(value)
}

/// An attribute that has to be there.
pub(crate) fn required<'d>(
    node: Element<'d>,
    name: &str,
    example: &str,
    problems: &mut Problems,
) -> Option<&'d str> {
    if attribute(node, name).is_none() {
        let reason = format!("the attribute `{name}` is missing");
        problems.add(node, reason, format!("add `{name}=\"{example}\"`"));
        return None;
    }
    optional(node, name, problems)
}

/// An attribute that has to be there and names something that is known.
pub(crate) fn known<T, I: Iterator<Item = String>>(
    node: Element<'_>,
    name: &str,
    what: &str,
    find: impl Fn(&str) -> Option<T>,
    all: impl Fn() -> I,
    problems: &mut Problems,
) -> Option<T> {
    let example = || all().next().unwrap_or_default();
    let given = required(node, name, &example(), problems)?;
    let found = find(given);
    if found.is_none() {
        let near = problems.did_you_mean(given, all());
        let suggestion =
            if near.is_empty() { format!("for example `{}`", example()) } else { near };
        problems.add(node, format!("`{name}`: there is no {what} {}", quoted(given)), suggestion);
    }
    found
}

/// The text of an element that holds nothing else. A comment within does not part it.
pub(crate) fn text(node: Element<'_>, problems: &mut Problems) -> String {
    let mut text = String::new();
    for child in node.children() {
        if child.is_text() {
            text.push_str(child.text().unwrap_or_default());
        } else if child.is_element() {
            let name = quoted(child.tag_name().name());
            let within = node.tag_name().name();
            problems.add(child, format!("{name} does not stand in `{within}`"), "leave it out");
        }
    }
    text
}

/// The prefixes that a path uses, and what they stand for at `node`.
pub(crate) fn namespaces(node: Element<'_>, path: &str) -> Vec<(Box<str>, Box<str>)> {
    let used = |prefix: &str| {
        path.match_indices(prefix)
            .any(|(at, _)| path.get(at + prefix.len()..).is_some_and(|rest| rest.starts_with(':')))
    };
    let named = node.namespaces().filter_map(|one| Some((one.name()?, one.uri())));
    let named = named.filter(|(prefix, _)| used(prefix));
    named.map(|(prefix, uri)| (prefix.into(), uri.into())).collect()
}
