//! What can go wrong between us and a provider?

use chassis::outbound;
use jose::KeySetError;

use crate::rpc::ConnectorError;

/// Why a provider did not do what it was asked. Holds nothing secret.
#[derive(Debug, thiserror::Error)]
pub enum FederationError {
    #[error("there is no such provider")]
    Unknown,
    #[error("the provider is not in use")]
    Disabled,
    #[error("the provider is not asked about that")]
    NotAsked,
    #[error("the provider names no {0}")]
    NoEndpoint(&'static str),
    #[error("{what} cannot be asked")]
    Outbound {
        what: &'static str,
        #[source]
        source: outbound::Error,
    },
    #[error("{what} answered {status}")]
    Status { what: &'static str, status: u16 },
    #[error("{what} refuses: {code}")]
    Refused { what: &'static str, code: String },
    #[error("what {what} says is no such JSON")]
    Json { what: &'static str },
    #[error("the metadata are those of the issuer `{0}`")]
    Issuer(String),
    #[error("the keys cannot be read")]
    Keys(#[from] KeySetError),
    #[error("the ID token does not count: {0}")]
    IdToken(String),
    #[error(transparent)]
    Connector(#[from] ConnectorError),
    #[error("there are more than {0} keys")]
    ManyKeys(usize),
}

impl FederationError {
    /// Whether the provider is well and only does not do what it was asked.
    pub(super) const fn is_answer(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::Connector(ConnectorError::Refused(_)))
    }
}
