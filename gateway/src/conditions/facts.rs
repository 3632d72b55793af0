//! What is known of a call, for expressions?
//!
//! References to what is there already; a value is made when an expression comes to it. What is the
//! gateway's own is hidden: fields that hold its credentials, and fields in its name.

use std::borrow::Cow;
use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};
use jose::Claims;
use plan::{
    ApiKeyPlan, ApiPlan, ApplicationPlan, CallerRightsPlan, Fact, Facts, OperationPlan,
    SecurityPlan, Wanted, query_values,
};
use serde_json::Value;

use super::check::Asked;
use crate::credentials::is_for_gateway;
use crate::handlers::{Permit, said};
use crate::identity::is_identity;
use crate::rpc::passwords::Person;

/// What is known of a call.
#[derive(Debug)]
pub(super) struct CallFacts<'a> {
    method: &'a Method,
    version: Version,
    headers: &'a HeaderMap,
    path: &'a str,
    host: &'a str,
    query: Option<&'a str>,
    /// The path and query below the API's context.
    rest: &'a str,
    client: IpAddr,
    size: Option<u64>,
    at_us: i64,
    /// Which fields hold credentials; `None`: the operation asks for none.
    security: Option<&'a SecurityPlan>,
    caller: CallerFacts<'a>,
    application: Option<&'a ApplicationPlan>,
    tier: Option<&'a str>,
    api: &'a ApiPlan,
    operation: &'a OperationPlan,
}

/// Who calls.
#[derive(Debug)]
struct CallerFacts<'a> {
    claims: Option<&'a Claims>,
    api_key: Option<&'a ApiKeyPlan>,
    person: Option<&'a Person>,
    certificate: Option<&'a CallerRightsPlan>,
    is_person: bool,
    /// Whether a test key stands in for all that the API asks for.
    tests: bool,
    user: Option<&'a str>,
    client_id: Option<&'a str>,
}

impl<'a> CallFacts<'a> {
    pub(super) fn of(permit: &'a Permit<'_>, asked: Asked<'a>) -> Self {
        let (matched, caller, received) = (permit.matched(), permit.caller(), asked.received);
        Self {
            method: &received.method,
            version: received.version,
            headers: &received.headers,
            path: received.path(),
            host: received.host_name(),
            query: received.query(),
            rest: matched.rest(),
            client: received.peer.client,
            size: asked.size,
            at_us: asked.at_us,
            security: (!matched.is_open()).then(|| &*matched.api().security),
            caller: CallerFacts {
                claims: caller.token().map(|token| token.claims()),
                api_key: caller.api_key().map(|key| &**key),
                person: caller.person().map(|person| &**person),
                certificate: caller.certificate().map(|rights| &**rights),
                is_person: caller.is_person(),
                tests: caller.test_key().is_some(),
                user: caller.subject(),
                client_id: caller.client_id(),
            },
            application: permit.application().map(|application| &**application),
            tier: permit.subscription().map(|subscription| &*subscription.tier),
            api: matched.api(),
            operation: matched.operation(),
        }
    }

    fn is_hidden(&self, name: &HeaderName) -> bool {
        is_identity(name.as_str())
            || self.security.is_some_and(|security| is_for_gateway(security, name.as_str()))
    }

    /// Several fields of a name are one with commas (RFC 9110 §5.3): whoever adds one changes what is
    /// read, and does not go round it.
    fn header(&self, name: &HeaderName) -> Option<Cow<'_, str>> {
        let mut all = self.headers.get_all(name).iter().filter(|_| !self.is_hidden(name));
        let text = |value: &'a HeaderValue| str::from_utf8(value.as_bytes()).ok();
        let first = text(all.next()?)?;
        let Some(second) = all.next() else { return Some(Cow::Borrowed(first)) };
        let mut joined = first.to_owned();
        for value in std::iter::once(second).chain(all) {
            joined.push_str(", ");
            joined.push_str(text(value)?);
        }
        Some(Cow::Owned(joined))
    }

    /// A parameter that stands twice is none: the backend may read the other one.
    fn query(&self, name: &str) -> Option<Cow<'_, str>> {
        let mut all = query_values(self.query?, name);
        let only = all.next().filter(|_| all.next().is_none())?;
        match only {
            Cow::Borrowed(bytes) => str::from_utf8(bytes).ok().map(Cow::Borrowed),
            Cow::Owned(bytes) => String::from_utf8(bytes).ok().map(Cow::Owned),
        }
    }
}

