//! What does the `security` of an interface come to?

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use http::HeaderName;
use http::header::AUTHORIZATION;
use jose::Algorithm;
use turnpike_proto::config::v1::credential_scheme::Kind as Scheme;
use turnpike_proto::config::v1::credentials_required::Rule as Required;
use turnpike_proto::config::v1::revocation_age::Beyond;
use turnpike_proto::config::v1::{ApiKeyPlaces as Places, ApiScope, RevocationAge, Security};

use super::callers::{CallersPlan, compile_callers};
use super::schemes::{SchemeSet, parse_expression};
use crate::compile::api::unknown;
use crate::compile::backend::positive;
use crate::compile::head::{check_description, has_control};
use crate::compile::key_manager::compile_algorithms;
use crate::compile::named::Named;
use crate::compile::operation::is_scope;
use crate::compile::policies::belongs_to_gateway;
use crate::problem::{At, Problems, shown};

const MAX_AUDIENCES: usize = 100;
const MAX_SCOPES: usize = 200;
const MAX_ROLES: usize = 100;
/// How old knowledge of revocations may be where that counts and nobody says otherwise.
const REVOCATION_AGE: Duration = Duration::from_secs(5);
const MOST_REVOCATION_AGE: Duration = Duration::from_hours(24);
/// Where API keys are shown unless somebody says otherwise.
const API_KEY: &str = "apikey";

/// Which credentials an interface asks for.
#[derive(Clone, Debug)]
pub struct SecurityPlan {
    /// Every kind of credential that is looked at.
    pub schemes: SchemeSet,
    /// Each of these is enough; tried in this order. Empty: anybody may call.
    pub alternatives: Vec<SchemeSet>,
    /// The field in which tokens, names and passwords are shown.
    pub header: HeaderName,
    /// Where API keys are shown.
    pub api_key: ApiKeyPlaces,
    /// Whose certificates are good; `None`: none is looked at.
    pub callers: Option<CallersPlan>,
    /// A token names one of these; empty: that is not looked at.
    pub audiences: Vec<Box<str>>,
    /// How tokens may be signed; empty: as their key manager accepts.
    pub algorithms: Vec<Algorithm>,
    /// Only tokens that are bound to a key or a certificate are taken.
    pub sender_constrained: bool,
    /// How old, in seconds, the knowledge of what the resident key manager has revoked may be; `None`:
    /// however old.
    pub revocation_age: Option<i64>,
}

/// Where API keys are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKeyPlaces {
    /// The header field.
    pub header: HeaderName,
    /// The parameter of the query; `None`: none is read.
    pub query: Option<Box<str>>,
}

/// The roles of which one gives a scope to a person, by the name of the scope, in order.
pub type ScopeRoles = Box<[(Box<str>, Vec<Box<str>>)]>;

/// What nearly every API says; one value for all of them.
static USUAL: LazyLock<Arc<SecurityPlan>> = LazyLock::new(|| {
    Arc::new(SecurityPlan {
        schemes: SchemeSet::of(Scheme::Oauth2),
        alternatives: vec![SchemeSet::of(Scheme::Oauth2)],
        header: AUTHORIZATION,
        api_key: ApiKeyPlaces { header: HeaderName::from_static(API_KEY), query: None },
        callers: None,
        audiences: Vec::new(),
        algorithms: Vec::new(),
        sender_constrained: false,
        revocation_age: None,
    })
});

impl SecurityPlan {
    /// A token of one of the key managers.
    pub fn usual() -> Arc<Self> {
        Arc::clone(&USUAL)
    }

    /// Whether anybody may call.
    pub fn is_open(&self) -> bool {
        self.alternatives.is_empty()
    }
}

/// The same as that of an API or a product (`name:version`), whose calls are counted under its name.
pub(crate) fn security_of(api: &str, mut security: Arc<SecurityPlan>) -> Arc<SecurityPlan> {
    if let Some(callers) = Arc::get_mut(&mut security).and_then(|it| it.callers.as_mut()) {
        callers.count_as(api);
    }
    security
}

