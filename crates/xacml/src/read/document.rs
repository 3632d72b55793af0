//! Is a text a document of XACML 3.0, and which policies is it?

use std::collections::BTreeSet;

use roxmltree::{Document as Tree, ParsingOptions};

use super::policy::{read_policy, read_policy_set};
use crate::bounds;
use crate::element::{Element, XACML_30};
use crate::model::{Document, Referred, Root};
use crate::problem::{Problem, Problems, quoted};
use crate::version::Version;

/// What is found while a document is read.
#[derive(Default)]
pub(super) struct Reading {
    pub(super) problems: Problems,
    /// How many policy sets, policies and rules there are.
    pub(super) size: usize,
    /// Where lines end. Thousands of references say on which they stand, and counting from the start of the
    /// document for each would take the square of its length.
    line_ends: Vec<usize>,
    /// The policies and policy sets of the document.
    identifiers: BTreeSet<(bool, Box<str>, Version)>,
}

impl Reading {
    fn of(text: &str) -> Self {
        let line_ends = text.match_indices('\n').map(|(at, _)| at).collect();
        Self { line_ends, ..Self::default() }
    }

    /// The line on which an element begins, from 1.
    pub(super) fn line(&self, node: Element<'_>) -> u32 {
        let start = node.range().start;
        let before = self.line_ends.partition_point(|end| *end < start);
        u32::try_from(before).map_or(u32::MAX, |before| before.saturating_add(1))
    }

    /// An identifier and version, which nothing else in the document may have.
    pub(super) fn enter(&mut self, node: Element<'_>, kind: Referred, id: &str, version: &Version) {
        self.size += 1;
        let entry = (kind == Referred::Policy, id.into(), version.clone());
        if !self.identifiers.insert(entry) {
            let reason = format!("{} stands twice in version {version}", quoted(id));
            self.problems.add(node, reason, "give one of them another identifier or version");
        }
    }
}

/// Reads a document; its problems are all that are found, and at least one.
pub fn read(text: &str) -> Result<Document, Vec<Problem>> {
    let text = text.trim_start_matches('\u{feff}');
    bounds::check(text).map_err(|problem| vec![problem])?;
    let options = ParsingOptions { allow_dtd: false, ..ParsingOptions::default() };
    let tree = Tree::parse_with_options(text, options).map_err(|error| {
        let reason = format!("it is not well-formed XML: {error}");
        vec![Problem::of_document(reason, "correct what stands there")]
    })?;
    let node = tree.root_element();
    let mut reading = Reading::of(text);
    let root = read_root(node, &mut reading);
    let problems = reading.problems.into_list();
    match root {
        Some(root) if problems.is_empty() => Ok(Document { root, size: reading.size }),
        _ => Err(problems),
    }
}

fn read_root(node: Element<'_>, reading: &mut Reading) -> Option<Root> {
    let name = node.tag_name().name();
    let is_policy = matches!(name, "PolicySet" | "Policy");
    let namespace = node.tag_name().namespace().unwrap_or_default();
    let (reason, suggestion) = match namespace {
        XACML_30 if name == "PolicySet" => {
            return read_policy_set(node, reading).map(Root::PolicySet);
        }
        XACML_30 if name == "Policy" => return read_policy(node, reading).map(Root::Policy),
        XACML_30 => {
            (format!("its root is {}", quoted(name)), "the root is `PolicySet` or `Policy`".into())
        }
        _ if is_policy => {
            let suggestion = format!("write `xmlns=\"{XACML_30}\"`, and what 3.0 has changed");
            (told(namespace), suggestion)
        }
        _ => {
            let reason = format!("its root is {} and no policy", quoted(name));
            (reason, format!("the root is `PolicySet` or `Policy` of `{XACML_30}`"))
        }
    };
    reading.problems.add(node, reason, suggestion);
    None
}

/// What another namespace is.
fn told(namespace: &str) -> String {
    let version = namespace.strip_prefix("urn:oasis:names:tc:xacml:").and_then(|it| it.get(..3));
    match version {
        Some(version @ ("1.0" | "1.1" | "2.0")) => {
            format!("it is written in XACML {version}, and 3.0 is read")
        }
        Some("3.0") => format!("{} is a draft of XACML 3.0", quoted(namespace)),
        _ if namespace.is_empty() => "it is of no namespace".to_owned(),
        _ => format!("the namespace {} is not that of XACML 3.0", quoted(namespace)),
    }
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
