//! What is a resource called?
//!
//! `Kind/name`, or `Kind/name:version` where the kind has versions. The text is the key in the
//! store, on the wire and in every table.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::problem::{did_you_mean, nearest, shown};

/// The kinds of resource, in the order in which they build on each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A service level.
    Tier,
    /// A secret value.
    Secret,
    /// A set of gateways.
    GatewayGroup,
    /// An issuer of access tokens.
    KeyManager,
    /// Rules that APIs name.
    Policy,
    /// Policies of XACML 3.0.
    XacmlPolicySet,
    /// An interface.
    Api,
    /// A bundle of operations of several interfaces.
    ApiProduct,
    /// A consumer's app.
    Application,
    /// An application's right to call an API.
    Subscription,
    /// A certificate.
    Certificate,
    /// Calls that are refused.
    DenyPolicy,
    /// Limits by what an expression makes of a call.
    CustomThrottle,
    /// Who is asked before something is done.
    Workflow,
    /// What waits for an answer.
    WorkflowRequest,
    /// What is an alert.
    AlertRule,
    /// Where alerts are sent.
    NotificationChannel,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 17] = [
        Self::Tier,
        Self::Secret,
        Self::GatewayGroup,
        Self::KeyManager,
        Self::Policy,
        Self::XacmlPolicySet,
        Self::Api,
        Self::ApiProduct,
        Self::Application,
        Self::Subscription,
        Self::Certificate,
        Self::DenyPolicy,
        Self::CustomThrottle,
        Self::Workflow,
        Self::WorkflowRequest,
        Self::AlertRule,
        Self::NotificationChannel,
    ];

    /// Its name, as `kind` says it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tier => "Tier",
            Self::Secret => "Secret",
            Self::GatewayGroup => "GatewayGroup",
            Self::KeyManager => "KeyManager",
            Self::Policy => "Policy",
            Self::XacmlPolicySet => "XacmlPolicySet",
            Self::Api => "Api",
            Self::ApiProduct => "ApiProduct",
            Self::Application => "Application",
            Self::Subscription => "Subscription",
            Self::Certificate => "Certificate",
            Self::DenyPolicy => "DenyPolicy",
            Self::CustomThrottle => "CustomThrottle",
            Self::Workflow => "Workflow",
            Self::WorkflowRequest => "WorkflowRequest",
            Self::AlertRule => "AlertRule",
            Self::NotificationChannel => "NotificationChannel",
        }
    }

    /// Whether files hold resources of this kind; others are written by the control plane alone.
    pub const fn is_of_files(self) -> bool {
        !matches!(self, Self::WorkflowRequest)
    }

    /// Whether resources of this kind have versions.
    pub const fn has_versions(self) -> bool {
        matches!(self, Self::Api | Self::ApiProduct)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Kind {
    type Err = UnknownKey;

    /// Without regard to case, and also in the plural, for command lines.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let singular = |kind: &Self| {
            text.eq_ignore_ascii_case(kind.name())
                || text.strip_suffix('s').is_some_and(|one| one.eq_ignore_ascii_case(kind.name()))
                || text.strip_suffix("ies").is_some_and(|stem| is_with_y(stem, kind.name()))
        };
        Self::ALL.into_iter().find(singular).ok_or_else(|| UnknownKey::Kind {
            given: shown(text),
            suggestion: did_you_mean(nearest(text, Self::ALL.map(Self::name))),
        })
    }
}

/// Whether a name is this stem and `y`: `policies` is the plural of `policy`.
fn is_with_y(stem: &str, name: &str) -> bool {
    name.strip_suffix('y').is_some_and(|own| own.eq_ignore_ascii_case(stem))
}

/// Why a text is no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnknownKey {
    /// There is no such kind.
    #[error("there is no kind `{given}` {suggestion}")]
    Kind {
        /// As it was given.
        given: String,
        /// The nearest kind, or empty.
        suggestion: String,
    },
    /// Not `Kind/name` or `Kind/name:version`.
    #[error("`{0}` is no key: `Kind/name` is expected, for an Api `Api/name:version`")]
    Shape(String),
}

/// The key of a resource: `Kind/name` or `Kind/name:version`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ResourceKey {
    kind: Option<Kind>,
    text: Arc<str>,
}

impl ResourceKey {
    /// The key of a resource by its parts.
    pub fn new(kind: Kind, name: &str, version: Option<&str>) -> Self {
        let text = match version {
            Some(version) => format!("{kind}/{name}:{version}"),
            None => format!("{kind}/{name}"),
        };
        Self { kind: Some(kind), text: text.into() }
    }

    /// The key of a resource by its kind and `name` or `name:version`.
    pub fn of_id(kind: Kind, id: &str) -> Self {
        Self { kind: Some(kind), text: format!("{kind}/{id}").into() }
    }

    /// A key as another service wrote it. Also one that this version does not understand, so that
    /// what is held stays what was sent.
    pub fn from_wire(text: &str) -> Self {
        let kind = text
            .split_once('/')
            .and_then(|(kind, _)| Kind::ALL.into_iter().find(|known| known.name() == kind));
        Self { kind, text: text.into() }
    }

    /// Its kind; `None` for a kind that this version does not know.
    pub fn kind(&self) -> Option<Kind> {
        self.kind
    }

    /// The whole key.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What follows the kind: `name` or `name:version`.
    pub fn id(&self) -> &str {
        self.text.split_once('/').map_or("", |(_, id)| id)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        let id = self.id();
        id.split_once(':').map_or(id, |(name, _)| name)
    }

    /// Its version, where it has one.
    pub fn version(&self) -> Option<&str> {
        self.id().split_once(':').map(|(_, version)| version)
    }
}

impl Ord for ResourceKey {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.kind.cmp(&other.kind).then_with(|| self.text.cmp(&other.text))
    }
}

impl PartialOrd for ResourceKey {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for ResourceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for ResourceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for ResourceKey {
    type Err = UnknownKey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let shape = || UnknownKey::Shape(shown(text));
        let (kind, id) = text.split_once('/').ok_or_else(shape)?;
        let kind: Kind = kind.parse()?;
        let (name, version) = match id.split_once(':') {
            Some((name, version)) => (name, Some(version)),
            None => (id, None),
        };
        let well_formed = is_name(name)
            && version.is_some() == kind.has_versions()
            && version.is_none_or(is_name);
        well_formed.then(|| Self::new(kind, name, version)).ok_or_else(shape)
    }
}

/// Whether a text may be a name or a version: 1 to 128 characters, letters, digits, `.`, `_`,
/// `-`, the first a letter or a digit.
pub fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    text.len() <= 128
        && bytes.next().is_some_and(|first| first.is_ascii_alphanumeric())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}
