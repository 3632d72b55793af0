//! What may an expression name?

use http::HeaderName;

use super::kind::Kind;
use crate::problem::{did_you_mean, nearest, shown};

/// The longest name of a parameter or a claim, in bytes.
const MAX_NAME_BYTES: usize = 256;

/// Something of a call that an expression names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The method.
    Method,
    /// The path that was called, without its query.
    Path,
    /// The Host that was called, without its port.
    Host,
    /// `HTTP/1.1` or `HTTP/2`.
    Protocol,
    /// The bytes of the body, where that is known before it comes.
    Size,
    /// When the call came.
    Time,
    /// The fields of this name; several are one, with commas between them.
    Header(HeaderName),
    /// The parameter of the query.
    Query(Box<str>),
    /// The parameter of the operation's path template.
    Parameter(Box<str>),
    /// What the token says: the name of a claim, and the names of members of objects inside.
    Claim(Box<[Box<str>]>),
    /// `person`, `application`, `certificate`, `tester` or `anybody`.
    CallerKind,
    /// The subject of the token, or of the person who shows a password.
    User,
    /// The roles of the person who shows a password.
    Roles,
    /// What the credentials allow by themselves.
    Scopes,
    /// The kinds of credential that were shown, as `security.schemes` calls them; `test_key` besides.
    Credentials,
    /// The consumer key, or the identifier of the API key.
    ClientId,
    /// The application that calls.
    ApplicationName,
    /// Who answers for it.
    ApplicationOwner,
    /// Its tier.
    ApplicationTier,
    /// The tier of the subscription.
    SubscriptionTier,
    /// The API or product that is called.
    ApiName,
    /// Its version.
    ApiVersion,
    /// Its context.
    ApiContext,
    /// The method of the operation, `*` for every.
    OperationMethod,
    /// Its path template.
    OperationPath,
    /// Its operationId.
    OperationId,
    /// The address of the client.
    ClientAddress,
}

/// Each by its name; those with members of any name are not among them.
const PLAIN: [(&str, Wanted, Kind); 23] = [
    ("request.method", Wanted::Method, Kind::Text),
    ("request.path", Wanted::Path, Kind::Text),
    ("request.host", Wanted::Host, Kind::Text),
    ("request.protocol", Wanted::Protocol, Kind::Text),
    ("request.size", Wanted::Size, Kind::Number),
    ("request.time", Wanted::Time, Kind::Time),
    ("caller.kind", Wanted::CallerKind, Kind::Text),
    ("caller.user", Wanted::User, Kind::Text),
    ("caller.roles", Wanted::Roles, Kind::List),
    ("caller.scopes", Wanted::Scopes, Kind::List),
    ("caller.credentials", Wanted::Credentials, Kind::List),
    ("caller.clientId", Wanted::ClientId, Kind::Text),
    ("application.name", Wanted::ApplicationName, Kind::Text),
    ("application.owner", Wanted::ApplicationOwner, Kind::Text),
    ("application.tier", Wanted::ApplicationTier, Kind::Text),
    ("subscription.tier", Wanted::SubscriptionTier, Kind::Text),
    ("api.name", Wanted::ApiName, Kind::Text),
    ("api.version", Wanted::ApiVersion, Kind::Text),
    ("api.context", Wanted::ApiContext, Kind::Text),
    ("operation.method", Wanted::OperationMethod, Kind::Text),
    ("operation.path", Wanted::OperationPath, Kind::Text),
    ("operation.id", Wanted::OperationId, Kind::Text),
    ("client.address", Wanted::ClientAddress, Kind::Text),
];
/// Those whose members have any name.
const OPEN: [&str; 4] = ["request.headers", "request.query", "request.params", "claims"];
/// The names that everything else is a member of.
const ROOTS: [&str; 8] =
    ["request", "claims", "caller", "application", "subscription", "api", "operation", "client"];

