//! For which reason may a client get a token?
//!
//! Those of ours are a closed enum with small questions; those of the operator's programs stand beside
//! it in `grants`. Client authentication, lockout, scopes, audience and issuance stand outside, so a new
//! grant cannot forget them (decision D8).
//!
//! Adding a grant: a file here, a variant in `kind`, a line in `default.toml`'s list of grants.

mod approval;
mod authorization_code;
mod client_credentials;
mod consent;
mod device_code;
mod error;
mod grants;
mod jwt_bearer;
mod kind;
mod means;
mod once;
mod password;
mod pending;
mod pkce;
mod plugin;
mod refresh_token;
mod saml2_bearer;
mod token_exchange;
mod word;

pub use approval::{Approval, Limits};
pub use authorization_code::OWNER as CODE_OWNER;
pub use device_code::{CIBA_OWNER, DEVICE_OWNER, PAUSE_SECONDS, USER_OWNER};
pub use error::GrantError;
pub use grants::{Grants, Offered};
pub use jwt_bearer::{IssuerKeys, Trust, TrustedIssuer};
pub use kind::{GrantKind, UnknownGrant};
pub use means::{Asked, Means, RefreshRules};
pub use pkce::{METHOD as PKCE_METHOD, is_challenge, is_thumbprint};
pub use plugin::is_reserved;
pub use saml2_bearer::SamlIssuer;
pub use token_exchange::Exchanged;
