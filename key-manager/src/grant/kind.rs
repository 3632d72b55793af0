//! Which grants are there, and what does each say to a request?

use std::fmt;
use std::str::FromStr;

use super::client_credentials;
use crate::domain::Client;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum GrantKind {
    ClientCredentials,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no grant type of this server")]
pub struct UnknownGrant(String);

/// What a grant found. It can only say for whom a token is: scope, audience and life are
/// decided by those who stand outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// The `sub` of the token.
    pub subject: String,
}

impl GrantKind {
    pub const ALL: [Self; 1] = [Self::ClientCredentials];

    /// The `grant_type` on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ClientCredentials => "client_credentials",
        }
    }

    /// Whether a client that proves nothing may use it (RFC 6749 section 4.4: not this one).
    pub const fn is_for_public_clients(self) -> bool {
        !matches!(self, Self::ClientCredentials)
    }

    pub fn approve(self, client: &Client) -> Approval {
        match self {
            Self::ClientCredentials => client_credentials::approve(client),
        }
    }
}

impl fmt::Display for GrantKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for GrantKind {
    type Err = UnknownGrant;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.into_iter().find(|kind| kind.name() == text);
        known.ok_or_else(|| UnknownGrant(text.to_owned()))
    }
}
