//! What does a policy set, a policy, or a rule say?

use std::collections::BTreeSet;

use super::document::Reading;
use super::expression::{Scope, read_condition, read_value};
use super::names::{check_circles, read_variables};
use super::outcome::{effect, read_outcomes};
use super::target::read_target;
use crate::element::{
    Element, Occurs, Part, attribute, check_attributes, children, known, named, optional, required,
    text,
};
use crate::identifier::{Combining, DataType, XPathVersion};
use crate::model::{
    Child, CombinerParameter, ParametersOf, Policy, PolicySet, Reference, Referred, Rule,
};
use crate::problem::{Problems, quoted};
use crate::value;
use crate::version::{Version, VersionPattern};

const POLICY_SET: [Part; 14] = [
    ("Description", 0, Occurs::Maybe),
    ("PolicyIssuer", 1, Occurs::Never),
    ("PolicySetDefaults", 2, Occurs::Maybe),
    ("Target", 3, Occurs::Once),
    ("Condition", 4, Occurs::Never),
    ("PolicySet", 5, Occurs::Any),
    ("Policy", 5, Occurs::Any),
    ("PolicySetIdReference", 5, Occurs::Any),
    ("PolicyIdReference", 5, Occurs::Any),
    ("CombinerParameters", 5, Occurs::Any),
    ("PolicyCombinerParameters", 5, Occurs::Any),
    ("PolicySetCombinerParameters", 5, Occurs::Any),
    ("ObligationExpressions", 6, Occurs::Maybe),
    ("AdviceExpressions", 7, Occurs::Maybe),
];

const POLICY: [Part; 11] = [
    ("Description", 0, Occurs::Maybe),
    ("PolicyIssuer", 1, Occurs::Never),
    ("PolicyDefaults", 2, Occurs::Maybe),
    ("Target", 3, Occurs::Once),
    ("Condition", 4, Occurs::Never),
    ("CombinerParameters", 5, Occurs::Any),
    ("RuleCombinerParameters", 5, Occurs::Any),
    ("VariableDefinition", 5, Occurs::Any),
    ("Rule", 5, Occurs::Any),
    ("ObligationExpressions", 6, Occurs::Maybe),
    ("AdviceExpressions", 7, Occurs::Maybe),
];

const RULE: [Part; 5] = [
    ("Description", 0, Occurs::Maybe),
    ("Target", 1, Occurs::Maybe),
    ("Condition", 2, Occurs::Maybe),
    ("ObligationExpressions", 3, Occurs::Maybe),
    ("AdviceExpressions", 4, Occurs::Maybe),
];

/// A policy set (section 5.1), with everything that stands in it. Elements nest at most as deeply as
/// `bounds` allows, and so do the calls of this.
pub(super) fn read_policy_set(node: Element<'_>, reading: &mut Reading) -> Option<PolicySet> {
    let all = children(node, &POLICY_SET, &mut reading.problems);
    let names = ("PolicySetId", "PolicyCombiningAlgId");
    let head = read_head(node, names, Referred::PolicySet, reading);
    let problems = &mut reading.problems;
    let (find, list) = (Combining::of_policies, Combining::known_of_policies);
    let combining = known(node, names.1, "algorithm for policies", find, list, problems);
    let outcomes = read_outcomes(&all, &Scope::NONE, problems);
    let (mut xpath, mut target, mut parameters, mut within) = (None, None, Vec::new(), Vec::new());
    for child in &all {
        match child.tag_name().name() {
            "PolicySetDefaults" => xpath = read_defaults(*child, &mut reading.problems),
            "Target" => target = read_target(*child, &mut reading.problems),
            "PolicySet" => within.extend(read_policy_set(*child, reading).map(Child::PolicySet)),
            "Policy" => within.extend(read_policy(*child, reading).map(Child::Policy)),
            "PolicySetIdReference" | "PolicyIdReference" => {
                let line = reading.line(*child);
                let reference = read_reference(*child, line, &mut reading.problems);
                within.extend(reference.map(Child::Reference));
            }
            other => {
                refuse_foreign(*child, &mut reading.problems);
                if other.ends_with("CombinerParameters") {
                    parameters.extend(read_parameters(*child, &mut reading.problems));
                }
            }
        }
    }
    for (place, parameter) in &parameters {
        let is_told_of = |child: &Child| match (&parameter.of, child) {
            (ParametersOf::Policy(id), Child::Policy(one)) => one.id == *id,
            (ParametersOf::PolicySet(id), Child::PolicySet(one)) => one.id == *id,
            (ParametersOf::Policy(id), Child::Reference(one)) => {
                one.to == Referred::Policy && one.id == *id
            }
            (ParametersOf::PolicySet(id), Child::Reference(one)) => {
                one.to == Referred::PolicySet && one.id == *id
            }
            _ => false,
        };
        let of_all = matches!(parameter.of, ParametersOf::All);
        if !of_all && !within.iter().any(is_told_of) {
            let reason = "it is about nothing that this set combines";
            reading.problems.add(*place, reason, "name a child of the set, or leave it out");
        }
    }
    let parameters = parameters.into_iter().map(|(_, parameter)| parameter).collect();
    let (id, version) = head?;
    let (combining, target) = (combining?, target?);
    let children = within;
    Some(PolicySet { id, version, combining, parameters, xpath, target, children, outcomes })
}