pub(crate) fn compile_security(
    security: Option<&Security>,
    named: Named<'_>,
    at: &At<'_>,
    problems: &mut Problems,
) -> Arc<SecurityPlan> {
    let Some(security) = security.filter(|security| **security != Security::default()) else {
        return SecurityPlan::usual();
    };
    let alternatives = compile_alternatives(security, at, problems);
    let schemes: SchemeSet = alternatives.iter().copied().collect();
    let header = match security.header.as_str() {
        "" => AUTHORIZATION,
        name => field(name, &at.name("header"), problems).unwrap_or(AUTHORIZATION),
    };
    let api_key = compile_places(security.api_key.as_ref(), &at.name("apiKey"), problems);
    if schemes.has(Scheme::ApiKey) && api_key.header == header {
        let reason = format!("tokens are shown in `{header}`, too");
        problems.add(&at.name("apiKey").name("header"), reason, "name another field");
    }
    let callers = match (schemes.has(Scheme::MutualTls), &security.mutual_tls) {
        (true, mutual) => compile_callers(mutual.as_ref(), named, &at.name("mutualTls"), problems),
        (false, None) => None,
        (false, Some(_)) => {
            let suggestion = "add `mutual_tls` to `schemes`, or leave it out";
            problems.add(&at.name("mutualTls"), "certificates are not asked for", suggestion);
            None
        }
    };
    check_audiences(&security.audiences, &at.name("audiences"), problems);
    let algorithms = match security.algorithms.as_slice() {
        [] => Vec::new(),
        names => compile_algorithms(names, &at.name("algorithms"), problems),
    };
    if security.sender_constrained && !schemes.has(Scheme::Oauth2) {
        problems.add(&at.name("senderConstrained"), "tokens are not asked for", "leave it out");
    }
    let age = security.revocations.as_ref();
    let revocation_age =
        age.and_then(|age| compile_revocation_age(age, schemes, &at.name("revocations"), problems));
    Arc::new(SecurityPlan {
        schemes,
        alternatives,
        header,
        api_key,
        callers,
        audiences: security.audiences.iter().map(|one| one.as_str().into()).collect(),
        algorithms,
        sender_constrained: security.sender_constrained,
        revocation_age,
    })
}

fn compile_revocation_age(
    age: &RevocationAge,
    schemes: SchemeSet,
    at: &At<'_>,
    problems: &mut Problems,
) -> Option<i64> {
    if !schemes.has(Scheme::Oauth2) && !schemes.has(Scheme::Basic) {
        problems.add(at, "nothing is asked for that the key manager revokes", "leave it out");
    }
    match Beyond::try_from(age.beyond) {
        Ok(Beyond::Refuse) => {}
        Ok(Beyond::Accept) => {
            if age.max_age.is_some() {
                let suggestion = "add `beyond: refuse`, or leave it out";
                problems.add(&at.name("maxAge"), "nothing happens beyond it", suggestion);
            }
            return None;
        }
        Err(_) => problems.add(&at.name("beyond"), unknown(age.beyond), ""),
    }
    let given = age.max_age.as_ref().map(|given| positive(given, MOST_REVOCATION_AGE));
    let given = given.unwrap_or(Some(REVOCATION_AGE)).filter(|given| given.as_secs() > 0);
    if given.is_none() {
        problems.add(&at.name("maxAge"), "it is from 1s to 24h", "leave it out for 5s");
    }
    given.map(|given| i64::try_from(given.as_secs()).unwrap_or(i64::MAX))
}

fn compile_alternatives(
    security: &Security,
    at: &At<'_>,
    problems: &mut Problems,
) -> Vec<SchemeSet> {
    let here = at.name("schemes");
    let mut schemes = Vec::with_capacity(security.schemes.len());
    for (index, number) in security.schemes.iter().enumerate() {
        match Scheme::try_from(*number) {
            Ok(scheme) if schemes.contains(&scheme) => {
                problems.add(&here.index(index), "the scheme stands twice", "keep one of them");
            }
            Ok(scheme) => schemes.push(scheme),
            Err(_) => problems.add(&here.index(index), unknown(*number), ""),
        }
    }
    let open = schemes.contains(&Scheme::None);
    if schemes.len() > 1 && open {
        problems.add(&here, "`none` stands alone", "leave out `none`, or everything else");
    }
    let required = Required::try_from(security.required).unwrap_or_else(|_| {
        problems.add(&at.name("required"), unknown(security.required), "");
        Required::All
    });
    let each = schemes.iter().map(|scheme| SchemeSet::of(*scheme));
    match required {
        Required::Expression => {
            let here = at.name("expression");
            let sets = parse_expression(&security.expression).unwrap_or_else(|reason| {
                let suggestion = "write for example `mutual_tls and (oauth2 or api_key)`";
                problems.add(&here, reason, suggestion);
                Vec::new()
            });
            let named: SchemeSet = sets.iter().copied().collect();
            if !schemes.is_empty() && each.collect::<SchemeSet>() != named {
                let suggestion = "leave `schemes` out, or name the same ones";
                problems.add(&here, "it does not name the same schemes as `schemes`", suggestion);
            }
            sets
        }
        _ if !security.expression.is_empty() => {
            let suggestion = "write `required: expression`, or leave it out";
            problems.add(&at.name("expression"), "`required` does not ask for it", suggestion);
            Vec::new()
        }
        _ if open => Vec::new(),
        _ if schemes.is_empty() => vec![SchemeSet::of(Scheme::Oauth2)],
        Required::Any => each.collect(),
        Required::All => vec![each.collect()],
    }
}

