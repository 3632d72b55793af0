//! What does a token claim, and what was expected of it?
//!
//! RFC 7519 §4.1, RFC 9068 §2.2. `exp` is required: a token that never ends cannot be revoked by
//! waiting. Times may be fractions (RFC 7519 §2, `NumericDate`) and are rounded down.

use serde_json::{Map, Value};

use crate::Algorithm;
use crate::jws::Refusal;

/// What a token must be to be believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// The `iss`, compared byte for byte.
    pub issuer: String,
    /// One of these must stand in `aud`. Empty: `aud` is not looked at.
    pub audiences: Vec<String>,
    /// The signature algorithms that are accepted. Empty: none, so every token is refused.
    pub algorithms: Vec<Algorithm>,
    /// How far clocks may differ.
    pub skew_seconds: u32,
    /// The accepted `typ`, without regard to case and to a leading `application/` (RFC 7515
    /// §4.1.9): `at+jwt` for RFC 9068 access tokens, `jwt` for those of older issuers.
    pub types: Vec<String>,
    /// Whether a token without `typ` is accepted too.
    pub type_may_be_absent: bool,
}

impl Expectation {
    /// Access tokens of `issuer`: ES256 or RS256, RFC 9068 type, five seconds of skew, any
    /// audience.
    pub fn access_token(issuer: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            audiences: Vec::new(),
            algorithms: vec![Algorithm::ES256, Algorithm::RS256],
            skew_seconds: 5,
            types: vec!["at+jwt".to_owned()],
            type_may_be_absent: false,
        }
    }

    /// As many issuers still send: `typ` may also be `JWT` or absent.
    #[must_use]
    pub fn any_jwt_type(mut self) -> Self {
        self.types.push("jwt".to_owned());
        self.type_may_be_absent = true;
        self
    }

    pub(crate) fn accepts_type(&self, typ: Option<&str>) -> bool {
        let Some(typ) = typ else { return self.type_may_be_absent };
        let short = match typ.get(.."application/".len()) {
            Some(prefix) if prefix.eq_ignore_ascii_case("application/") => {
                typ.get("application/".len()..).unwrap_or_default()
            }
            _ => typ,
        };
        self.types.iter().any(|accepted| accepted.eq_ignore_ascii_case(short))
    }
}

/// What a verified token says.
#[derive(Clone, Debug, PartialEq)]
pub struct Claims {
    /// `iss`.
    pub issuer: String,
    /// `sub`.
    pub subject: Option<String>,
    /// `aud`, one or many.
    pub audience: Vec<String>,
    /// Whether `aud` was written as a list, be it of one. Who asks for a single audience refuses it.
    pub audience_is_list: bool,
    /// `exp`, in seconds since the Unix epoch.
    pub expires_at: i64,
    /// `nbf`, in seconds since the Unix epoch.
    pub not_before: Option<i64>,
    /// `iat`, in seconds since the Unix epoch.
    pub issued_at: Option<i64>,
    /// `jti`.
    pub jti: Option<String>,
    /// `client_id`, and `azp` where that is missing.
    pub client_id: Option<String>,
    /// `scope` (one string or a list), and `scp` where that is missing; `scp` also stays in `other`.
    pub scopes: Vec<String>,
    /// Every other claim.
    pub other: Map<String, Value>,
}

impl Claims {
    /// The text of a claim by its name, whichever it is: for issuers that keep the client
    /// identifier under a name of their own.
    pub fn text(&self, name: &str) -> Option<&str> {
        match name {
            "iss" => Some(&self.issuer),
            "sub" => self.subject.as_deref(),
            "jti" => self.jti.as_deref(),
            "client_id" => self.client_id.as_deref(),
            _ => self.other.get(name).and_then(Value::as_str),
        }
    }

    /// What a JSON object says that came from whoever may say so, as the answer of a server that was
    /// asked about a token does (RFC 7662). Nothing in it is verified.
    pub fn of_object(map: Map<String, Value>) -> Result<Self, Refusal> {
        Self::from_map(map)
    }

    /// A claim by the names on the way to it, with dots between them; a claim whose own name has dots
    /// comes first.
    pub fn at(&self, path: &str) -> Option<&Value> {
        if let Some(found) = self.other.get(path) {
            return Some(found);
        }
        let mut names = path.split('.');
        let first = self.other.get(names.next()?)?;
        names.try_fold(first, |object, name| object.get(name))
    }

