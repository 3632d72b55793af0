//! Scopes: what may a token be used for?
//!
//! The grammar is RFC 6749 section 3.3: printable ASCII without space, `"` and `\`.

use std::collections::BTreeSet;
use std::fmt;

/// A set of scopes, in alphabetical order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes(BTreeSet<String>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    #[error("a scope holds a character that RFC 6749 section 3.3 does not allow")]
    Character,
    #[error("there are more than {} scopes", Scopes::MOST)]
    TooMany,
    #[error("a scope is longer than {} bytes", Scopes::LONGEST)]
    TooLong,
}

impl Scopes {
    /// The most scopes of one client or token.
    pub const MOST: usize = 256;
    /// The longest scope in bytes.
    pub const LONGEST: usize = 256;

    /// Reads scopes that are parted by spaces; a scope named twice counts once.
    pub fn parse(text: &str) -> Result<Self, ScopeError> {
        Self::collect(text.split(' ').filter(|scope| !scope.is_empty()))
    }

    /// Takes each text as one scope.
    pub fn collect<'a>(scopes: impl IntoIterator<Item = &'a str>) -> Result<Self, ScopeError> {
        let mut set = BTreeSet::new();
        for scope in scopes {
            if scope.len() > Self::LONGEST {
                return Err(ScopeError::TooLong);
            }
            if scope.is_empty() || !scope.bytes().all(is_scope_byte) {
                return Err(ScopeError::Character);
            }
            set.insert(scope.to_owned());
            if set.len() > Self::MOST {
                return Err(ScopeError::TooMany);
            }
        }
        Ok(Self(set))
    }

    /// These and others, which are scopes too; what is beyond the bound is left out.
    #[must_use]
    pub fn with<'a>(&self, others: impl IntoIterator<Item = &'a str>) -> Self {
        let mut all = self.0.clone();
        all.extend(others.into_iter().map(str::to_owned));
        Self(all.into_iter().take(Self::MOST).collect())
    }

    /// Those that fit.
    #[must_use]
    pub fn only(&self, fits: impl Fn(&str) -> bool) -> Self {
        Self(self.0.iter().filter(|scope| fits(scope)).cloned().collect())
    }

    pub fn is_subset(&self, of: &Self) -> bool {
        self.0.is_subset(&of.0)
    }

    pub fn contains(&self, scope: &str) -> bool {
        self.0.contains(scope)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, scope) in self.0.iter().enumerate() {
            if place > 0 {
                f.write_str(" ")?;
            }
            f.write_str(scope)?;
        }
        Ok(())
    }
}

const fn is_scope_byte(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `read` is the set as it is written back, or the refusal.
    #[track_caller]
    fn check(text: &str, read: &str) {
        let said = match Scopes::parse(text) {
            Ok(scopes) => scopes.to_string(),
            Err(refusal) => format!("{refusal:?}"),
        };
        assert_eq!(said, read);
    }

    #[test]
    fn scopes_are_a_set() {
        check("b a  b", "a b");
        check("", "");
    }

    #[test]
    fn characters_outside_the_grammar_are_refused() {
        for text in ["a\"b", "a\\b", "a\tb", "a\nb", "ä", "a\u{7f}"] {
            check(text, "Character");
        }
    }

    #[test]
    fn a_set_is_bounded() {
        let many: Vec<String> = (0..=Scopes::MOST).map(|n| n.to_string()).collect();
        check(&many.join(" "), "TooMany");
        check(&"a".repeat(Scopes::LONGEST + 1), "TooLong");
    }
}