/// A policy (section 5.14).
pub(super) fn read_policy(node: Element<'_>, reading: &mut Reading) -> Option<Policy> {
    let all = children(node, &POLICY, &mut reading.problems);
    let names = ("PolicyId", "RuleCombiningAlgId");
    let head = read_head(node, names, Referred::Policy, reading);
    let problems = &mut reading.problems;
    let (find, list) = (Combining::of_rules, Combining::known_of_rules);
    let combining = known(node, names.1, "algorithm for rules", find, list, problems);
    let scope = Scope::of(&all, problems);
    let variables = read_variables(&all, &scope, problems);
    check_circles(&all, &variables, problems);
    let outcomes = read_outcomes(&all, &scope, problems);
    let (mut xpath, mut target, mut parameters, mut rules) = (None, None, Vec::new(), Vec::new());
    let mut seen = BTreeSet::new();
    for child in &all {
        match child.tag_name().name() {
            "PolicyDefaults" => xpath = read_defaults(*child, problems),
            "Target" => target = read_target(*child, problems),
            "Rule" => {
                reading.size += 1;
                let id = attribute(*child, "RuleId").map(str::trim);
                if let Some(id) = id.filter(|id| !seen.insert(*id)) {
                    let reason = format!("another rule has the identifier {}", quoted(id));
                    problems.add(*child, reason, "give one of them another `RuleId`");
                }
                rules.extend(read_rule(*child, &scope, problems));
            }
            other => {
                refuse_foreign(*child, problems);
                if other.ends_with("CombinerParameters") {
                    parameters.extend(read_parameters(*child, problems));
                }
            }
        }
    }
    for (place, parameter) in &parameters {
        if let ParametersOf::Rule(id) = &parameter.of
            && !seen.contains(&**id)
        {
            let near = problems.did_you_mean(id, seen.iter().map(|id| (*id).to_owned()));
            problems.add(*place, format!("there is no rule {}", quoted(id)), near);
        }
    }
    let parameters = parameters.into_iter().map(|(_, parameter)| parameter).collect();
    let (id, version) = head?;
    let (combining, target) = (combining?, target?);
    Some(Policy { id, version, combining, parameters, xpath, target, variables, rules, outcomes })
}

/// Identifier and version.
fn read_head(
    node: Element<'_>,
    (id, algorithm): (&str, &str),
    kind: Referred,
    reading: &mut Reading,
) -> Option<(Box<str>, Version)> {
    let problems = &mut reading.problems;
    check_attributes(node, &[id, "Version", algorithm, "MaxDelegationDepth"], problems);
    // How far it may be delegated; nothing is, as policies in the name of others are refused.
    if let Some(depth) = optional(node, "MaxDelegationDepth", problems)
        && value::check(DataType::Integer, depth).is_err()
    {
        let reason = format!("`MaxDelegationDepth`: {} is no whole number", quoted(depth));
        problems.add(node, reason, "leave it out");
    }
    let id = required(node, id, "urn:example:orders", problems);
    let version = required(node, "Version", "1.0", problems);
    let version = version.and_then(|text| {
        let version: Option<Version> = text.parse().ok();
        if version.is_none() {
            let reason = format!("`Version`: {} is no version", quoted(text));
            problems.add(node, reason, "write numbers with dots between them, as in `1.0`");
        }
        version
    });
    let (id, version) = (id?, version?);
    reading.enter(node, kind, id, &version);
    Some((id.into(), version))
}

/// What the schema allows and this refuses, each with its reason.
fn refuse_foreign(node: Element<'_>, problems: &mut Problems) {
    let (reason, suggestion) = match node.tag_name().name() {
        "PolicyIssuer" => (
            "policies in the name of others (administration and delegation) are not taken",
            "leave it out",
        ),
        "Condition" => (
            "what a condition of a whole policy would do is said nowhere in the standard",
            "put it into the rules",
        ),
        _ => return,
    };
    problems.add(node, reason, suggestion);
}

