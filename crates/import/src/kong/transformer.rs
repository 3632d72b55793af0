//! Which header rules does a transformer of Kong become?

use serde_json::Value;
use turnpike_proto::config::v1::policy_rule::Rule;
use turnpike_proto::config::v1::{HeaderField, HeaderName, PolicyRule};

use crate::reading::{members, texts};
use crate::report::Report;

/// The rules of a transformer, in the order in which Kong follows them.
pub(super) fn transformer(config: &Value, place: &str, report: &mut Report) -> Vec<PolicyRule> {
    let mut rules = Vec::new();
    for action in ["remove", "rename", "replace", "add", "append"] {
        for (what, _) in members(config, action) {
            let at = format!("{place}.{action}.{what}");
            let entries = config.get(action).map(|it| texts(it, what)).unwrap_or_default();
            for entry in entries {
                if what != "headers" {
                    report.left(
                        at.as_str(),
                        entry,
                        "bodies, queries and addresses are not rewritten",
                    );
                    continue;
                }
                match rule(action, &entry) {
                    Ok((rule, None)) => {
                        report.taken(at.as_str(), entry);
                        rules.push(PolicyRule { rule: Some(rule) });
                    }
                    Ok((rule, Some(how))) => {
                        report.changed(at.as_str(), entry, how);
                        rules.push(PolicyRule { rule: Some(rule) });
                    }
                    Err(why) => report.left(at.as_str(), entry, why),
                }
            }
        }
    }
    rules
}

/// The rule, and how it differs from what Kong does.
fn rule(action: &str, entry: &str) -> Result<(Rule, Option<&'static str>), &'static str> {
    if action == "remove" {
        return Ok((Rule::RemoveHeader(HeaderName { name: entry.to_owned() }), None));
    }
    let Some((name, value)) = entry.split_once(':') else {
        return Err("it is not written as name:value");
    };
    if value.contains("$(") {
        return Err("values that are reckoned from a call are written as ${…} here");
    }
    let field = HeaderField { name: name.to_owned(), value: value.replace("${", "$${") };
    match action {
        "append" => Ok((Rule::AddHeader(field), None)),
        "add" => Ok((Rule::SetHeader(field), Some("set also where the field is there already"))),
        "replace" => Ok((Rule::SetHeader(field), Some("set also where the field is not there"))),
        _ => Err("fields are not renamed"),
    }
}