    pub(crate) fn from_map(mut map: Map<String, Value>) -> Result<Self, Refusal> {
        let scopes = match map.remove("scope") {
            Some(scope) => words(scope)?,
            None => map.get("scp").cloned().map(words).transpose()?.unwrap_or_default(),
        };
        let client_id = match text(&mut map, "client_id")? {
            Some(id) => Some(id),
            None => map.get("azp").and_then(Value::as_str).map(str::to_owned),
        };
        let audience_is_list = map.get("aud").is_some_and(Value::is_array);
        Ok(Self {
            audience_is_list,
            issuer: text(&mut map, "iss")?.ok_or(Refusal::Issuer)?,
            subject: text(&mut map, "sub")?,
            audience: map.remove("aud").map(one_or_many).transpose()?.unwrap_or_default(),
            expires_at: time(&mut map, "exp")?.ok_or(Refusal::NoExpiry)?,
            not_before: time(&mut map, "nbf")?,
            issued_at: time(&mut map, "iat")?,
            jti: text(&mut map, "jti")?,
            client_id,
            scopes,
            other: map,
        })
    }

    /// Whether it is what was expected, apart from the signature, the algorithm and the type.
    pub fn fits(&self, expect: &Expectation, now_unix: i64) -> Result<(), Refusal> {
        self.check(expect, now_unix)
    }

    pub(crate) fn check(&self, expect: &Expectation, now_unix: i64) -> Result<(), Refusal> {
        let skew = i64::from(expect.skew_seconds);
        if self.issuer != expect.issuer {
            return Err(Refusal::Issuer);
        }
        if now_unix >= self.expires_at.saturating_add(skew) {
            return Err(Refusal::Expired);
        }
        let latest = now_unix.saturating_add(skew);
        if self.not_before.is_some_and(|at| at > latest)
            || self.issued_at.is_some_and(|at| at > latest)
        {
            return Err(Refusal::NotYetValid);
        }
        let named = |audience: &String| self.audience.contains(audience);
        if !expect.audiences.is_empty() && !expect.audiences.iter().any(named) {
            return Err(Refusal::Audience);
        }
        Ok(())
    }
}

fn text(map: &mut Map<String, Value>, name: &'static str) -> Result<Option<String>, Refusal> {
    match map.remove(name) {
        None => Ok(None),
        // Names end up in logs and fields, where a control character means something.
        Some(Value::String(text)) if !text.contains(char::is_control) => Ok(Some(text)),
        Some(_) => Err(Refusal::Claim(name)),
    }
}

/// `NumericDate`, rounded down.
fn time(map: &mut Map<String, Value>, name: &'static str) -> Result<Option<i64>, Refusal> {
    /// The largest magnitude that a double holds exactly; far beyond any date.
    const LIMIT: f64 = 9_007_199_254_740_992.0;
    let Some(value) = map.remove(name) else { return Ok(None) };
    if let Some(seconds) = value.as_i64() {
        return Ok(Some(seconds));
    }
    let seconds = value.as_f64().ok_or(Refusal::Claim(name))?;
    if !(-LIMIT..=LIMIT).contains(&seconds) {
        return Err(Refusal::Claim(name));
    }
    #[expect(clippy::cast_possible_truncation, reason = "the range was checked above")]
    Ok(Some(seconds.floor() as i64))
}

fn one_or_many(value: Value) -> Result<Vec<String>, Refusal> {
    match value {
        Value::String(one) => Ok(vec![one]),
        Value::Array(many) => many
            .into_iter()
            .map(|item| match item {
                Value::String(text) => Ok(text),
                _ => Err(Refusal::Claim("aud")),
            })
            .collect(),
        _ => Err(Refusal::Claim("aud")),
    }
}

fn words(value: Value) -> Result<Vec<String>, Refusal> {
    match value {
        Value::String(text) => Ok(text.split_ascii_whitespace().map(str::to_owned).collect()),
        Value::Array(_) => one_or_many(value).map_err(|_| Refusal::Claim("scope")),
        _ => Err(Refusal::Claim("scope")),
    }
}
