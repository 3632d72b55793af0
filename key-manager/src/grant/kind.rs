//! Which grants are there, and what does each say to a request?

use std::fmt;
use std::str::FromStr;

use zeroize::Zeroizing;

use super::approval::{Approval, Basis, Step};
use super::error::GrantError;
use super::means::{Asked, Means};
use super::{
    CIBA_OWNER, DEVICE_OWNER, authorization_code, client_credentials, device_code, jwt_bearer,
    password, refresh_token, saml2_bearer, token_exchange,
};
use crate::store::Grant;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum GrantKind {
    AuthorizationCode,
    Ciba,
    ClientCredentials,
    DeviceCode,
    JwtBearer,
    Password,
    RefreshToken,
    Saml2Bearer,
    TokenExchange,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no grant type of this server")]
pub struct UnknownGrant(String);

impl UnknownGrant {
    /// One that is turned off here.
    pub(super) fn of(kind: GrantKind) -> Self {
        Self(kind.name().to_owned())
    }
}

impl GrantKind {
    pub const ALL: [Self; 9] = [
        Self::AuthorizationCode,
        Self::Ciba,
        Self::ClientCredentials,
        Self::DeviceCode,
        Self::JwtBearer,
        Self::Password,
        Self::RefreshToken,
        Self::Saml2Bearer,
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
            Self::Password => "password",
            Self::RefreshToken => "refresh_token",
            Self::Saml2Bearer => "urn:ietf:params:oauth:grant-type:saml2-bearer",
            Self::TokenExchange => "urn:ietf:params:oauth:grant-type:token-exchange",
        }
    }

    /// Whether a client that proves nothing may use it (RFC 6749 section 4.4: not client credentials).
    pub const fn is_for_public_clients(self) -> bool {
        !matches!(
            self,
            Self::Ciba
                | Self::ClientCredentials
                | Self::JwtBearer
                | Self::Saml2Bearer
                | Self::Password
                | Self::TokenExchange
        )
    }

    /// Whether it is about people, who may want refresh tokens.
    pub const fn is_of_people(self) -> bool {
        matches!(self, Self::AuthorizationCode | Self::Ciba | Self::DeviceCode | Self::Password)
    }

    /// Whether nobody has looked yet if its person is locked out: they were asked elsewhere (KM-102).
    pub const fn needs_lockout(self) -> bool {
        matches!(self, Self::JwtBearer | Self::Saml2Bearer)
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
            Self::Password => password::approve(asked, means),
            Self::RefreshToken => refresh_token::approve(asked, means).await,
            Self::Saml2Bearer => saml2_bearer::approve(asked, means).await,
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
        let (grant, step) = match &self.basis {
            Basis::Client(_) | Basis::Token { .. } | Basis::Vouched { once: None, .. } => {
                return Ok(None);
            }
            Basis::Vouched { once: Some(once), .. } => {
                return once.spend(means).await.map(|()| None);
            }
            Basis::Person { grant, step } => (grant, step),
        };
        match step {
            Step::Code { digest } => authorization_code::settle(digest, grant, asked, means).await,
            Step::Device { digest } => device_code::settle(digest, grant, asked, means).await,
            Step::Refresh { digest } => {
                refresh_token::settle(&grant.family_id, digest, asked.client, means).await
            }
            Step::Once(once) => once.spend(means).await.map(|()| None),
            Step::Vouched { once, refresh } => {
                if let Some(once) = once {
                    once.spend(means).await?;
                }
                if *refresh { begin(grant, asked, means).await } else { Ok(None) }
            }
        }
    }
}

/// Begins a family with nothing that was used up for it. The answer is its first refresh token, for a
/// client that may use one.
async fn begin(
    grant: &Grant,
    asked: Asked<'_>,
    means: &Means<'_>,
) -> Result<Option<Zeroizing<String>>, GrantError> {
    let Some((family, token)) = authorization_code::first_token(grant, asked, means)? else {
        return Ok(None);
    };
    means.store.add_family(&family).await?;
    Ok(Some(token))
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