/// A reason and a suggestion.
pub(super) type Wrong = (String, String);

impl Wanted {
    /// Whether `name` begins a name of something of a call.
    pub(super) fn is_root(name: &str) -> bool {
        ROOTS.contains(&name)
    }

    /// The root that is meant by `name`, if one is near.
    pub(super) fn near_root(name: &str) -> String {
        did_you_mean(nearest(name, ROOTS))
    }

    /// What `steps`, of which the first is a root, name.
    pub(super) fn find(steps: &[&str]) -> Result<(Self, Kind), Wrong> {
        let spelled = steps.join(".");
        match steps {
            ["claims", first, rest @ ..] => {
                let path = std::iter::once(first).chain(rest).map(|name| checked(name));
                let path: Result<Box<[Box<str>]>, Wrong> = path.collect();
                return Ok((Self::Claim(path?), Kind::Any));
            }
            ["request", "headers", name] => return header(name),
            ["request", "query", name] => {
                return Ok((Self::Query(checked(name)?), Kind::Text));
            }
            ["request", "params", name] => {
                return Ok((Self::Parameter(checked(name)?), Kind::Text));
            }
            _ => {}
        }
        if OPEN.contains(&spelled.as_str()) {
            let reason = format!("`{spelled}` stands for nothing without a name");
            return Err((reason, format!("write for example `{spelled}[\"name\"]`")));
        }
        if let Some((_, wanted, kind)) = PLAIN.into_iter().find(|(name, ..)| *name == spelled) {
            return Ok((wanted, kind));
        }
        let whole = |name: &&str| spelled.starts_with(&format!("{name}."));
        if let Some(whole) = PLAIN.iter().map(|(name, ..)| *name).chain(OPEN).find(whole) {
            return Err((
                format!("`{whole}` has no member `{}`", after(&spelled, whole)),
                String::new(),
            ));
        }
        let known = PLAIN.iter().map(|(name, ..)| *name).chain(OPEN);
        let reason = format!("there is no variable `{}`", shown(&spelled));
        Err((reason, did_you_mean(nearest(&spelled, known))))
    }

    /// Whether it is something that a token says.
    pub(crate) const fn is_claim(&self) -> bool {
        matches!(self, Self::Claim(_))
    }

    /// Whether every call has it.
    pub(super) const fn is_always_there(&self) -> bool {
        matches!(
            self,
            Self::Method
                | Self::Path
                | Self::Host
                | Self::Protocol
                | Self::Time
                | Self::CallerKind
                | Self::Scopes
                | Self::Credentials
                | Self::ApiName
                | Self::ApiVersion
                | Self::ApiContext
                | Self::OperationMethod
                | Self::OperationPath
                | Self::ClientAddress
        )
    }
}

fn after<'s>(spelled: &'s str, whole: &str) -> String {
    shown(spelled.strip_prefix(whole).and_then(|rest: &'s str| rest.get(1..)).unwrap_or_default())
}

fn checked(name: &str) -> Result<Box<str>, Wrong> {
    if name.is_empty() || name.len() > MAX_NAME_BYTES {
        return Err((format!("a name has 1 to {MAX_NAME_BYTES} bytes"), String::new()));
    }
    Ok(name.into())
}

fn header(name: &str) -> Result<(Wanted, Kind), Wrong> {
    match HeaderName::from_bytes(name.as_bytes()) {
        Ok(name) if matches!(name.as_str(), "authorization" | "cookie" | "proxy-authorization") => {
            let reason = format!("`{name}` carries credentials of the client");
            Err((reason, "name what they say: `claims`, `caller`".to_owned()))
        }
        Ok(name) => Ok((Wanted::Header(name), Kind::Text)),
        Err(_) => {
            let reason = format!("`{}` is no name of a header field", shown(name));
            Err((reason, "write for example `request.headers[\"x-tenant\"]`".to_owned()))
        }
    }
}
