//! Which credentials does a request show, of those that its API reads?
//!
//! One field may hold several, with commas between them, as clients of WSO2 gateways send them: what
//! the API reads is taken, and the rest goes on to the backend.

use http::{HeaderMap, HeaderValue};
use plan::{SchemeSet, SecurityPlan};
use turnpike_proto::config::v1::credential_scheme::Kind as Scheme;

use crate::fault::BadRequest;

/// What a request shows of its caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shown<'a> {
    /// An access token.
    pub token: Option<Token<'a>>,
    /// A name and a password, in the base64 of RFC 7617.
    pub password: Option<&'a str>,
    /// An API key.
    pub api_key: Option<&'a str>,
}

/// A token as it is shown. The other ways to show one, in the body and in the query (RFC 6750 §2.2,
/// §2.3), are not read: they end up in logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    /// The token.
    pub text: &'a str,
    /// Whether it comes with a proof of its key (`DPoP`, RFC 9449 §7.1) and not as `Bearer`.
    pub proven: bool,
}

/// The credentials in `headers` that `security` reads. Twice the same kind is refused:
/// which of them counts would be a guess.
pub fn shown<'a>(headers: &'a HeaderMap, security: &SecurityPlan) -> Result<Shown<'a>, BadRequest> {
    let mut shown = Shown::default();
    if reads_field(security.schemes) {
        let mut fields = headers.get_all(&security.header).iter();
        if let Some(field) = fields.next() {
            if fields.next().is_some() {
                return Err(BadRequest::Authorization);
            }
            // What is no plain text is no credential either, whoever looks at it closer.
            read_field(field, security.schemes, &mut shown)?;
        }
    }
    if security.schemes.has(Scheme::ApiKey) {
        shown.api_key = api_key(headers, security)?;
    }
    Ok(shown)
}

/// Whether the field for tokens, names and passwords is looked at.
fn reads_field(schemes: SchemeSet) -> bool {
    schemes.has(Scheme::Oauth2) || schemes.has(Scheme::Basic)
}

fn read_field<'a>(
    field: &'a HeaderValue,
    schemes: SchemeSet,
    shown: &mut Shown<'a>,
) -> Result<(), BadRequest> {
    for credential in credentials(field) {
        match Kind::of(credential, schemes) {
            Some(Kind::Token(token)) if shown.token.is_none() => shown.token = Some(token),
            Some(Kind::Password(password)) if shown.password.is_none() => {
                shown.password = Some(password);
            }
            Some(_) => return Err(BadRequest::Authorization),
            None => {}
        }
    }
    Ok(())
}

/// The credentials of a field that holds several.
fn credentials(field: &HeaderValue) -> impl Iterator<Item = &str> {
    let text = str::from_utf8(field.as_bytes()).unwrap_or_default();
    text.split(',').map(str::trim_ascii)
}

enum Kind<'a> {
    Token(Token<'a>),
    Password(&'a str),
}

impl<'a> Kind<'a> {
    /// What a credential is, if it is one that is read.
    fn of(credential: &'a str, schemes: SchemeSet) -> Option<Self> {
        let (scheme, value) = credential.split_once(' ')?;
        let value = value.trim_ascii();
        let (tokens, passwords) = (schemes.has(Scheme::Oauth2), schemes.has(Scheme::Basic));
        if tokens && scheme.eq_ignore_ascii_case("bearer") {
            Some(Self::Token(Token { text: value, proven: false }))
        } else if tokens && scheme.eq_ignore_ascii_case("dpop") {
            Some(Self::Token(Token { text: value, proven: true }))
        } else if passwords && scheme.eq_ignore_ascii_case("basic") {
            Some(Self::Password(value))
        } else {
            None
        }
    }
}

fn api_key<'a>(
    headers: &'a HeaderMap,
    security: &SecurityPlan,
) -> Result<Option<&'a str>, BadRequest> {
    let mut fields = headers.get_all(&security.api_key.header).iter();
    let Some(field) = fields.next() else { return Ok(None) };
    if fields.next().is_some() {
        return Err(BadRequest::ApiKey);
    }
    Ok(Some(str::from_utf8(field.as_bytes()).unwrap_or_default().trim_ascii()))
}

/// Whether a field called `name` (in lower case) holds credentials that `security` reads, which are for
/// the gateway alone.
pub fn is_for_gateway(security: &SecurityPlan, name: &str) -> bool {
    let schemes = security.schemes;
    (reads_field(schemes) && security.header == *name)
        || (schemes.has(Scheme::Oauth2) && name == "dpop")
        || (schemes.has(Scheme::ApiKey) && security.api_key.header == *name)
}

