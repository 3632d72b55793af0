//! What is done to the header fields of a call and of its answer?
//!
//! Rules are written one after the other; what runs is what they come to: which fields are dropped
//! and which are added. The rules of a `Policy` stand where it is named: no call looks it up.

use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use turnpike_proto::config::v1::policy_rule::Rule as Written;
use turnpike_proto::config::v1::{HeaderField, Policies, Policy, PolicyRule};

use super::head::{check_description, required};
use super::named::Named;
use super::template::{Part, parts};
use crate::problem::{At, Problems, shown};

/// The most rules of one direction, for an API and for an operation.
const MAX_RULES: usize = 64;
/// The same, with those of the policies that are named.
const MAX_ALL_RULES: usize = 256;
/// The longest value, in bytes.
const MAX_VALUE_BYTES: usize = 4096;

/// What is done to calls of an operation, and to their answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PoliciesPlan {
    /// To the fields of the request.
    pub request: HeaderRules,
    /// To the fields of the backend's answer.
    pub response: HeaderRules,
}

/// What a list of rules comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderRules {
    dropped: Vec<HeaderName>,
    /// One bit for each length of a dropped name: nearly every name fails here.
    lengths: u64,
    added: Vec<(HeaderName, Template)>,
}

/// What a field shall say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Template {
    /// The same for every call.
    Fixed(HeaderValue),
    /// Text and what is known of the call.
    Parts(Vec<Part>),
}

impl HeaderRules {
    /// Whether nothing is done.
    pub const fn is_empty(&self) -> bool {
        self.dropped.is_empty() && self.added.is_empty()
    }

    /// Whether the field called `name` (in lower case) is dropped where it is found.
    pub fn drops(&self, name: &str) -> bool {
        self.lengths & bit(name) != 0 && self.dropped.iter().any(|dropped| dropped == name)
    }

    /// The fields that are dropped.
    pub fn dropped(&self) -> &[HeaderName] {
        &self.dropped
    }

    /// The fields that are added, after others were dropped.
    pub fn added(&self) -> &[(HeaderName, Template)] {
        &self.added
    }

    /// What `rules`, one after the other, come to.
    fn of<'r>(rules: impl Iterator<Item = &'r Rule>) -> Self {
        let mut whole = Self::default();
        for Rule { name, replaces, value } in rules {
            if *replaces {
                whole.added.retain(|(added, _)| added != name);
                if !whole.dropped.contains(name) {
                    whole.lengths |= bit(name.as_str());
                    whole.dropped.push(name.clone());
                }
            }
            whole.added.extend(value.clone().map(|value| (name.clone(), value)));
        }
        whole
    }
}

fn bit(name: &str) -> u64 {
    1 << (name.len() % 64)
}

/// The rules of an API, to be joined with those of its operations.
pub(crate) struct Kept<'n> {
    named: Named<'n>,
    rules: Directions,
    plan: Option<Arc<PoliciesPlan>>,
}

#[derive(Debug, Default)]
struct Directions {
    request: Vec<Rule>,
    response: Vec<Rule>,
}

/// One rule, understood.
#[derive(Debug)]
pub(crate) struct Rule {
    name: HeaderName,
    /// Whether what the field said before is gone.
    replaces: bool,
    value: Option<Template>,
}

impl<'n> Kept<'n> {
    /// No rules.
    pub(crate) fn none() -> Self {
        Self { named: Named::NONE, rules: Directions::default(), plan: None }
    }

    /// The rules of an API, with those of the policies that it names where these are at hand.
    pub(crate) fn of(
        policies: Option<&Policies>,
        named: Named<'n>,
        at: &At<'_>,
        problems: &mut Problems,
    ) -> Self {
        let rules = directions(policies, named, at, problems);
        let plan = plan(&rules, &Directions::default());
        Self { named, rules, plan }
    }

    /// What is done for an operation that has `policies` of its own besides.
    pub(crate) fn with(
        &self,
        policies: Option<&Policies>,
        at: &At<'_>,
        problems: &mut Problems,
    ) -> Option<Arc<PoliciesPlan>> {
        if policies.is_none() {
            return self.plan.clone();
        }
        plan(&self.rules, &directions(policies, self.named, at, problems))
    }
}

fn plan(first: &Directions, then: &Directions) -> Option<Arc<PoliciesPlan>> {
    let plan = PoliciesPlan {
        request: HeaderRules::of(first.request.iter().chain(&then.request)),
        response: HeaderRules::of(first.response.iter().chain(&then.response)),
    };
    (!plan.request.is_empty() || !plan.response.is_empty()).then(|| Arc::new(plan))
}

fn directions(
    policies: Option<&Policies>,
    named: Named<'_>,
    at: &At<'_>,
    problems: &mut Problems,
) -> Directions {
    let Some(policies) = policies else { return Directions::default() };
    Directions {
        request: rules(&policies.request, named, &at.name("request"), problems),
        response: rules(&policies.response, named, &at.name("response"), problems),
    }
}

/// The policies that are named.
pub(super) fn named_policies(policies: &Policies) -> impl Iterator<Item = &str> {
    policies.request.iter().chain(&policies.response).filter_map(|rule| match &rule.rule {
        Some(Written::Policy(name)) => Some(name.as_str()),
        _ => None,
    })
}

