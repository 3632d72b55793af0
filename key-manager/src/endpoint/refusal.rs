//! Refusals: what does a client hear when it does not get what it asked for?
//!
//! Codes and statuses are those of RFC 6749 section 5.2, RFC 7009 section 2.2.1 and RFC 8707
//! section 2. What went wrong inside travels as the source: it reaches the log, never the wire.

use http::StatusCode;

use crate::binding::{BindError, ProofError};
use crate::client_auth::{AssertionError, AuthError, MethodError};
use crate::domain::ScopeError;
use crate::form::FormError;
use crate::grant::GrantError;
use crate::issue::IssueError;
use crate::registration::{MetadataError, RegistrationError};
use crate::store::StoreError;
use crate::vault::{PasswordFailure, VaultError};

#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("{0}")]
    InvalidRequest(String),
    #[error("the client did not prove who it is")]
    InvalidClient(#[source] AuthError),
    #[error("{0}")]
    InvalidGrant(&'static str),
    /// An error that an authorization request would be told.
    #[error("{1}")]
    Denied(&'static str, &'static str),
    /// The same, with what the client asks again with.
    #[error("nobody has answered yet")]
    Waiting { handle: String, pause_seconds: i64, seconds: i64 },
    /// An error of a grant of the operator's.
    #[error("{description}")]
    OfPlugin { code: String, description: String },
    #[error("no access token was shown")]
    NoToken,
    #[error("the access token is not valid")]
    InvalidToken,
    #[error("the access token is not for this")]
    InsufficientScope,
    #[error("the client may not use this grant type")]
    UnauthorizedGrant,
    #[error("the token was issued to another client")]
    ForeignToken,
    #[error("the grant type is not supported")]
    UnsupportedGrantType,
    #[error("a scope was asked for that the client may not have")]
    ForbiddenScope,
    #[error("the scope is not well-formed")]
    MalformedScope(#[source] ScopeError),
    #[error("the resource is not known here")]
    InvalidTarget,
    #[error("{0}")]
    Proof(ProofError),
    /// The same, where an access token is shown.
    #[error("{0}")]
    TokenProof(ProofError),
    #[error("{0}")]
    Unbound(#[from] BindError),
    /// More was used at a time than is remembered; what was used before stays remembered (KM-122).
    #[error("the client asks faster than it may; try again when earlier requests have expired")]
    Full(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("{0}")]
    Registration(#[source] RegistrationError),
    #[error("this address answers {0} only")]
    Method(&'static str),
    #[error("nothing is served under this address")]
    NotFound,
    #[error("the body is too large")]
    TooLarge,
    #[error("TLS is required")]
    Cleartext,
    #[error("the server cannot answer right now")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the server failed")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Refusal {
    pub fn invalid(why: &str) -> Self {
        Self::InvalidRequest(why.to_owned())
    }

    /// The `error` that the client hears.
    pub fn error(&self) -> &str {
        match self {
            Self::OfPlugin { code, .. } => code,
            other => other.code().1,
        }
    }

    /// The status and the `error` code.
    pub const fn code(&self) -> (StatusCode, &'static str) {
        match self {
            Self::InvalidRequest(_)
            | Self::Cleartext
            | Self::Unbound(BindError::CertificateMissing) => {
                (StatusCode::BAD_REQUEST, "invalid_request")
            }
            Self::InvalidClient(_) => (StatusCode::UNAUTHORIZED, "invalid_client"),
            Self::Denied(code, _) => (StatusCode::BAD_REQUEST, code),
            Self::Waiting { .. } => (StatusCode::BAD_REQUEST, "authorization_pending"),
            // Counters have a fixed set of codes; `error` has the word itself.
            Self::OfPlugin { .. } => (StatusCode::BAD_REQUEST, "error_of_plugin"),
            Self::InvalidGrant(_) => (StatusCode::BAD_REQUEST, "invalid_grant"),
            Self::NoToken | Self::InvalidToken => (StatusCode::UNAUTHORIZED, "invalid_token"),
            Self::InsufficientScope => (StatusCode::FORBIDDEN, "insufficient_scope"),
            Self::UnauthorizedGrant | Self::ForeignToken => {
                (StatusCode::BAD_REQUEST, "unauthorized_client")
            }
            Self::UnsupportedGrantType => (StatusCode::BAD_REQUEST, "unsupported_grant_type"),
            Self::ForbiddenScope | Self::MalformedScope(_) => {
                (StatusCode::BAD_REQUEST, "invalid_scope")
            }
            Self::TokenProof(ProofError::Nonce(_)) => (StatusCode::UNAUTHORIZED, "use_dpop_nonce"),
            Self::TokenProof(_) => (StatusCode::UNAUTHORIZED, "invalid_dpop_proof"),
            Self::Proof(ProofError::Nonce(_)) => (StatusCode::BAD_REQUEST, "use_dpop_nonce"),
            Self::Proof(_) | Self::Unbound(BindError::ProofMissing) => {
                (StatusCode::BAD_REQUEST, "invalid_dpop_proof")
            }
            Self::Full(_) => (StatusCode::TOO_MANY_REQUESTS, "temporarily_unavailable"),
            Self::Registration(RegistrationError::Redirect(_) | RegistrationError::Redirects) => {
                (StatusCode::BAD_REQUEST, "invalid_redirect_uri")
            }
            Self::Registration(RegistrationError::Metadata(MetadataError::Statement)) => {
                (StatusCode::BAD_REQUEST, "unapproved_software_statement")
            }
            Self::Registration(_) => (StatusCode::BAD_REQUEST, "invalid_client_metadata"),
            Self::InvalidTarget => (StatusCode::BAD_REQUEST, "invalid_target"),
            Self::Method(_) => (StatusCode::METHOD_NOT_ALLOWED, "invalid_request"),
            Self::NotFound => (StatusCode::NOT_FOUND, "not_found"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "invalid_request"),
            Self::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable"),
            Self::Failed(_) => (StatusCode::INTERNAL_SERVER_ERROR, "server_error"),
        }
    }
}

impl From<FormError> for Refusal {
    fn from(error: FormError) -> Self {
        Self::InvalidRequest(error.to_string())
    }
}

impl From<AuthError> for Refusal {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::Store(error) | AuthError::Assertion(AssertionError::Store(error)) => {
                error.into()
            }
            AuthError::Assertion(full @ AssertionError::Full) => Self::Full(Box::new(full)),
            AuthError::Method(method @ (MethodError::Several | MethodError::Contradiction)) => {
                Self::InvalidRequest(method.to_string())
            }
            other => Self::InvalidClient(other),
        }
    }
}

impl From<ProofError> for Refusal {
    fn from(error: ProofError) -> Self {
        match error {
            ProofError::Store(error) => error.into(),
            ProofError::Full => Self::Full(Box::new(error)),
            other => Self::Proof(other),
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        if error.is_retryable() {
            Self::Unavailable(Box::new(error))
        } else {
            Self::Failed(Box::new(error))
        }
    }
}

impl From<IssueError> for Refusal {
    fn from(error: IssueError) -> Self {
        if error.is_retryable() {
            Self::Unavailable(Box::new(error))
        } else {
            Self::Failed(Box::new(error))
        }
    }
}

impl From<GrantError> for Refusal {
    fn from(error: GrantError) -> Self {
        match error {
            GrantError::Missing(name) => Self::InvalidRequest(format!("{name} is missing")),
            GrantError::Invalid(why) => Self::InvalidGrant(why),
            GrantError::Unsupported(name) => {
                Self::InvalidRequest(format!("{name} is not supported"))
            }
            GrantError::Full => Self::Full(Box::new(error)),
            GrantError::Pending => Self::Denied("authorization_pending", "nobody has answered yet"),
            GrantError::SlowDown => Self::Denied("slow_down", "the next question came too early"),
            GrantError::Expired => Self::Denied("expired_token", "the code has expired"),
            GrantError::Denied => Self::Denied("access_denied", "the person did not agree"),
            GrantError::Waiting { handle, pause_seconds, seconds } => {
                Self::Waiting { handle, pause_seconds, seconds }
            }
            GrantError::Parameter(name, wrong) => Self::InvalidRequest(format!("{name} {wrong}")),
            GrantError::Refused { code, description } => Self::OfPlugin { code, description },
            GrantError::Handler(error) => Self::Unavailable(Box::new(error)),
            GrantError::Contended => Self::Unavailable(Box::new(error)),
            GrantError::Store(error) => error.into(),
            GrantError::Vault(error) => Self::Failed(Box::new(error)),
        }
    }
}

impl From<RegistrationError> for Refusal {
    fn from(error: RegistrationError) -> Self {
        match error {
            RegistrationError::Store(error) => error.into(),
            RegistrationError::Keys(error) => error.into(),
            RegistrationError::Seal(error) => error.into(),
            RegistrationError::Gone => Self::InvalidToken,
            other => Self::Registration(other),
        }
    }
}

impl From<MetadataError> for Refusal {
    fn from(error: MetadataError) -> Self {
        RegistrationError::from(error).into()
    }
}

impl From<PasswordFailure> for Refusal {
    fn from(error: PasswordFailure) -> Self {
        match error {
            PasswordFailure::Busy | PasswordFailure::Interrupted => {
                Self::Unavailable(Box::new(error))
            }
            PasswordFailure::Hash => Self::Failed(Box::new(error)),
        }
    }
}

impl From<VaultError> for Refusal {
    fn from(error: VaultError) -> Self {
        Self::Failed(Box::new(error))
    }
}