fn compile_places(places: Option<&Places>, at: &At<'_>, problems: &mut Problems) -> ApiKeyPlaces {
    let places = places.cloned().unwrap_or_default();
    let usual = HeaderName::from_static(API_KEY);
    let header = match places.header.as_str() {
        "" => usual,
        name => field(name, &at.name("header"), problems).unwrap_or(usual),
    };
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let query = places.query.as_str();
    if query.len() > 256 || !query.bytes().all(is_plain) {
        let reason = format!("`{}` is no parameter for a key", shown(query));
        problems.add(&at.name("query"), reason, "use letters, digits, `-`, `_`, `.` and `~`");
    }
    ApiKeyPlaces { header, query: (!query.is_empty()).then(|| query.into()) }
}

/// A header field for a credential.
fn field(name: &str, at: &At<'_>, problems: &mut Problems) -> Option<HeaderName> {
    let found = HeaderName::from_bytes(name.as_bytes()).ok();
    let found = found.filter(|name| !belongs_to_gateway(name.as_str()));
    if found.is_none() {
        let reason = format!("`{}` is no header field for a credential", shown(name));
        problems.add(at, reason, "write for example `X-API-Key`");
    }
    found
}

fn check_audiences(audiences: &[String], at: &At<'_>, problems: &mut Problems) {
    if audiences.len() > MAX_AUDIENCES {
        problems.add(at, format!("there are {}, at most {MAX_AUDIENCES}", audiences.len()), "");
    }
    for (index, audience) in audiences.iter().enumerate() {
        if audience.is_empty() || audience.len() > 2_048 || has_control(audience) {
            problems.add(&at.index(index), "an audience has 1 to 2048 bytes", "");
        }
    }
}

/// Which roles give which scope.
pub(crate) fn compile_scopes(
    scopes: &[ApiScope],
    at: &At<'_>,
    problems: &mut Problems,
) -> ScopeRoles {
    if scopes.len() > MAX_SCOPES {
        problems.add(at, format!("there are {}, at most {MAX_SCOPES}", scopes.len()), "");
        return ScopeRoles::default();
    }
    let mut seen = BTreeSet::new();
    for (index, scope) in scopes.iter().enumerate() {
        let here = at.index(index);
        if !is_scope(&scope.name) {
            let reason = format!("`{}` is no scope (RFC 6749 section 3.3)", shown(&scope.name));
            problems.add(&here.name("name"), reason, "");
        } else if !seen.insert(&scope.name) {
            problems.add(&here.name("name"), "the scope stands twice", "keep one of them");
        }
        check_description(&scope.description, &here.name("description"), problems);
        let roles = here.name("roles");
        if scope.roles.len() > MAX_ROLES {
            problems.add(
                &roles,
                format!("there are {}, at most {MAX_ROLES}", scope.roles.len()),
                "",
            );
        }
        for (index, role) in scope.roles.iter().enumerate() {
            if role.is_empty() || role.len() > 256 || has_control(role) {
                problems.add(&roles.index(index), "a role has 1 to 256 bytes", "");
            }
        }
    }
    let roles = |scope: &ApiScope| scope.roles.iter().map(|role| role.as_str().into()).collect();
    scopes.iter().map(|scope| (scope.name.as_str().into(), roles(scope))).collect()
}
