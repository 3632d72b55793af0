//! A person: under which name, and with which password?
//!
//! Names and passwords are brought to NFKC, so that one keyboard and another write the same one
//! (KM-101); names are folded to lower case too, so that no two of them look alike by case.

use std::fmt;

use serde_json::Value;
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

use super::deceptive::is_deceptive;
use super::{Profile, Roles};

/// The name that a person logs in with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UserName(String);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a user name has 1 to {} bytes, no spaces and no control characters", UserName::LONGEST)]
pub struct UserNameError;

impl UserName {
    /// The longest name, in bytes, before and after it was brought to its form.
    pub const LONGEST: usize = 256;

    pub fn parse(text: &str) -> Result<Self, UserNameError> {
        let text = text.trim();
        if text.len() > Self::LONGEST {
            return Err(UserNameError);
        }
        let name: String = text.nfkc().flat_map(char::to_lowercase).nfkc().collect();
        let hidden = |c: char| c.is_control() || c.is_whitespace() || is_deceptive(c);
        if name.is_empty() || name.len() > Self::LONGEST || name.chars().any(hidden) {
            return Err(UserNameError);
        }
        Ok(Self(name))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A password as somebody typed it; unprintable.
pub struct Password(Zeroizing<String>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a password has {} to {} bytes", Password::SHORTEST, Password::LONGEST)]
pub struct PasswordError;

impl Password {
    /// The longest password, in bytes: hashing more would be work for nothing (KM-101).
    pub const LONGEST: usize = 1024;
    /// The shortest password that can be set.
    pub const SHORTEST: usize = 8;

    /// A password that shall be tried.
    pub fn tried(text: &str) -> Result<Self, PasswordError> {
        if text.is_empty() || text.len() > Self::LONGEST {
            return Err(PasswordError);
        }
        Ok(Self(Zeroizing::new(text.nfkc().collect())))
    }

    /// A password that shall be set.
    pub fn chosen(text: &str) -> Result<Self, PasswordError> {
        if text.len() < Self::SHORTEST { Err(PasswordError) } else { Self::tried(text) }
    }

    pub fn expose(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// A person who can log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The `sub` of their tokens: random, so that it says nothing and is never given twice.
    pub id: String,
    pub name: UserName,
    /// Whether they may not log in, and get no tokens.
    pub disabled: bool,
    /// Their tokens issued at or before this Unix second have been revoked together; 0: none.
    pub ended_until: i64,
    /// What else is known of them.
    pub profile: Profile,
    /// When that was last said, Unix seconds; 0: never.
    pub profile_at: i64,
    /// What the directory said at their last login that they are.
    pub directory_roles: Roles,
    /// Unix seconds.
    pub created_at: i64,
}

impl User {
    /// What they are: by their account, and by the directory.
    pub fn roles(&self) -> Roles {
        self.profile.roles().with(&self.directory_roles)
    }

    /// A claim of theirs (OpenID Connect Core section 5.1), if it is known.
    fn claim(&self, name: &str) -> Option<Value> {
        match name {
            "preferred_username" => Some(self.name.as_str().into()),
            "updated_at" if self.profile_at > 0 => Some(self.profile_at.into()),
            "roles" => {
                let roles = Some(self.roles()).filter(|roles| !roles.is_empty())?;
                Some(roles.iter().collect())
            }
            name => self.profile.get(name).cloned(),
        }
    }

    /// The claims that `scope` stands for, those that are known.
    pub fn claims_of(&self, scope: &str) -> impl Iterator<Item = (String, Value)> {
        let names = Profile::OF_ACCOUNT.into_iter().chain(Profile::names());
        self.claims_named(names.filter(move |name| Profile::is_of_scope(name, scope)))
    }

    /// Single claims, those that are known.
    pub fn claims_named(
        &self,
        names: impl IntoIterator<Item: AsRef<str>>,
    ) -> impl Iterator<Item = (String, Value)> {
        let known = |name: &str| Some((name.to_owned(), self.claim(name)?));
        names.into_iter().filter_map(move |name| known(name.as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `read` is the name in its form, or "-".
    #[track_caller]
    fn check(text: &str, read: &str) {
        let said = UserName::parse(text).map_or("-".to_owned(), |name| name.to_string());
        assert_eq!(said, read, "{text:?}");
    }

    #[test]
    fn names_that_look_alike_are_one() {
        check(" Ann ", "ann");
        check("\u{ff21}nn", "ann");
        check("a\u{308}", "\u{e4}");
        check("ann@example.com", "ann@example.com");
    }

    #[test]
    fn names_that_hide_something_are_none() {
        for text in ["", "  ", "a b", "a\0b", "a\u{202e}b", "a\u{200b}b", "a\nb"] {
            check(text, "-");
        }
        check(&"a".repeat(UserName::LONGEST + 1), "-");
    }

    #[test]
    fn a_password_is_bounded_and_unprintable() {
        assert!(Password::tried("").is_err());
        assert!(Password::tried(&"a".repeat(Password::LONGEST + 1)).is_err());
        assert!(Password::chosen("1234567").is_err());
        let one = Password::chosen("pa\u{308}ssword").expect("a password");
        let two = Password::tried("p\u{e4}ssword").expect("a password");
        assert_eq!(one.expose(), two.expose());
        assert_eq!(format!("{one:?}"), "Password(..)");
    }
}
