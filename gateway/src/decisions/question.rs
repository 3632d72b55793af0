//! What is known of a call, for whoever decides about it?
//!
//! Attributes of the four categories that policies are written in: who, does what, to what, under
//! which circumstances. Each has a type, so that a decision point that knows types is told them.

use std::borrow::Cow;
use std::net::IpAddr;

use chassis::proxies::Proxies;
use http::header::COOKIE;
use http::{HeaderMap, HeaderName, HeaderValue, Version};
use plan::{DecisionPointPlan, KeyType, ShownFields};
use serde_json::Value as Json;

use crate::called::called;
use crate::handlers::{Caller, Permit};
use crate::identity::is_identity;
use crate::one_hop::ends_here;
use crate::received::Received;

/// Claims that are no others.
const REGISTERED: [&str; 9] =
    ["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "client_id", "scope"];

/// May this subject take this action on this resource, under these circumstances?
#[derive(Debug)]
pub struct Question<'a> {
    /// Who calls.
    pub subject: Vec<Attribute<'a>>,
    /// What they want to do.
    pub action: Vec<Attribute<'a>>,
    /// To what.
    pub resource: Vec<Attribute<'a>>,
    /// Whatever else is known.
    pub environment: Vec<Attribute<'a>>,
    /// What the owner of the API says with every question.
    pub context: &'a [(Box<str>, Box<str>)],
}

/// Something that is known, by name.
#[derive(Clone, Debug, PartialEq)]
pub struct Attribute<'a> {
    /// Its name within its category.
    pub name: &'static str,
    /// What it is.
    pub value: Value<'a>,
}

/// The value of an attribute, with its type.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// A text.
    Text(Cow<'a, str>),
    /// Several texts in no order that means anything.
    Texts(Vec<&'a str>),
    /// An instant, in seconds since the Unix epoch.
    Instant(i64),
    /// An address of the network.
    Address(IpAddr),
    /// What a token claims, by name.
    Claims(Vec<(&'a str, Cow<'a, Json>)>),
    /// Header fields, by name; those of one name are joined with commas.
    Fields(Vec<(&'a str, String)>),
}

/// What a question is made of besides the permit.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'a> {
    /// The request.
    pub received: &'a Received,
    /// Who speaks for clients.
    pub proxies: &'a Proxies,
    /// The call's name.
    pub name: &'a str,
    /// When it came, in seconds since the Unix epoch.
    pub at: i64,
}

impl<'a> Question<'a> {
    /// The question about a call that may be made as far as the gateway knows.
    pub fn of(
        point: &'a DecisionPointPlan,
        permit: &'a Permit<'_>,
        about: Circumstances<'a>,
    ) -> Self {
        Self {
            subject: subject(permit),
            action: vec![Attribute::text("name", about.received.method.as_str())],
            resource: resource(permit, about),
            environment: environment(point, permit, about),
            context: &point.context,
        }
    }
}

impl<'a> Attribute<'a> {
    fn text(name: &'static str, text: &'a str) -> Self {
        Self { name, value: Value::Text(Cow::Borrowed(text)) }
    }

    /// The same where it is known.
    fn known(name: &'static str, text: Option<&'a str>) -> Option<Self> {
        text.filter(|text| !text.is_empty()).map(|text| Self::text(name, text))
    }
}

/// What kind of caller that is.
fn kind(caller: &Caller) -> &'static str {
    match caller {
        _ if caller.is_anybody() => "anonymous",
        _ if caller.is_person() => "user",
        _ if caller.client_id().is_some() => "application",
        _ => "certificate",
    }
}

fn subject<'a>(permit: &'a Permit<'_>) -> Vec<Attribute<'a>> {
    let caller = permit.caller();
    let application = permit.application();
    let id = caller.subject().or_else(|| caller.client_id()).unwrap_or("anonymous");
    let mut all = vec![Attribute::text("type", kind(caller)), Attribute::text("id", id)];
    let key_type = permit.key_type().map(|key_type| match key_type {
        KeyType::Production => "production",
        KeyType::Sandbox => "sandbox",
    });
    let known = [
        ("client_id", caller.client_id()),
        ("application", application.map(|application| &*application.name)),
        ("application_owner", application.map(|application| &*application.owner)),
        ("key_type", key_type),
        ("tier", permit.subscription().map(|subscription| &*subscription.tier)),
        ("key_manager", caller.token().map(|token| token.key_manager())),
    ];
    all.extend(known.into_iter().filter_map(|(name, text)| Attribute::known(name, text)));
    let scopes: Vec<&str> = caller.scopes().collect();
    let person = caller.person();
    let roles: Vec<&str> =
        person.iter().flat_map(|person| &person.roles).map(|role| &**role).collect();
    for (name, texts) in [("scopes", scopes), ("roles", roles)] {
        if !texts.is_empty() {
            all.push(Attribute { name, value: Value::Texts(texts) });
        }
    }
    if let Some(token) = caller.token() {
        let registered =
            REGISTERED.into_iter().filter_map(|name| Some((name, caller.claim(name)?)));
        let other = token.claims().other.iter();
        let other = other.map(|(name, value)| (name.as_str(), Cow::Borrowed(value)));
        let claims = registered.chain(other).collect();
        all.push(Attribute { name: "claims", value: Value::Claims(claims) });
    }
    all
}

fn resource<'a>(permit: &'a Permit<'_>, about: Circumstances<'a>) -> Vec<Attribute<'a>> {
    let (api, operation) = (permit.matched().api(), permit.matched().operation());
    let received = about.received;
    let mut all = vec![Attribute::text("type", "api"), Attribute::text("id", received.path())];
    let known = [
        ("api", Some(&*api.name)),
        ("version", Some(&*api.version)),
        ("context", Some(&*api.context)),
        ("owner", Some(&*api.owner)),
        ("operation", Some(&*operation.path)),
        ("operation_id", Some(&*operation.id)),
        ("host", Some(received.host())),
        ("query", received.query()),
    ];
    all.extend(known.into_iter().filter_map(|(name, text)| Attribute::known(name, text)));
    all
}

