//! Which grants are there, and what does each say to a request?

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use zeroize::Zeroizing;

use super::{
    CIBA_OWNER, DEVICE_OWNER, Exchanged, Trust, authorization_code, client_credentials,
    device_code, jwt_bearer, refresh_token, token_exchange,
};
use crate::audit::{Audit, Event};
use crate::domain::{Client, Confirmation};
use crate::form::Form;
use crate::fraud::Fraud;
use crate::issue::Ring;
use crate::revocation::RevocationLog;
use crate::store::{Grant, Store, StoreError};
use crate::vault::{Pepper, Sealer, VaultError};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum GrantKind {
    AuthorizationCode,
    Ciba,
    ClientCredentials,
    DeviceCode,
    JwtBearer,
    RefreshToken,
    TokenExchange,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no grant type of this server")]
pub struct UnknownGrant(String);

/// How long refresh tokens are good (KM-074).
#[derive(Clone, Copy, Debug)]
pub struct RefreshRules {
    /// A family ends after so many seconds, whatever happens.
    pub life_seconds: i64,
    /// A family ends when it was not used for so many seconds.
    pub idle_seconds: i64,
    /// So many seconds the token that was just replaced gets the same answer.
    pub grace_seconds: i64,
}

/// What a grant may use.
#[derive(Clone, Copy, Debug)]
pub struct Means<'m> {
    pub store: &'m dyn Store,
    pub pepper: &'m Pepper,
    pub sealer: &'m Sealer,
    pub log: &'m RevocationLog,
    pub audit: &'m Audit,
    pub fraud: &'m Fraud,
    /// The keys of our own tokens, and their `iss`.
    pub ring: &'m Ring,
    pub issuer: &'m str,
    /// The audiences that a token may have.
    pub audience: &'m [String],
    /// Whose assertions are taken.
    pub trust: &'m Trust,
    pub rules: &'m RefreshRules,
    /// Where the request came from, for the log.
    pub address: Option<IpAddr>,
    /// Unix seconds.
    pub now: i64,
}

/// What is asked, by a client that proved who it is.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    pub client: &'a Client,
    pub form: &'a Form,
    /// What it proved to hold.
    pub confirmation: &'a Confirmation,
}

/// What a grant found. It says for whom a token is and how much it may hold at most; whether the
/// person may log in, scope, audience and life are decided by those who stand outside.
#[derive(Clone, Debug)]
pub struct Approval {
    /// The `sub` of the token.
    pub subject: String,
    /// What a person agreed to; `None`: the client acts for itself.
    pub grant: Option<Grant>,
    /// For the ID token.
    pub nonce: Option<String>,
    /// What another token allows at most, which was shown; `None`: none was.
    pub exchanged: Option<Exchanged>,
    pub(super) step: Step,
}

/// What is left to be done once everything else was found good.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Nothing,
    Code { digest: String },
    Refresh { family: String, digest: String },
    Device { digest: String },
    Assertion { owner: String, name: String, until: i64 },
}

#[derive(Debug, thiserror::Error)]
pub enum GrantError {
    #[error("{0} is missing")]
    Missing(&'static str),
    #[error("{0}")]
    Invalid(&'static str),
    /// A parameter has a value that is not offered.
    #[error("{0} is not supported")]
    Unsupported(&'static str),
    /// Nobody has answered yet (RFC 8628 section 3.5).
    #[error("nobody has answered yet")]
    Pending,
    #[error("nobody has answered yet, and the next question came too early")]
    SlowDown,
    #[error("the code has expired")]
    Expired,
    #[error("the person did not agree")]
    Denied,
    #[error("more assertions are used than are remembered")]
    Full,
    #[error("too many requests with one refresh token at once")]
    Contended,
    #[error("the grant could not be looked up")]
    Store(#[from] StoreError),
    #[error("an answer could not be sealed or opened")]
    Vault(#[from] VaultError),
}

impl GrantKind {
    pub const ALL: [Self; 7] = [
        Self::AuthorizationCode,
        Self::Ciba,
        Self::ClientCredentials,
        Self::DeviceCode,
        Self::JwtBearer,
        Self::RefreshToken,
        Self::TokenExchange,
    ];

    /// The `grant_type` on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::Ciba => "urn:openid:params:grant-type:ciba",
            Self::ClientCredentials => "client_credentials",
            Self::DeviceCode => "urn:ietf:params:oauth:grant-type:device_code",
            Self::JwtBearer => "urn:ietf:params:oauth:grant-type:jwt-bearer",
            Self::RefreshToken => "refresh_token",
            Self::TokenExchange => "urn:ietf:params:oauth:grant-type:token-exchange",
        }
    }

    /// Whether a client that proves nothing may use it (RFC 6749 section 4.4: not client credentials).
    pub const fn is_for_public_clients(self) -> bool {
        !matches!(
            self,
            Self::Ciba | Self::ClientCredentials | Self::JwtBearer | Self::TokenExchange
        )
    }

    pub async fn approve(
        self,
        asked: Asked<'_>,
        means: &Means<'_>,
    ) -> Result<Approval, GrantError> {
        match self {
            Self::AuthorizationCode => authorization_code::approve(asked, means).await,
            Self::ClientCredentials => Ok(client_credentials::approve(asked.client)),
            Self::Ciba => device_code::approve(asked, means, "auth_req_id", CIBA_OWNER).await,
            Self::DeviceCode => {
                device_code::approve(asked, means, "device_code", DEVICE_OWNER).await
            }
            Self::JwtBearer => jwt_bearer::approve(asked, means).await,
            Self::RefreshToken => refresh_token::approve(asked, means).await,
            Self::TokenExchange => token_exchange::approve(asked, means).await,
        }
    }
}

impl Approval {
    /// Uses up what was shown; to be said when nothing else can refuse the request any more. The
    /// answer is the refresh token to hand out, if there is a new one.
    pub async fn settle(
        &self,
        asked: Asked<'_>,
        means: &Means<'_>,
    ) -> Result<Option<Zeroizing<String>>, GrantError> {
        let client = asked.client;
        match (&self.step, &self.grant) {
            (Step::Code { digest }, Some(grant)) => {
                authorization_code::settle(digest, grant, asked, means).await
            }
            (Step::Device { digest }, Some(grant)) => {
                device_code::settle(digest, grant, asked, means).await
            }
            (Step::Refresh { family, digest }, _) => {
                refresh_token::settle(family, digest, client, means).await
            }
            (Step::Assertion { owner, name, until }, _) => {
                jwt_bearer::settle(owner, name, *until, means).await.map(|()| None)
            }
            (Step::Nothing | Step::Code { .. } | Step::Device { .. }, _) => Ok(None),
        }
    }
}

impl Means<'_> {
    /// Ends everything that came from one authorization, because somebody else holds part of it.
    pub(super) async fn end_family(
        &self,
        grant: &Grant,
        event: &'static str,
    ) -> Result<(), StoreError> {
        let noted = Event::of(event).by(&grant.user_id).client(grant.client_id.as_str());
        let noted = noted.from(self.address).with("family", &grant.family_id);
        let ended = self.log.noting(self.audit.noted(noted)).end_family(&grant.family_id).await?;
        if let Some(sequence) = ended {
            self.fraud.reused(event, grant, self.address);
            let address = self.address.map(|address| address.to_string()).unwrap_or_default();
            tracing::warn!(
                event,
                client = %grant.client_id,
                user = grant.user_id,
                family = grant.family_id,
                address,
                sequence,
                "a code or refresh token was used again: everything from it has ended"
            );
        }
        Ok(())
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
