//! What is done to the header fields of a call and of its answer?
//!
//! Rules are written one after the other; what runs is what they come to: which fields are dropped
//! and which are added. Values are cut into text and variables here, so that nothing is parsed
//! while a call waits.

use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use turnpike_proto::config::v1::policy_rule::Rule as Written;
use turnpike_proto::config::v1::{HeaderField, Policies, PolicyRule};

use crate::problem::{At, Problems, did_you_mean, nearest, shown};

/// The most rules of one direction, for an API and for an operation.
const MAX_RULES: usize = 64;
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

/// A part of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// As it stands.
    Text(Box<str>),
    /// Looked up.
    Variable(Variable),
}

/// Something that is known of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variable {
    /// The call's name, as `x-request-id` says it.
    RequestId,
    /// The method.
    RequestMethod,
    /// The Host that was called, without its port.
    RequestHost,
    /// The path that was called, without its query.
    RequestPath,
    /// The address of the client.
    ClientAddress,
    /// The name of the API.
    ApiName,
    /// Its version.
    ApiVersion,
    /// Its context.
    ApiContext,
    /// The path template of the operation.
    OperationPath,
    /// The name of the application that calls.
    ApplicationName,
    /// Who answers for it.
    ApplicationOwner,
    /// The subject of the token.
    UserName,
    /// The tier of the subscription.
    SubscriptionTier,
}

impl Variable {
    const ALL: [(&'static str, Self); 13] = [
        ("request.id", Self::RequestId),
        ("request.method", Self::RequestMethod),
        ("request.host", Self::RequestHost),
        ("request.path", Self::RequestPath),
        ("client.address", Self::ClientAddress),
        ("api.name", Self::ApiName),
        ("api.version", Self::ApiVersion),
        ("api.context", Self::ApiContext),
        ("operation.path", Self::OperationPath),
        ("application.name", Self::ApplicationName),
        ("application.owner", Self::ApplicationOwner),
        ("user.name", Self::UserName),
        ("subscription.tier", Self::SubscriptionTier),
    ];
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
#[derive(Debug, Default)]
pub(crate) struct Kept {
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
struct Rule {
    name: HeaderName,
    /// Whether what the field said before is gone.
    replaces: bool,
    value: Option<Template>,
}

impl Kept {
    /// The rules of an API.
    pub(crate) fn of(policies: Option<&Policies>, at: &At<'_>, problems: &mut Problems) -> Self {
        let rules = directions(policies, at, problems);
        let plan = plan(&rules, &Directions::default());
        Self { rules, plan }
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
        plan(&self.rules, &directions(policies, at, problems))
    }
}

fn plan(first: &Directions, then: &Directions) -> Option<Arc<PoliciesPlan>> {
    let plan = PoliciesPlan {
        request: HeaderRules::of(first.request.iter().chain(&then.request)),
        response: HeaderRules::of(first.response.iter().chain(&then.response)),
    };
    (!plan.request.is_empty() || !plan.response.is_empty()).then(|| Arc::new(plan))
}

fn directions(policies: Option<&Policies>, at: &At<'_>, problems: &mut Problems) -> Directions {
    let Some(policies) = policies else { return Directions::default() };
    Directions {
        request: rules(&policies.request, &at.name("request"), problems),
        response: rules(&policies.response, &at.name("response"), problems),
    }
}

fn rules(written: &[PolicyRule], at: &At<'_>, problems: &mut Problems) -> Vec<Rule> {
    if written.len() > MAX_RULES {
        let reason = format!("there are {}, at most {MAX_RULES}", written.len());
        problems.add(at, reason, "");
        return Vec::new();
    }
    let each = |(index, rule): (usize, &PolicyRule)| {
        let here = at.index(index);
        match rule.rule.as_ref() {
            Some(Written::SetHeader(field)) => {
                valued(field, true, &here.name("setHeader"), problems)
            }
            Some(Written::AddHeader(field)) => {
                valued(field, false, &here.name("addHeader"), problems)
            }
            Some(Written::RemoveHeader(field)) => {
                let here = here.name("removeHeader");
                let name = name(&field.name, &here.name("name"), problems)?;
                Some(Rule { name, replaces: true, value: None })
            }
            None => {
                let suggestion = "write `setHeader`, `addHeader` or `removeHeader`";
                problems.add(&here, "it does not say what to do", suggestion);
                None
            }
        }
    };
    written.iter().enumerate().filter_map(each).collect()
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
/// and that the gateway acts upon itself.
pub(crate) fn belongs_to_gateway(name: &str) -> bool {
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
        return parse(text, at, problems);
    };
    problems.add(at, reason, suggestion);
    None
}

fn parse(text: &str, at: &At<'_>, problems: &mut Problems) -> Option<Template> {
    let (mut parts, mut plain, mut rest) = (Vec::new(), String::new(), text);
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(before) = before.strip_suffix('$') {
            plain.push_str(before);
            plain.push_str("${");
            rest = after;
            continue;
        }
        plain.push_str(before);
        let Some((name, after)) = after.split_once('}') else {
            problems.add(at, "a `${` is not closed", "write `}` behind it, or `$${` for `${`");
            return None;
        };
        let Some((_, variable)) = Variable::ALL.into_iter().find(|(known, _)| *known == name)
        else {
            let near = nearest(name, Variable::ALL.map(|(known, _)| known));
            let reason = format!("there is no variable `{}`", shown(name));
            problems.add(at, reason, did_you_mean(near));
            return None;
        };
        if !plain.is_empty() {
            parts.push(Part::Text(std::mem::take(&mut plain).into()));
        }
        parts.push(Part::Variable(variable));
        rest = after;
    }
    plain.push_str(rest);
    if parts.is_empty() {
        return HeaderValue::from_str(&plain).ok().map(Template::Fixed);
    }
    if !plain.is_empty() {
        parts.push(Part::Text(plain.into()));
    }
    Some(Template::Parts(parts))
}

#[cfg(test)]
#[path = "policies_tests.rs"]
mod tests;
