//! Which scopes are registered, and who may have them?

use serde::Deserialize;

use super::value;
use crate::domain::{RegistryError, RoleError, Roles, ScopeRegistry, ScopeRule, Scopes};

/// `[scopes]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "RawScopes")]
pub struct ScopesConfig(pub ScopeRegistry);

/// As written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawScopes {
    registry: Vec<RawScope>,
    #[serde(deserialize_with = "value::scopes")]
    default: Scopes,
}

/// `[[scopes.registry]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawScope {
    name: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default = "yes")]
    clients: bool,
}

const fn yes() -> bool {
    true
}

#[derive(Clone, Debug, thiserror::Error)]
enum ScopesError {
    #[error("scopes.registry: `{0}` is no scope")]
    Name(String),
    #[error("scopes.registry: `{name}`: {source}")]
    Role { name: String, source: RoleError },
    #[error("scopes.registry: {0}")]
    Registry(#[from] RegistryError),
}

impl TryFrom<RawScopes> for ScopesConfig {
    type Error = ScopesError;

    fn try_from(raw: RawScopes) -> Result<Self, ScopesError> {
        let mut rules = Vec::new();
        for RawScope { name, description, roles, clients } in raw.registry {
            if Scopes::collect([name.as_str()]).is_err() {
                return Err(ScopesError::Name(name));
            }
            let roles = Roles::collect(roles.iter().map(String::as_str));
            let roles = match roles {
                Ok(roles) => roles,
                Err(source) => return Err(ScopesError::Role { name, source }),
            };
            rules.push((name, ScopeRule { description, roles, clients }));
        }
        Ok(Self(ScopeRegistry::new(rules, raw.default)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `said`: "" for a section that is read, else part of what is wrong with it.
    #[track_caller]
    fn check(text: &str, said: &str) {
        match toml::from_str::<ScopesConfig>(text) {
            Ok(_) => assert_eq!(said, "", "{text}"),
            Err(error) => {
                let error = error.to_string();
                assert!(!said.is_empty() && error.contains(said), "{text}: {error}");
            }
        }
    }

    #[test]
    fn a_scope_has_a_name_and_what_else_is_said_of_it() {
        check("registry = []\ndefault = []", "");
        let scope = |more: &str| format!("registry = [{{ {more} }}]\ndefault = [\"a\"]");
        check(&scope(r#"name = "a""#), "");
        check(
            &scope(r#"name = "a", description = "Read", roles = ["x", "y"], clients = false"#),
            "",
        );
        check(&scope(r#"name = "a b""#), "`a b` is no scope");
        check(&scope(r#"name = """#), "`` is no scope");
        check(&scope(r#"roles = ["x"]"#), "missing field `name`");
        check(&scope(r#"name = "a", role = ["x"]"#), "unknown field `role`");
        check(&scope(r#"name = "a", roles = [""]"#), "`a`: a role has 1 to 128 bytes");
        check("registry = [{ name = \"a\" }, { name = \"a\" }]\ndefault = []", "twice");
    }
}
