//! How did a person show who they are? (RFC 8176, KM-106)

use std::fmt;
use std::str::FromStr;

/// The way of one login.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoginMethod {
    first: First,
    second: Option<Second>,
}

/// What a person began with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum First {
    /// Nothing: somebody who is trusted says who it is, in an assertion or in a plug-in.
    #[default]
    Word,
    Password,
    /// A passkey that knows its person and stays where it is.
    Passkey,
    /// The same, that is copied to other devices of its person.
    SyncedPasskey,
    /// An account at a provider.
    Provider,
}

/// What a person showed besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Second {
    /// A code of the authenticator app.
    App,
    Recovery,
    Passkey,
    SyncedPasskey,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no way to log in here")]
pub struct UnknownLogin(String);

impl LoginMethod {
    /// What `acr` says of a login with a password alone.
    pub const ONE_FACTOR: &str = "urn:turnpike:acr:password";
    /// What `acr` says of a login at a provider alone.
    pub const ELSEWHERE: &str = "urn:turnpike:acr:provider";
    /// What `acr` says of a login with two factors.
    pub const TWO_FACTORS: &str = "urn:turnpike:acr:mfa";

    pub const PASSWORD: Self = Self { first: First::Password, second: None };
    pub const PROVIDER: Self = Self { first: First::Provider, second: None };

    /// With a passkey alone.
    pub const fn passkey(synced: bool) -> Self {
        let first = if synced { First::SyncedPasskey } else { First::Passkey };
        Self { first, second: None }
    }

    /// The same with a second factor.
    #[must_use]
    pub const fn and(self, second: Second) -> Self {
        Self { second: Some(second), ..self }
    }

    /// What it began with, and what there was besides.
    pub const fn factors(self) -> (First, Option<Second>) {
        (self.first, self.second)
    }

    /// The `amr`. RFC 8176 has words neither for a recovery code nor for a provider.
    pub fn amr(self) -> Vec<&'static str> {
        let first: &[_] = match self.first {
            First::Word => &[],
            First::Password => &["pwd"],
            First::Passkey => &["hwk", "user"],
            First::SyncedPasskey => &["swk", "user"],
            First::Provider => &["fed"],
        };
        let second: &[_] = match self.second {
            None | Some(Second::Recovery) => &[],
            Some(Second::App) => &["otp"],
            Some(Second::Passkey) => &["hwk", "user"],
            Some(Second::SyncedPasskey) => &["swk", "user"],
        };
        let all: &[_] = if self.is_second() { &["mfa"] } else { &[] };
        [first, second, all].concat()
    }

    /// The `acr`; `None`: nobody was asked here.
    pub const fn acr(self) -> Option<&'static str> {
        match self.first {
            _ if self.is_second() => Some(Self::TWO_FACTORS),
            First::Word => None,
            First::Provider => Some(Self::ELSEWHERE),
            _ => Some(Self::ONE_FACTOR),
        }
    }

    /// Whether there were two factors. A passkey that knows its person is something that they have, and
    /// something that they know or are.
    pub const fn is_second(self) -> bool {
        self.second.is_some() || matches!(self.first, First::Passkey | First::SyncedPasskey)
    }
}

impl First {
    const ALL: [Self; 5] =
        [Self::Word, Self::Password, Self::Passkey, Self::SyncedPasskey, Self::Provider];

    const fn name(self) -> &'static str {
        match self {
            Self::Word => "word",
            Self::Password => "pwd",
            Self::Passkey => "hwk",
            Self::SyncedPasskey => "swk",
            Self::Provider => "fed",
        }
    }
}

impl Second {
    const ALL: [Self; 4] = [Self::App, Self::Recovery, Self::Passkey, Self::SyncedPasskey];

    /// By a passkey.
    pub const fn passkey(synced: bool) -> Self {
        if synced { Self::SyncedPasskey } else { Self::Passkey }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::App => "otp",
            Self::Recovery => "recovery",
            Self::Passkey => "hwk",
            Self::SyncedPasskey => "swk",
        }
    }
}

/// As it is stored.
impl fmt::Display for LoginMethod {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(self.first.name())?;
        match self.second {
            Some(second) => write!(to, " {}", second.name()),
            None => Ok(()),
        }
    }
}

impl FromStr for LoginMethod {
    type Err = UnknownLogin;

    fn from_str(text: &str) -> Result<Self, UnknownLogin> {
        let read = || {
            let (first, second) = match text.split_once(' ') {
                Some((first, second)) => (first, Some(second)),
                None => (text, None),
            };
            let first = First::ALL.into_iter().find(|one| one.name() == first)?;
            let Some(second) = second else { return Some(Self { first, second: None }) };
            let second = Second::ALL.into_iter().find(|one| one.name() == second)?;
            Some(Self { first, second: Some(second) })
        };
        read().ok_or_else(|| UnknownLogin(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_way_is_read_back() {
        for first in First::ALL {
            for second in [None].into_iter().chain(Second::ALL.map(Some)) {
                let method = LoginMethod { first, second };
                assert_eq!(method.to_string().parse(), Ok(method));
            }
        }
        for unknown in ["otp", "pwd ", "pwd otp otp", ""] {
            assert!(unknown.parse::<LoginMethod>().is_err(), "{unknown}");
        }
    }

    #[test]
    fn it_says_what_was_shown_and_no_more() {
        let check = |method: LoginMethod, amr: &[&str], acr: Option<&str>| {
            assert_eq!((method.amr().as_slice(), method.acr()), (amr, acr), "{method}");
        };
        check(LoginMethod::default(), &[], None);
        check(LoginMethod::PASSWORD, &["pwd"], Some(LoginMethod::ONE_FACTOR));
        check(LoginMethod::PROVIDER, &["fed"], Some(LoginMethod::ELSEWHERE));
        let two = Some(LoginMethod::TWO_FACTORS);
        check(LoginMethod::passkey(true), &["swk", "user", "mfa"], two);
        check(LoginMethod::PASSWORD.and(Second::App), &["pwd", "otp", "mfa"], two);
        check(LoginMethod::PROVIDER.and(Second::Recovery), &["fed", "mfa"], two);
        check(LoginMethod::PASSWORD.and(Second::Passkey), &["pwd", "hwk", "user", "mfa"], two);
    }
}
