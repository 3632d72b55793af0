//! What may a client have that registers itself? (KM-055)
//!
//! Looked at is the client that would come out, with everything that was added to what was asked,
//! when it is made and each time it is changed.

use std::fmt;
use std::str::FromStr;

use crate::domain::{Client, Scopes};

/// The scope of an access token that lets its holder register clients.
pub const REGISTER_SCOPE: &str = "turnpike:register";

/// Who may register clients over HTTP (RFC 7591 section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Nobody,
    /// Whoever shows an access token of this server with [`REGISTER_SCOPE`].
    Token,
    Everybody,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("registration is `off`, by `token` or `open`, and not `{0}`")]
pub struct UnknownAccess(String);

impl FromStr for Access {
    type Err = UnknownAccess;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "off" => Ok(Self::Nobody),
            "token" => Ok(Self::Token),
            "open" => Ok(Self::Everybody),
            other => Err(UnknownAccess(other.to_owned())),
        }
    }
}

/// What holds for every client that registers itself.
#[derive(Clone, Debug)]
pub struct Policy {
    pub access: Access,
    /// The scopes that it may have at most.
    pub scopes: Scopes,
    /// The grant types that it may have, by their names.
    pub grants: Vec<String>,
    /// Whether one that proves itself may ask for codes without PKCE.
    pub without_pkce: bool,
}

/// What a client may not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forbidden(&'static str, String);

impl fmt::Display for Forbidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: `{}` is not for clients that register themselves", self.0, self.1)
    }
}

impl std::error::Error for Forbidden {}

impl Policy {
    pub(super) fn check(&self, client: &Client) -> Result<(), Forbidden> {
        if let Some(scope) = client.scopes.iter().find(|scope| !self.scopes.contains(scope)) {
            return Err(Forbidden("scope", scope.to_owned()));
        }
        let allowed = |grant: &String| self.grants.contains(grant);
        if let Some(grant) = client.grant_types.iter().find(|grant| !allowed(grant)) {
            return Err(Forbidden("grant_types", grant.clone()));
        }
        if client.first_party || (client.requests.without_pkce && !self.without_pkce) {
            return Err(Forbidden("client", client.name.clone()));
        }
        Ok(())
    }
}
