//! What do backends learn about callers, in which words?
//!
//! Everything that can be said before a call comes is decided here: the field, the algorithm, the
//! parts of further claims.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use http::header::AUTHORIZATION;
use jose::Algorithm;
use turnpike_proto::config::v1::backend_jwt::{Dialect, Encoding};
use turnpike_proto::config::v1::endpoint_security::Scheme;
use turnpike_proto::config::v1::{ApiSpec, BackendJwt, Endpoint};

use super::api::unknown;
use super::policies::belongs_to_gateway;
use super::range::span;
use super::template::{MAX_CLAIM_BYTES, Part, Variable, parts};
use crate::problem::{At, Problems, shown};

/// The field, unless the API says otherwise.
const USUAL_FIELD: HeaderName = HeaderName::from_static("x-jwt-assertion");
const SHORTEST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_mins(1);
const MAX_AUDIENCE_BYTES: usize = 512;
/// The most further claims.
const MAX_CLAIMS: usize = 64;
/// The longest text of a claim, in bytes.
const MAX_VALUE_BYTES: usize = 4096;
/// What every dialect says in the words of RFC 7519.
const REGISTERED: [&str; 7] = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti"];
/// What our own dialect says besides.
const OWN: [&str; 8] =
    ["client_id", "scope", "app", "api", "version", "operation", "key_type", "tier"];
/// Where the names of the WSO2 dialect begin.
const WSO2: &str = "http://wso2.org/claims/";

/// What backends of an API are told about who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackendJwtPlan {
    /// Whether they are told at all; if not, the field is only kept from clients.
    pub enabled: bool,
    /// The field.
    pub header: HeaderName,
    /// For whom it is; `None`: for the origin of the endpoint.
    pub audience: Option<Arc<str>>,
    /// How long it is good.
    pub lifetime: Duration,
    /// What it is signed with.
    pub algorithm: Algorithm,
    /// Further claims.
    pub claims: Vec<ClaimPlan>,
    /// The names of the claims.
    pub dialect: Dialect,
    /// How its parts are written.
    pub encoding: Encoding,
}

/// A claim of an API's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimPlan {
    /// Its name.
    pub name: Box<str>,
    /// What it says; never empty.
    pub value: Vec<Part>,
}

/// The plan. `None`: the resource says nothing, or something is wrong, which is told.
pub(crate) fn compile_backend_jwt(
    written: Option<&BackendJwt>,
    at: &At<'_>,
    problems: &mut Problems,
) -> Option<BackendJwtPlan> {
    let written = written?;
    let header = field(&written.header, &at.name("header"), problems);
    if written.audience.len() > MAX_AUDIENCE_BYTES {
        let reason =
            format!("it has {} bytes, at most {MAX_AUDIENCE_BYTES}", written.audience.len());
        problems.add(&at.name("audience"), reason, "");
    }
    let (here, range) = (at.name("lifetime"), SHORTEST..=LONGEST);
    let lifetime = span(written.lifetime.as_ref(), LONGEST, &range, &here, problems);
    let algorithm = algorithm(&written.algorithm, &at.name("algorithm"), problems);
    let dialect = Dialect::try_from(written.dialect).unwrap_or_else(|_| {
        problems.add(&at.name("dialect"), unknown(written.dialect), "");
        Dialect::Turnpike
    });
    let encoding = Encoding::try_from(written.encoding).unwrap_or_else(|_| {
        problems.add(&at.name("encoding"), unknown(written.encoding), "");
        Encoding::Base64url
    });
    if encoding == Encoding::Base64 && dialect != Dialect::Wso2 {
        let reason = "a JWT in `base64` is read by no library, only by backends of WSO2";
        problems.add(&at.name("encoding"), reason, "leave it out, or write `dialect: wso2`");
    }
    let claims = claims(written, dialect, &at.name("claims"), problems);
    Some(BackendJwtPlan {
        enabled: written.enabled.unwrap_or(true),
        header: header?,
        audience: Some(written.audience.as_str()).filter(|text| !text.is_empty()).map(Arc::from),
        lifetime,
        algorithm: algorithm?,
        claims,
        dialect,
        encoding,
    })
}

/// Whether an endpoint shows its own credential in the same field: only one of the two would arrive.
pub(crate) fn check_field(
    plan: &BackendJwtPlan,
    spec: &ApiSpec,
    at: &At<'_>,
    problems: &mut Problems,
) {
    let shown = endpoints(spec).filter_map(|endpoint| endpoint.security.as_ref()?.scheme.as_ref());
    if plan.enabled && shown.into_iter().any(|scheme| writes(scheme, &plan.header)) {
        let reason = format!("an endpoint has its own credential in `{}`", plan.header);
        problems.add(&at.name("header"), reason, "name another field");
    }
}