fn environment<'a>(
    point: &'a DecisionPointPlan,
    permit: &'a Permit<'_>,
    about: Circumstances<'a>,
) -> Vec<Attribute<'a>> {
    let received = about.received;
    let protocol = match received.version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_11 => "HTTP/1.1",
        _ => "HTTP/2",
    };
    vec![
        Attribute { name: "time", value: Value::Instant(about.at) },
        Attribute { name: "client_address", value: Value::Address(received.peer.client) },
        Attribute::text("scheme", called(about.proxies, received).scheme),
        Attribute::text("protocol", protocol),
        Attribute::text("request_id", about.name),
        Attribute { name: "headers", value: Value::Fields(fields(&point.shown, permit, received)) },
    ]
}

/// The fields that may be shown. What clients say in the gateway's name is nobody's word.
fn fields<'a>(
    shown: &'a ShownFields,
    permit: &Permit<'_>,
    received: &'a Received,
) -> Vec<(&'a str, String)> {
    let hidden = |name: &str| is_identity(name) || ends_here(name);
    let headers = &received.headers;
    let told = |name: &'a HeaderName| Some((name.as_str(), joined(headers, name)?));
    match shown {
        ShownFields::These(names) => {
            names.iter().filter(|name| !hidden(name.as_str())).filter_map(told).collect()
        }
        ShownFields::All => headers
            .keys()
            .filter(|name| {
                let kept = **name == COOKIE || permit.takes(name.as_str());
                !(kept || hidden(name.as_str()))
            })
            .filter_map(told)
            .collect(),
    }
}

/// What the fields of this name say, in their order; `None`: there is none.
fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let mut values = headers.get_all(name).iter().map(HeaderValue::as_bytes);
    let mut text = String::from_utf8_lossy(values.next()?).into_owned();
    for value in values {
        text.push(',');
        text.push_str(&String::from_utf8_lossy(value));
    }
    Some(text)
}
