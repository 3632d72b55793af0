//! What is known of a call, and how does a text ask for it?
//!
//! `${...}` stands for a variable, `$${` for `${`. Texts are cut into parts when they are published,
//! so that nothing is parsed while a call waits.

use http::HeaderName;

use crate::problem::{At, Problems, did_you_mean, nearest, shown};

/// The longest name of a claim, in bytes.
pub(super) const MAX_CLAIM_BYTES: usize = 256;
/// What stands before the name of a header field.
const HEADER: &str = "request.header.";
/// What stands before the name of a claim.
const CLAIM: &str = "token.claims.";

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// As it stands.
    Text(Box<str>),
    /// Looked up.
    Variable(Variable),
}

/// Something that is known of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Variable {
    /// The call's name, as `x-request-id` says it.
    RequestId,
    /// The method.
    RequestMethod,
    /// The Host that was called, without its port.
    RequestHost,
    /// The path that was called, without its query.
    RequestPath,
    /// The first field of this name that the client sent.
    RequestHeader(HeaderName),
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
    /// What the token says under this name.
    TokenClaim(Box<str>),
}

impl Variable {
    const PLAIN: [(&'static str, Self); 13] = [
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

    fn find(name: &str, at: &At<'_>, problems: &mut Problems) -> Option<Self> {
        if let Some(field) = name.strip_prefix(HEADER) {
            return header(field, at, problems);
        }
        if let Some(claim) = name.strip_prefix(CLAIM) {
            if claim.is_empty() || claim.len() > MAX_CLAIM_BYTES {
                let reason = format!("the name of a claim has 1 to {MAX_CLAIM_BYTES} bytes");
                problems.add(at, reason, "write for example `${token.claims.email}`");
                return None;
            }
            return Some(Self::TokenClaim(claim.into()));
        }
        let found = Self::PLAIN.into_iter().find(|(known, _)| *known == name);
        if found.is_none() {
            let known = Self::PLAIN.map(|(known, _)| known);
            let near = nearest(name, known.into_iter().chain([HEADER, CLAIM]));
            let reason = format!("there is no variable `{}`", shown(name));
            problems.add(at, reason, did_you_mean(near));
        }
        found.map(|(_, variable)| variable)
    }
}

fn header(name: &str, at: &At<'_>, problems: &mut Problems) -> Option<Variable> {
    match HeaderName::from_bytes(name.as_bytes()) {
        // Whoever gets the value could call in the name of the client.
        Ok(name) if matches!(name.as_str(), "authorization" | "cookie" | "proxy-authorization") => {
            let reason = format!("`{name}` carries credentials of the client");
            problems.add(at, reason, "name another field");
            None
        }
        Ok(name) => Some(Variable::RequestHeader(name)),
        Err(_) => {
            let reason = format!("`{}` is no name of a header field", shown(name));
            problems.add(at, reason, "write for example `${request.header.x-tenant}`");
            None
        }
    }
}

/// The parts of `text`: no two texts stand side by side. `None`: something is wrong, which is told.
pub(super) fn parts(text: &str, at: &At<'_>, problems: &mut Problems) -> Option<Vec<Part>> {
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
        let variable = Variable::find(name, at, problems)?;
        if !plain.is_empty() {
            parts.push(Part::Text(std::mem::take(&mut plain).into()));
        }
        parts.push(Part::Variable(variable));
        rest = after;
    }
    plain.push_str(rest);
    if !plain.is_empty() {
        parts.push(Part::Text(plain.into()));
    }
    Some(parts)
}
