//! How did a person show who they are? (RFC 8176, KM-106)

use std::str::FromStr;

/// The way of one login.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LoginMethod {
    #[default]
    Password,
    /// A password, and a code of the authenticator app.
    Authenticator,
    /// A password, and a recovery code.
    Recovery,
    /// A passkey that knows its person and stays where it is.
    Passkey,
    /// The same, that is copied to other devices of its person.
    SyncedPasskey,
    /// A password, and a passkey.
    PasswordPasskey,
    PasswordSyncedPasskey,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no way to log in here")]
pub struct UnknownLogin(String);

impl LoginMethod {
    const ALL: [Self; 7] = [
        Self::Password,
        Self::Authenticator,
        Self::Recovery,
        Self::Passkey,
        Self::SyncedPasskey,
        Self::PasswordPasskey,
        Self::PasswordSyncedPasskey,
    ];

    /// What `acr` says of a login with a password alone.
    pub const ONE_FACTOR: &str = "urn:turnpike:acr:password";
    /// What `acr` says of a login with two factors.
    pub const TWO_FACTORS: &str = "urn:turnpike:acr:mfa";

    /// As it is stored.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Password => "pwd",
            Self::Authenticator => "pwd otp",
            Self::Recovery => "pwd recovery",
            Self::Passkey => "hwk",
            Self::SyncedPasskey => "swk",
            Self::PasswordPasskey => "pwd hwk",
            Self::PasswordSyncedPasskey => "pwd swk",
        }
    }

    /// The `amr`. RFC 8176 has no word for a recovery code.
    pub const fn amr(self) -> &'static [&'static str] {
        match self {
            Self::Password => &["pwd"],
            Self::Authenticator => &["pwd", "otp", "mfa"],
            Self::Recovery => &["pwd", "mfa"],
            Self::Passkey => &["hwk", "user", "mfa"],
            Self::SyncedPasskey => &["swk", "user", "mfa"],
            Self::PasswordPasskey => &["pwd", "hwk", "user", "mfa"],
            Self::PasswordSyncedPasskey => &["pwd", "swk", "user", "mfa"],
        }
    }

    /// The `acr`.
    pub const fn acr(self) -> &'static str {
        if self.is_second() { Self::TWO_FACTORS } else { Self::ONE_FACTOR }
    }

    /// Whether there was a second factor. A passkey that knows its person is something that they have,
    /// and something that they know or are.
    pub const fn is_second(self) -> bool {
        !matches!(self, Self::Password)
    }
}

impl FromStr for LoginMethod {
    type Err = UnknownLogin;

    fn from_str(text: &str) -> Result<Self, UnknownLogin> {
        let known = Self::ALL.into_iter().find(|method| method.name() == text);
        known.ok_or_else(|| UnknownLogin(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_way_is_read_back() {
        for method in LoginMethod::ALL {
            assert_eq!(method.name().parse(), Ok(method));
        }
        assert!("otp".parse::<LoginMethod>().is_err());
    }
}
