//! Who asks, as everybody behind the doors knows them?

use std::fmt;
use std::sync::Arc;

use plan::{Kind, ResourceKey};

use super::rights::Access;
use super::role::{Role, Roles};

/// Before the name of a team, where users and teams stand side by side.
const TEAM: &str = "team:";

/// Somebody who was let in. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller(Arc<Known>);

/// How somebody has shown who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// A certificate of an administrator.
    Certificate,
    /// The administrator's token.
    AdministratorToken,
    /// A token for programs.
    AutomationToken,
    /// A token of the provider at which people sign in.
    SignIn,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) name: String,
    pub(super) shown: Shown,
    /// Empty: nobody, as of the administrators of the installation.
    pub(super) user: String,
    /// As owners name them, `team:sales`.
    pub(super) teams: Vec<String>,
    pub(super) roles: Roles,
    /// Empty: the operator.
    pub(super) tenant: String,
    pub(super) limits: Limits,
    /// In seconds since the Unix epoch.
    pub(super) expires_at: Option<i64>,
}

/// What a token leaves of what its roles allow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Nothing may be changed.
    pub read_only: bool,
    /// Only these; empty: all.
    pub kinds: Vec<Kind>,
    /// Only these; empty: all.
    pub objects: Vec<Pattern>,
}

/// Resources by their key, or by its beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// `Kind/name`, `Kind/name:version`, or the beginning of one, from the kind on, and `*`.
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once('/')?;
        Kind::ALL.into_iter().find(|known| known.name() == kind)?;
        let stem = rest.strip_suffix('*').unwrap_or(rest);
        let plain = |part: &str| part.is_empty() || plan::is_name(part);
        let whole = rest == "*" || !stem.is_empty() && !stem.starts_with(':');
        (whole && stem.len() <= 257 && stem.splitn(2, ':').all(plain))
            .then(|| Self(text.to_owned()))
    }

    fn admits(&self, key: &ResourceKey) -> bool {
        match self.0.strip_suffix('*') {
            Some(stem) => key.as_str().starts_with(stem),
            None => key.as_str() == self.0,
        }
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Limits {
    /// Whether there are none.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Whether they are about single kinds or resources.
    pub const fn narrow(&self) -> bool {
        !self.kinds.is_empty() || !self.objects.is_empty()
    }

    /// Whether they leave this, of any resource of the kind.
    pub fn admit_kind(&self, kind: Kind, access: Access) -> bool {
        let of_kind = |pattern: &Pattern| {
            pattern.0.split_once('/').is_some_and(|(named, _)| named == kind.name())
        };
        !(self.read_only && access == Access::Write)
            && (self.kinds.is_empty() || self.kinds.contains(&kind))
            && (self.objects.is_empty() || self.objects.iter().any(of_kind))
    }

    pub(super) fn admit(&self, key: &ResourceKey, access: Access) -> bool {
        key.kind().is_some_and(|kind| self.admit_kind(kind, access))
            && (self.objects.is_empty() || self.objects.iter().any(|one| one.admits(key)))
    }
}

impl Caller {
    /// The one whose certificate says so, `admin/laptop`.
    pub fn of_certificate(name: impl fmt::Display) -> Self {
        Self::administrator(name.to_string(), Shown::Certificate)
    }

    /// Whoever shows the administrator's token, who is known by no other name.
    pub fn of_token() -> Self {
        Self::administrator("token".to_owned(), Shown::AdministratorToken)
    }

    /// A service of ours that notes something in its own name; it came through no door.
    pub(crate) fn of_service(name: &str) -> Self {
        Self::administrator(name.to_owned(), Shown::Certificate)
    }

    fn administrator(name: String, shown: Shown) -> Self {
        Self::of(Known {
            name,
            shown,
            user: String::new(),
            teams: Vec::new(),
            roles: Roles::of([Role::Admin]),
            tenant: String::new(),
            limits: Limits::default(),
            expires_at: None,
        })
    }

    pub(super) fn of(known: Known) -> Self {
        Self(known.into())
    }

    /// How they are called in logs and in the history.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// How they have shown it.
    pub fn shown(&self) -> Shown {
        self.0.shown
    }

    /// The owner of what they make; empty: nobody.
    pub fn user(&self) -> &str {
        &self.0.user
    }

    /// The names of their teams.
    pub fn teams(&self) -> impl Iterator<Item = &str> {
        self.0.teams.iter().filter_map(|team| team.strip_prefix(TEAM))
    }

    /// What they are here for.
    pub fn roles(&self) -> Roles {
        self.0.roles
    }

    /// Their tenant; empty: the operator.
    pub fn tenant(&self) -> &str {
        &self.0.tenant
    }

    /// What their token leaves of it.
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// When what they have shown ends, in seconds since the Unix epoch.
    pub fn expires_at(&self) -> Option<i64> {
        self.0.expires_at
    }

    /// Whether they are no tenant's.
    pub fn is_of_operator(&self) -> bool {
        self.0.tenant.is_empty()
    }

    /// Whether nothing is kept from them: an administrator of the operator with nothing that limits them.
    pub fn may_everything(&self) -> bool {
        self.is_of_operator() && self.0.roles.has(Role::Admin) && self.0.limits.is_none()
    }

    /// Whether they see everything but secrets, of all tenants.
    pub fn sees_everything(&self) -> bool {
        let role = self.0.roles.has_any(&[Role::Admin, Role::Auditor]);
        self.is_of_operator() && role && !self.0.limits.narrow()
    }

    /// Whether an owner or an access list means them.
    pub(super) fn is_named(&self, name: &str) -> bool {
        !name.is_empty() && (name == self.0.user || self.0.teams.iter().any(|team| team == name))
    }

    /// Whether a text can be the name of a user, beside which teams stand.
    pub(super) fn is_user(text: &str) -> bool {
        let known = !text.is_empty() && text.len() <= 256 && text != "*";
        known && !text.starts_with(TEAM) && !text.chars().any(char::is_control)
    }

    pub(super) fn team(name: &str) -> String {
        format!("{TEAM}{name}")
    }
}

impl Shown {
    /// In words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::AdministratorToken => "administrator token",
            Self::AutomationToken => "automation token",
            Self::SignIn => "sign-in",
        }
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, key: &str, admitted: Option<bool>) {
        let key = ResourceKey::from_wire(key);
        assert_eq!(Pattern::parse(pattern).map(|pattern| pattern.admits(&key)), admitted);
    }

    #[test]
    fn a_pattern_is_a_key_or_its_beginning() {
        check("Api/orders:1", "Api/orders:1", Some(true));
        check("Api/orders:1", "Api/orders:10", Some(false));
        check("Api/orders:*", "Api/orders:10", Some(true));
        check("Api/*", "Api/orders:10", Some(true));
        check("Api/orders*", "ApiProduct/orders:1", Some(false));
        check("Application/shop", "Application/shop", Some(true));
    }

    #[test]
    fn what_could_mean_more_than_it_says_is_no_pattern() {
        for text in
            ["", "*", "Api", "Api/", "A*/x", "Api/..", "Api/a*b*", "Api/a/b", "api/a", "Api/:"]
        {
            check(text, "Api/a:1", None);
        }
    }
}