impl CallerFacts<'_> {
    const fn kind(&self) -> &'static str {
        if self.tests {
            "tester"
        } else if self.is_person {
            "person"
        } else if self.claims.is_some() || self.api_key.is_some() {
            "application"
        } else if self.certificate.is_some() {
            "certificate"
        } else {
            "anybody"
        }
    }

    fn credentials(&self) -> Vec<Cow<'_, str>> {
        let all = [
            (self.claims.is_some(), "oauth2"),
            (self.api_key.is_some(), "api_key"),
            (self.person.is_some(), "basic"),
            (self.certificate.is_some(), "mutual_tls"),
            (self.tests, "test_key"),
        ];
        all.into_iter().filter(|(shown, _)| *shown).map(|(_, name)| name.into()).collect()
    }

    fn scopes(&self) -> Vec<Cow<'_, str>> {
        let token = self.claims.iter().flat_map(|claims| &claims.scopes).map(String::as_str);
        let key = self.api_key.iter().flat_map(|key| &key.scopes).map(|it| &**it);
        let rights = self.certificate.iter().flat_map(|rights| &rights.scopes).map(|it| &**it);
        token.chain(key).chain(rights).map(Cow::Borrowed).collect()
    }

    fn roles(&self) -> Option<Vec<Cow<'_, str>>> {
        Some(self.person?.roles.iter().map(|role| Cow::Borrowed(&**role)).collect())
    }

    fn claim(&self, path: &[Box<str>]) -> Option<Fact<'_>> {
        let (first, inside) = path.split_first()?;
        match said(self.claims?, first)? {
            Cow::Borrowed(value) => {
                inside.iter().try_fold(value, |value, name| value.get(&**name)).map(Fact::Json)
            }
            // What every token may say is no object.
            Cow::Owned(_) if !inside.is_empty() => None,
            Cow::Owned(Value::String(text)) => Some(Fact::Text(Cow::Owned(text))),
            Cow::Owned(Value::Number(number)) => number.as_i64().map(Fact::Number),
            Cow::Owned(Value::Array(list)) => {
                let text = |one: Value| one.as_str().map(|text| Cow::Owned(text.to_owned()));
                list.into_iter().map(text).collect::<Option<_>>().map(Fact::Texts)
            }
            Cow::Owned(_) => None,
        }
    }
}

impl Facts for CallFacts<'_> {
    fn look_up(&self, wanted: &Wanted) -> Option<Fact<'_>> {
        let text = |text| Some(Fact::Text(Cow::Borrowed(text)));
        let application = self.application;
        match wanted {
            Wanted::Method => text(self.method.as_str()),
            Wanted::Path => text(self.path),
            Wanted::Host => text(self.host),
            Wanted::Protocol => text(protocol(self.version)),
            Wanted::Size => self.size.and_then(|size| i64::try_from(size).ok()).map(Fact::Number),
            Wanted::Time => Some(Fact::TimeUs(self.at_us)),
            Wanted::Header(name) => self.header(name).map(Fact::Text),
            Wanted::Query(name) => self.query(name).map(Fact::Text),
            Wanted::Parameter(name) => self.operation.parameter(name, self.rest).map(Fact::Text),
            Wanted::Claim(path) => self.caller.claim(path),
            Wanted::CallerKind => text(self.caller.kind()),
            Wanted::User => text(self.caller.user?),
            Wanted::Roles => self.caller.roles().map(Fact::Texts),
            Wanted::Scopes => Some(Fact::Texts(self.caller.scopes())),
            Wanted::Credentials => Some(Fact::Texts(self.caller.credentials())),
            Wanted::ClientId => text(self.caller.client_id?),
            Wanted::ApplicationName => text(&application?.name),
            Wanted::ApplicationOwner => text(said_at_all(&application?.owner)?),
            Wanted::ApplicationTier => text(&application?.tier),
            Wanted::SubscriptionTier => text(self.tier?),
            Wanted::ApiName => text(&self.api.name),
            Wanted::ApiVersion => text(&self.api.version),
            Wanted::ApiContext => text(&self.api.context),
            Wanted::OperationMethod => text(&self.operation.method),
            Wanted::OperationPath => text(&self.operation.path),
            Wanted::OperationId => text(said_at_all(&self.operation.id)?),
            Wanted::ClientAddress => {
                let address = self.client.to_canonical().to_string();
                Some(Fact::Text(Cow::Owned(address)))
            }
        }
    }

    fn has(&self, wanted: &Wanted) -> Option<bool> {
        Some(match wanted {
            // Nobody knows what no token says.
            Wanted::Claim(path) => {
                self.caller.claims?;
                self.caller.claim(path).is_some()
            }
            // What is there is there, even if it cannot be read.
            Wanted::Header(name) => !self.is_hidden(name) && self.headers.contains_key(name),
            Wanted::Query(name) => {
                self.query.is_some_and(|query| query_values(query, name).next().is_some())
            }
            other => self.look_up(other).is_some(),
        })
    }
}

fn said_at_all(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

const fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_2 => "HTTP/2",
        Version::HTTP_10 => "HTTP/1.0",
        _ => "HTTP/1.1",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_who_shows_a_password_has_roles_and_no_claims() {
        let person = Person {
            issuer: "i".into(),
            subject: "7".into(),
            name: "ann".into(),
            roles: vec!["staff".into()],
            authenticated_at: 0,
        };
        let caller = CallerFacts {
            claims: None,
            api_key: None,
            person: Some(&person),
            certificate: None,
            is_person: true,
            tests: false,
            user: Some("7"),
            client_id: None,
        };
        assert_eq!((caller.kind(), caller.credentials().join(" ")), ("person", "basic".to_owned()));
        assert_eq!(caller.roles().unwrap(), ["staff"]);
        assert!(caller.claim(&["sub".into()]).is_none());
    }
}