/// What is left of the field for tokens, names and passwords without those that are read; `None`:
/// nothing.
pub fn left_over(headers: &HeaderMap, security: &SecurityPlan) -> Option<String> {
    let field = headers.get(&security.header)?;
    // One alone is either read or is no credential that this API knows.
    if !reads_field(security.schemes) {
        return None;
    }
    let others = credentials(field).filter(|one| !one.is_empty());
    let others: Vec<&str> =
        others.filter(|one| Kind::of(one, security.schemes).is_none()).collect();
    (!others.is_empty()).then(|| others.join(", "))
}

#[cfg(test)]
mod tests {
    use plan::Plan;

    use super::*;

    /// `security` is flow YAML, `request` header lines. The answer names what is shown, and behind `|`
    /// what is left over for the backend.
    #[track_caller]
    fn check(security: &str, request: &str, expected: &str) {
        let plan = plan_with(security);
        let security = &plan.api("a:1").unwrap().security;
        let mut headers = HeaderMap::new();
        for (name, value) in request.lines().filter_map(|line| line.split_once(": ")) {
            let name: http::HeaderName = name.parse().unwrap();
            headers.append(name, value.parse().unwrap());
        }
        let said = match shown(&headers, security) {
            Err(wrong) => format!("{wrong:?}"),
            Ok(shown) => {
                let token = shown.token.map(|token| {
                    format!("{} {}", if token.proven { "proven" } else { "bearer" }, token.text)
                });
                let password = shown.password.map(|password| format!("basic {password}"));
                let key = shown.api_key.map(|key| format!("key {key}"));
                let all: Vec<_> = token.into_iter().chain(password).chain(key).collect();
                let left = left_over(&headers, security).unwrap_or_default();
                format!("{}|{left}", all.join(" "))
            }
        };
        assert_eq!(said, expected, "{request}");
    }

    fn plan_with(security: &str) -> Plan {
        let yaml = format!(
            "apiVersion: turnpike/v1\nkind: Api\nmetadata: {{ name: a, version: '1' }}\nspec:\n  \
             context: /a\n  security: {{ {security} }}\n"
        );
        let (resources, problems) = plan::read_document(&yaml, "");
        assert!(problems.is_empty(), "{problems:?}");
        let wire: Vec<_> =
            resources.iter().map(|one| (plan::key(one).unwrap(), plan::encode(one))).collect();
        Plan::empty().next(&wire, &[]).0
    }

    #[test]
    fn a_token_is_read_whatever_the_case_of_its_scheme() {
        check("", "authorization: Bearer a.b.c", "bearer a.b.c|");
        check("", "authorization: bEARER  a.b.c ", "bearer a.b.c|");
        check("", "authorization: DPoP a.b.c", "proven a.b.c|");
        check("", "", "|");
        check("", "authorization: Bearer", "|Bearer");
    }

    #[test]
    fn only_what_the_api_asks_for_is_read() {
        check("", "authorization: Basic YTpi", "|Basic YTpi");
        check("schemes: [basic]", "authorization: Basic YTpi", "basic YTpi|");
        check("schemes: [basic]", "authorization: Bearer x", "|Bearer x");
        check("schemes: [api_key]", "authorization: Bearer x", "|");
        check("schemes: [api_key]", "apikey: k", "key k|");
        check("", "apikey: k", "|");
    }

    #[test]
    fn several_in_one_field_are_told_apart_and_the_rest_goes_on() {
        check("", "authorization: Basic YTpi, Bearer t", "bearer t|Basic YTpi");
        check("schemes: [basic]", "authorization: Basic YTpi,Bearer t", "basic YTpi|Bearer t");
        check(
            "schemes: [basic, oauth2]",
            "authorization: Basic YTpi, Bearer t",
            "bearer t basic YTpi|",
        );
        check("", "authorization: Custom x, Bearer t, Other y", "bearer t|Custom x, Other y");
    }

    #[test]
    fn twice_the_same_kind_is_refused() {
        check("", "authorization: Bearer a\nauthorization: Bearer a", "Authorization");
        check("", "authorization: Bearer a, Bearer b", "Authorization");
        check("", "authorization: Bearer a, DPoP b", "Authorization");
        check("schemes: [api_key]", "apikey: a\napikey: b", "ApiKey");
    }

    #[test]
    fn the_places_can_be_chosen() {
        check("header: x-token", "x-token: Bearer t\nauthorization: Bearer u", "bearer t|");
        let places = "schemes: [api_key], apiKey: { header: x-key }";
        check(places, "x-key: k", "key k|");
        check(places, "apikey: k", "|");
    }
}