/// Every endpoint of an API, as it is written: what its credential holds is not at hand everywhere.
fn endpoints(spec: &ApiSpec) -> impl Iterator<Item = &Endpoint> {
    let own = spec.endpoints.iter().flat_map(|ends| [&ends.production, &ends.sandbox]);
    let variants = spec.variants.iter().flat_map(|variants| &variants.choices);
    let variants = variants.flat_map(|variant| [&variant.production, &variant.sandbox]);
    let operations = spec.operations.iter().filter_map(|operation| operation.mirror.as_ref());
    let mirrors = spec.mirror.iter().chain(operations).map(|mirror| &mirror.endpoint);
    own.chain(variants).chain(mirrors).flatten()
}

fn writes(scheme: &Scheme, field: &HeaderName) -> bool {
    match scheme {
        Scheme::ApiKey(key) => key.header.eq_ignore_ascii_case(field.as_str()),
        Scheme::Basic(_) | Scheme::Oauth2(_) => field == AUTHORIZATION,
        Scheme::Aws(_) => field == AUTHORIZATION || field.as_str().starts_with("x-amz-"),
    }
}

fn field(text: &str, at: &At<'_>, problems: &mut Problems) -> Option<HeaderName> {
    if text.is_empty() {
        return Some(USUAL_FIELD);
    }
    match HeaderName::from_bytes(text.as_bytes()) {
        Ok(name) if belongs_to_gateway(name.as_str()) || is_written_anyway(name.as_str()) => {
            let reason = format!("`{}` is written by the gateway already", shown(text));
            problems.add(at, reason, "leave it out, or name a field of your own");
            None
        }
        Ok(name) => Some(name),
        Err(_) => {
            let reason = format!("`{}` is no name of a header field", shown(text));
            problems.add(at, reason, "use letters, digits and `-`");
            None
        }
    }
}

/// Fields that say something else to every backend.
fn is_written_anyway(name: &str) -> bool {
    name.starts_with("x-forwarded-")
        || name.starts_with("sec-websocket-")
        || name.starts_with("content-")
        || name.starts_with("client-cert")
        || matches!(
            name,
            "accept"
                | "accept-encoding"
                | "cookie"
                | "forwarded"
                | "grpc-timeout"
                | "surrogate-capability"
                | "traceparent"
                | "tracestate"
                | "x-real-ip"
                | "x-request-id"
                | "x-turnpike-mirrored"
                | "x-wso2-client-certificate"
        )
}

fn algorithm(text: &str, at: &At<'_>, problems: &mut Problems) -> Option<Algorithm> {
    use Algorithm::{ES256, ES384, EdDSA, RS256};
    if text.is_empty() {
        return Some(ES256);
    }
    let found = [ES256, ES384, EdDSA, RS256].into_iter().find(|one| one.name() == text);
    if found.is_none() {
        let reason = format!("`{}` is nothing that is signed with here", shown(text));
        problems.add(at, reason, "write ES256, ES384, EdDSA or RS256");
    }
    found
}

fn claims(
    written: &BackendJwt,
    dialect: Dialect,
    at: &At<'_>,
    problems: &mut Problems,
) -> Vec<ClaimPlan> {
    if written.claims.len() > MAX_CLAIMS {
        let reason = format!("there are {}, at most {MAX_CLAIMS}", written.claims.len());
        problems.add(at, reason, "");
        return Vec::new();
    }
    let each = |(name, text): (&String, &String)| {
        let here = at.name(name);
        if name.is_empty() || name.len() > MAX_CLAIM_BYTES {
            let reason = format!("the name of a claim has 1 to {MAX_CLAIM_BYTES} bytes");
            problems.add(&here, reason, "");
            return None;
        }
        if is_own(name, dialect) {
            let reason = "the gateway says this claim itself";
            problems.add(&here, reason, "choose another name");
            return None;
        }
        let value = claim(text, &here, problems)?;
        Some(ClaimPlan { name: name.as_str().into(), value })
    };
    written.claims.iter().filter_map(each).collect()
}

fn is_own(name: &str, dialect: Dialect) -> bool {
    REGISTERED.contains(&name)
        || match dialect {
            Dialect::Turnpike => OWN.contains(&name),
            Dialect::Wso2 => name.starts_with(WSO2),
        }
}

fn claim(text: &str, at: &At<'_>, problems: &mut Problems) -> Option<Vec<Part>> {
    if text.len() > MAX_VALUE_BYTES {
        let reason = format!("it has {} bytes, at most {MAX_VALUE_BYTES}", text.len());
        problems.add(at, reason, "");
        return None;
    }
    let value = parts(text, at, problems)?;
    if value.is_empty() {
        problems.add(at, "a value is missing", "leave the claim out");
        return None;
    }
    let changes =
        |part: &Part| matches!(part, Part::Variable(Variable::RequestId | Variable::RequestPath));
    if value.iter().any(changes) {
        let reason = "it would be another one in every call, and each would have to be signed";
        problems.add(at, reason, "backends find the call's name in `X-Request-Id`");
        return None;
    }
    Some(value)
}

#[cfg(test)]
#[path = "backend_jwt_tests.rs"]
mod tests;
