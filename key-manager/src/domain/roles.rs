//! Roles: what is a person, apart from who they are? (RFC 7643 section 4.1.2)

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::deceptive::is_deceptive;

/// A set of roles, in alphabetical order; upper and lower case are different.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roles(BTreeSet<String>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RoleError {
    #[error(
        "a role has 1 to {} bytes, no control characters and no spaces around it",
        Roles::LONGEST
    )]
    Form,
    #[error("there are more than {} roles", Roles::MOST)]
    TooMany,
}

impl Roles {
    /// The most roles of one person: tokens carry them.
    pub const MOST: usize = 64;
    /// The longest role in bytes.
    pub const LONGEST: usize = 128;

    /// Takes each text as one role; one that comes twice counts once.
    pub fn collect<'a>(roles: impl IntoIterator<Item = &'a str>) -> Result<Self, RoleError> {
        let mut set = BTreeSet::new();
        for role in roles {
            let hidden = |c: char| c.is_control() || is_deceptive(c);
            if role.is_empty()
                || role.len() > Self::LONGEST
                || role.trim() != role
                || role.chars().any(hidden)
            {
                return Err(RoleError::Form);
            }
            set.insert(role.to_owned());
            if set.len() > Self::MOST {
                return Err(RoleError::TooMany);
            }
        }
        Ok(Self(set))
    }

    /// Reads a JSON list of texts. `None`: it is none, or not of roles.
    pub fn read(list: &Value) -> Option<Self> {
        let texts = list.as_array()?.iter().map(Value::as_str).collect::<Option<Vec<_>>>()?;
        Self::collect(texts).ok()
    }

    /// These and others; what is beyond the bound is left out.
    #[must_use]
    pub fn with(&self, others: &Self) -> Self {
        Self(self.0.union(&others.0).take(Self::MOST).cloned().collect())
    }

    /// Whether one of them is among others.
    pub fn meet(&self, others: &Self) -> bool {
        !self.0.is_disjoint(&others.0)
    }

    pub fn is_subset(&self, of: &Self) -> bool {
        self.0.is_subset(&of.0)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// As it is stored, a JSON list; empty: there are none.
    pub fn to_text(&self) -> String {
        if self.is_empty() { String::new() } else { json!(self.0).to_string() }
    }

    /// Reads back what `to_text` wrote.
    pub fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            Some(Self::default())
        } else {
            Self::read(&serde_json::from_str(text).ok()?)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `read` is the set as it is stored, or "-".
    #[track_caller]
    fn check(list: &Value, read: &str) {
        let found = Roles::read(list);
        if let Some(roles) = &found {
            assert_eq!(Roles::parse(&roles.to_text()).as_ref(), Some(roles), "{list}");
        }
        let said = found.map_or("-".to_owned(), |roles| roles.to_text());
        assert_eq!(said, read, "{list}");
    }

    #[test]
    fn roles_are_a_set_of_texts() {
        check(&json!([]), "");
        check(&json!(["b", "a", "b"]), r#"["a","b"]"#);
        check(&json!(["Internal/publisher", "two words"]), r#"["Internal/publisher","two words"]"#);
    }

    #[test]
    fn anything_else_is_none() {
        for list in [json!("a"), json!([7]), json!(["a", null]), json!({ "a": 1 })] {
            check(&list, "-");
        }
        for role in ["", " a", "a ", "a\nb", "a\u{202e}b", &"a".repeat(Roles::LONGEST + 1)] {
            check(&json!([role]), "-");
        }
        let many = |count: usize| (0..count).map(|n| n.to_string()).collect::<Vec<_>>();
        check(&json!(many(Roles::MOST + 1)), "-");
        assert!(Roles::read(&json!(many(Roles::MOST))).is_some());
    }

    #[test]
    fn together_they_keep_the_bound() {
        let of = |prefix: &str| {
            let roles: Vec<_> = (0..Roles::MOST).map(|n| format!("{prefix}{n}")).collect();
            Roles::collect(roles.iter().map(String::as_str)).expect("roles")
        };
        let both = of("a").with(&of("b"));
        assert_eq!(both, of("a"));
        assert!(both.meet(&of("a")) && !both.meet(&of("b")));
    }
}