/// Which `XPath` is meant (sections 5.3 and 5.4).
fn read_defaults(node: Element<'_>, problems: &mut Problems) -> Option<XPathVersion> {
    check_attributes(node, &[], problems);
    let version = children(node, &[("XPathVersion", 0, Occurs::Once)], problems).pop()?;
    let identifier = text(version, problems);
    let found = XPathVersion::find(identifier.trim());
    if found.is_none() {
        let known = XPathVersion::known().next().unwrap_or_default();
        let reason = format!("there is no XPath {}", quoted(identifier.trim()));
        problems.add(version, reason, format!("write `{known}`"));
    }
    found
}

/// A reference (sections 5.10 and 5.11); whether what it names is there is asked elsewhere.
fn read_reference(node: Element<'_>, line: u32, problems: &mut Problems) -> Option<Reference> {
    check_attributes(node, &["Version", "EarliestVersion", "LatestVersion"], problems);
    let to = match node.tag_name().name() {
        "PolicyIdReference" => Referred::Policy,
        _ => Referred::PolicySet,
    };
    let id = text(node, problems);
    let id = id.trim();
    if id.is_empty() {
        problems.add(node, "nothing is named", "write the identifier between the tags");
    }
    let mut pattern = |name: &str| {
        let given = optional(node, name, problems)?;
        let pattern: Option<VersionPattern> = given.parse().ok();
        if pattern.is_none() {
            let reason = format!("`{name}`: {} is no pattern of versions", quoted(given));
            problems.add(node, reason, "write for example `1.2`, `1.*` or `1.+`");
        }
        pattern
    };
    let (version, earliest, latest) =
        (pattern("Version"), pattern("EarliestVersion"), pattern("LatestVersion"));
    let id = Some(id).filter(|id| !id.is_empty())?.into();
    Some(Reference { to, id, version, earliest, latest, line })
}

/// Parameters of a combining algorithm (sections 5.15 to 5.20), each with its place.
fn read_parameters<'d>(
    node: Element<'d>,
    problems: &mut Problems,
) -> Vec<(Element<'d>, CombinerParameter)> {
    type Of = fn(Box<str>) -> ParametersOf;
    let about: Option<(&str, Of)> = match node.tag_name().name() {
        "RuleCombinerParameters" => Some(("RuleIdRef", ParametersOf::Rule)),
        "PolicyCombinerParameters" => Some(("PolicyIdRef", ParametersOf::Policy)),
        "PolicySetCombinerParameters" => Some(("PolicySetIdRef", ParametersOf::PolicySet)),
        _ => None,
    };
    let of = if let Some((name, of)) = about {
        check_attributes(node, &[name], problems);
        required(node, name, "urn:example:orders", problems).map(|id| of(id.into()))
    } else {
        check_attributes(node, &[], problems);
        Some(ParametersOf::All)
    };
    let mut found = Vec::new();
    for one in children(node, &[("CombinerParameter", 0, Occurs::Any)], problems) {
        check_attributes(one, &["ParameterName"], problems);
        let name = required(one, "ParameterName", "limit", problems);
        let value = children(one, &[("AttributeValue", 0, Occurs::Once)], problems).pop();
        let value = value.and_then(|value| read_value(value, problems));
        if let (Some(of), Some(name), Some(value)) = (&of, name, value) {
            found.push((one, CombinerParameter { of: of.clone(), name: name.into(), value }));
        }
    }
    found
}

/// A rule (section 5.21).
fn read_rule(node: Element<'_>, scope: &Scope<'_>, problems: &mut Problems) -> Option<Rule> {
    let all = children(node, &RULE, problems);
    check_attributes(node, &["RuleId", "Effect"], problems);
    let id = required(node, "RuleId", "readers", problems);
    let effect = effect(node, "Effect", problems);
    // What is there and cannot be read makes no rule without it.
    let target = match named(&all, "Target") {
        Some(child) => read_target(child, problems).map(Some),
        None => Some(None),
    };
    let condition = match named(&all, "Condition") {
        Some(child) => read_condition(child, scope, problems).map(Some),
        None => Some(None),
    };
    let outcomes = read_outcomes(&all, scope, problems);
    let (id, effect) = (id?.into(), effect?);
    Some(Rule { id, effect, target: target?, condition: condition?, outcomes })
}
