//! How is the configuration in force shown?

use std::collections::BTreeSet;

use toml::Value;

use super::document::{Content, Node};
use super::secret::MASK;

/// The document as TOML; the keys in `secrets` are masked where they are set.
pub(super) fn toml(root: &Node, secrets: &BTreeSet<String>) -> String {
    let Value::Table(table) = value(root, "", secrets) else { return String::new() };
    // Everything in the tree came out of TOML or is one of its plain types: this cannot fail.
    toml::to_string(&table).unwrap_or_default()
}

fn value(node: &Node, at: &str, secrets: &BTreeSet<String>) -> Value {
    match &node.content {
        Content::Text(text) if secrets.contains(at) && !text.is_empty() => {
            Value::String(MASK.to_owned())
        }
        Content::Text(text) | Content::Moment(text) => Value::String(text.clone()),
        Content::Integer(number) => Value::Integer(*number),
        Content::Float(number) => Value::Float(*number),
        Content::Boolean(truth) => Value::Boolean(*truth),
        Content::List(items) => {
            let item = |(index, item)| value(item, &format!("{at}[{index}]"), secrets);
            Value::Array(items.iter().enumerate().map(item).collect())
        }
        Content::Table(table) => {
            let entry = |(key, node): (&String, &Node)| {
                let at = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
                (key.clone(), value(node, &at, secrets))
            };
            Value::Table(table.iter().map(entry).collect())
        }
    }
}