/// The rules of a `Policy`, which names no other.
pub(crate) fn compile_policy(policy: &Policy, problems: &mut Problems) -> Option<Vec<Rule>> {
    let spec = required(policy.spec.as_ref(), problems)?;
    let root = At::ROOT;
    let at = root.name("spec");
    check_description(&spec.description, &at.name("description"), problems);
    let list = at.name("rules");
    if spec.rules.is_empty() {
        problems.add(&list, "there is none", "say what the policy does");
    }
    for (index, rule) in spec.rules.iter().enumerate() {
        if let Some(Written::Policy(_)) = &rule.rule {
            let here = list.index(index);
            problems.add(&here.name("policy"), "a policy names no other", "write its rules here");
        }
    }
    if !problems.is_empty() {
        return None;
    }
    let rules = rules(&spec.rules, Named::NONE, &list, problems);
    problems.is_empty().then_some(rules)
}

fn rules(
    written: &[PolicyRule],
    named: Named<'_>,
    at: &At<'_>,
    problems: &mut Problems,
) -> Vec<Rule> {
    if written.len() > MAX_RULES {
        let reason = format!("there are {}, at most {MAX_RULES}", written.len());
        problems.add(at, reason, "");
        return Vec::new();
    }
    let mut all = Vec::with_capacity(written.len());
    for (index, rule) in written.iter().enumerate() {
        let here = at.index(index);
        match rule.rule.as_ref() {
            Some(Written::Policy(name)) => {
                all.extend(named.policy(name, &here.name("policy"), problems).unwrap_or_default());
            }
            Some(written) => all.extend(header_rule(written, &here, problems)),
            None => {
                let suggestion = "write `setHeader`, `addHeader`, `removeHeader` or `policy`";
                problems.add(&here, "it does not say what to do", suggestion);
            }
        }
    }
    if all.len() > MAX_ALL_RULES {
        let reason =
            format!("with those of its policies there are {}, at most {MAX_ALL_RULES}", all.len());
        problems.add(at, reason, "");
        return Vec::new();
    }
    all
}

/// A rule for one field; those of a policy are looked up elsewhere.
fn header_rule(written: &Written, at: &At<'_>, problems: &mut Problems) -> Option<Rule> {
    match written {
        Written::SetHeader(field) => valued(field, true, &at.name("setHeader"), problems),
        Written::AddHeader(field) => valued(field, false, &at.name("addHeader"), problems),
        Written::RemoveHeader(field) => {
            let here = at.name("removeHeader");
            let name = name(&field.name, &here.name("name"), problems)?;
            Some(Rule { name, replaces: true, value: None })
        }
        Written::Policy(_) => None,
    }
}

fn valued(
    field: &HeaderField,
    replaces: bool,
    at: &At<'_>,
    problems: &mut Problems,
) -> Option<Rule> {
    let name = name(&field.name, &at.name("name"), problems);
    let value = template(&field.value, &at.name("value"), problems);
    Some(Rule { name: name?, replaces, value: Some(value?) })
}

/// A name that rules may touch.
fn name(text: &str, at: &At<'_>, problems: &mut Problems) -> Option<HeaderName> {
    match HeaderName::from_bytes(text.as_bytes()) {
        Ok(name) if belongs_to_gateway(name.as_str()) => {
            let reason = format!("`{}` is the gateway's own", shown(text));
            problems.add(at, reason, "fields of the connection and of the framing are left alone");
            None
        }
        Ok(name) => Some(name),
        Err(_) if text.is_empty() => {
            problems.add(at, "a name is missing", "");
            None
        }
        Err(_) => {
            let reason = format!("`{}` is no name of a header field", shown(text));
            problems.add(at, reason, "use letters, digits and `-`");
            None
        }
    }
}

/// Fields that end at each hop (RFC 9110 §7.6.1), that say where a message ends or for whom it is,
/// and that the gateway acts upon itself. `name` is in lower case.
pub fn belongs_to_gateway(name: &str) -> bool {
    matches!(
        name,
        "host"
            | "connection"
            | "keep-alive"
            | "proxy-connection"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "content-length"
            | "upgrade"
            | "http2-settings"
            | "expect"
    )
}

fn template(text: &str, at: &At<'_>, problems: &mut Problems) -> Option<Template> {
    let visible = |byte: u8| byte == b'\t' || (b' '..=b'~').contains(&byte);
    let (reason, suggestion) = if text.is_empty() {
        ("a value is missing".to_owned(), "use `removeHeader` to have no such field")
    } else if text.len() > MAX_VALUE_BYTES {
        (format!("it has {} bytes, at most {MAX_VALUE_BYTES}", text.len()), "")
    } else if !text.bytes().all(visible) {
        ("a field holds visible ASCII only".to_owned(), "escape what is not")
    } else if text.trim() != text {
        ("spaces around a value are lost on the way".to_owned(), "leave them out")
    } else {
        return match parts(text, at, problems)?.as_slice() {
            [] => None,
            [Part::Text(text)] => HeaderValue::from_str(text).ok().map(Template::Fixed),
            parts => Some(Template::Parts(parts.to_vec())),
        };
    };
    problems.add(at, reason, suggestion);
    None
}

#[cfg(test)]
#[path = "policies_tests.rs"]
mod tests;
