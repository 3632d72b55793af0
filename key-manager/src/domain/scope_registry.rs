//! What is known of scopes beside their names, and who may have them? (KM-105)
//!
//! A scope that is not registered here is only a name: whoever is registered for it may have it.

use std::collections::BTreeMap;

use super::roles::Roles;
use super::scope::{ScopeError, Scopes};

/// What holds for one scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopeRule {
    /// For people who are asked for consent; empty: the name says it.
    pub description: String,
    /// Of these a person has one at least to get it; empty: everybody may.
    pub roles: Roles,
    /// Whether clients get it that act for themselves.
    pub clients: bool,
}

/// The scopes that are registered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScopeRegistry {
    rules: BTreeMap<String, ScopeRule>,
    usual: Scopes,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    #[error("there are more than {} scopes", ScopeRegistry::MOST)]
    TooMany,
    #[error("`{0}` comes twice")]
    Twice(String),
    #[error("`{0}`: a description has at most {longest} bytes", longest = ScopeRegistry::LONGEST)]
    Description(String),
}

/// Why a request gets no scopes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScopeRefusal {
    /// They are not well-formed.
    Malformed(ScopeError),
    /// The client may not have one of them.
    Forbidden,
}

impl ScopeRegistry {
    /// The most scopes that can be registered.
    pub const MOST: usize = 1000;
    /// The longest description, in bytes.
    pub const LONGEST: usize = 256;

    /// `usual` is what a request gets that names no scope, as far as its client may have it; empty: all
    /// that its client may have.
    pub fn new(rules: Vec<(String, ScopeRule)>, usual: Scopes) -> Result<Self, RegistryError> {
        if rules.len() > Self::MOST {
            return Err(RegistryError::TooMany);
        }
        let mut known = BTreeMap::new();
        for (name, rule) in rules {
            if rule.description.len() > Self::LONGEST {
                return Err(RegistryError::Description(name));
            }
            if known.insert(name.clone(), rule).is_some() {
                return Err(RegistryError::Twice(name));
            }
        }
        Ok(Self { rules: known, usual })
    }

    /// What a client gets that asks for `asked` of `all` that it may have (RFC 6749 section 3.3).
    pub fn asked(&self, all: &Scopes, asked: Option<&str>) -> Result<Scopes, ScopeRefusal> {
        let asked = Scopes::parse(asked.unwrap_or_default()).map_err(ScopeRefusal::Malformed)?;
        if asked.is_empty() && self.usual.is_empty() {
            return Ok(all.clone());
        }
        if asked.is_empty() {
            return Ok(all.only(|scope| self.usual.contains(scope)));
        }
        if asked.is_subset(all) { Ok(asked) } else { Err(ScopeRefusal::Forbidden) }
    }

    /// Those that a person with these roles may have.
    pub fn of_person(&self, scopes: &Scopes, roles: &Roles) -> Scopes {
        scopes.only(|scope| {
            self.rules.get(scope).is_none_or(|rule| rule.roles.is_empty() || rule.roles.meet(roles))
        })
    }

    /// Those that a client may have that acts for itself.
    pub fn of_client(&self, scopes: &Scopes) -> Scopes {
        scopes.only(|scope| self.rules.get(scope).is_none_or(|rule| rule.clients))
    }

    /// What people read of a scope; `None`: nothing but its name.
    pub fn description(&self, scope: &str) -> Option<&str> {
        let rule = self.rules.get(scope).filter(|rule| !rule.description.is_empty());
        rule.map(|rule| rule.description.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scopes(text: &str) -> Scopes {
        Scopes::parse(text).expect("scopes")
    }

    fn roles(text: &str) -> Roles {
        Roles::collect(text.split_ascii_whitespace()).expect("roles")
    }

    fn rule(wanted: &str, clients: bool) -> ScopeRule {
        ScopeRule { description: String::new(), roles: roles(wanted), clients }
    }

    fn registry(usual: &str) -> ScopeRegistry {
        let rules = [
            ("open", rule("", true)),
            ("write", rule("editor admin", true)),
            ("people", rule("", false)),
        ];
        let rules = rules.map(|(name, rule)| (name.to_owned(), rule)).to_vec();
        ScopeRegistry::new(rules, scopes(usual)).expect("a registry")
    }

    const ALL: &str = "open people unknown write";

    /// What somebody with roles gets, and what a client gets for itself.
    #[track_caller]
    fn check(who: Option<&str>, given: &str) {
        let found = match who {
            Some(has) => registry("").of_person(&scopes(ALL), &roles(has)),
            None => registry("").of_client(&scopes(ALL)),
        };
        assert_eq!(found.to_string(), given, "{who:?}");
    }

    #[test]
    fn one_of_the_roles_is_enough_and_none_is_not() {
        check(Some(""), "open people unknown");
        check(Some("reader Admin"), "open people unknown");
        check(Some("admin"), ALL);
        check(Some("editor reader"), ALL);
    }

    #[test]
    fn a_client_gets_what_is_not_for_people_only() {
        check(None, "open unknown write");
    }

    #[test]
    fn who_names_none_gets_the_usual_ones_or_all() {
        let asked = |usual, asked| registry(usual).asked(&scopes("a b"), asked);
        assert_eq!(asked("", None), Ok(scopes("a b")));
        assert_eq!(asked("", Some(" ")), Ok(scopes("a b")));
        assert_eq!(asked("b c", None), Ok(scopes("b")));
        assert_eq!(asked("c", None), Ok(scopes("")), "never what the client may not have");
        assert_eq!(asked("b", Some("a")), Ok(scopes("a")));
        assert_eq!(asked("c", Some("c")), Err(ScopeRefusal::Forbidden));
        let malformed = ScopeRefusal::Malformed(ScopeError::Character);
        assert_eq!(asked("", Some("a\"")), Err(malformed));
    }

    #[test]
    fn a_registry_says_each_thing_once_and_is_bounded() {
        let made = |rules| ScopeRegistry::new(rules, Scopes::default());
        let twice = vec![("a".to_owned(), rule("", true)), ("a".to_owned(), rule("b", true))];
        assert_eq!(made(twice), Err(RegistryError::Twice("a".to_owned())));
        let many = (0..=ScopeRegistry::MOST).map(|n| (n.to_string(), rule("", true))).collect();
        assert_eq!(made(many), Err(RegistryError::TooMany));
        let told = ScopeRule { description: "x".repeat(300), ..rule("", true) };
        let told = made(vec![("a".to_owned(), told)]);
        assert_eq!(told, Err(RegistryError::Description("a".to_owned())));
    }
}
