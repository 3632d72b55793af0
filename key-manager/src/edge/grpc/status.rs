//! Which gRPC status does an error get?

use std::error::Error;

use tonic::Status;

use crate::accounts::AccountError;
use crate::endpoint::Refusal;
use crate::federation::FederationError;
use crate::issue::IssueError;
use crate::registration::RegistrationError;
use crate::revocation::ReadError;
use crate::rpc::ConnectorError;
use crate::store::StoreError;
use crate::vault::PasswordFailure;

pub(super) fn of_store(error: &StoreError) -> Status {
    ours(error, error.is_retryable())
}

/// Of a use case that HTTP answers too, where a caller can do nothing about it.
pub(super) fn of_refusal(refusal: &Refusal) -> Status {
    ours(refusal, matches!(refusal, Refusal::Unavailable(_)))
}

pub(super) fn of_issue(error: &IssueError) -> Status {
    match error {
        IssueError::Unknown { .. } => Status::not_found(error.to_string()),
        IssueError::TooSoon { .. } => Status::failed_precondition(error.to_string()),
        _ => ours(error, error.is_retryable()),
    }
}

pub(super) fn of_reading(error: &ReadError) -> Status {
    match error {
        ReadError::Store(cause) => ours(error, cause.is_retryable()),
        ReadError::Stale(_) | ReadError::Ended => Status::unavailable(error.to_string()),
    }
}

pub(super) fn of_registration(error: &RegistrationError) -> Status {
    match error {
        RegistrationError::Store(cause) => of_store(cause),
        RegistrationError::Keys(cause) => of_issue(cause),
        gone @ RegistrationError::Gone => Status::not_found(gone.to_string()),
        sealing @ RegistrationError::Seal(_) => ours(sealing, false),
        callers => Status::invalid_argument(callers.to_string()),
    }
}

pub(super) fn of_federation(error: &FederationError) -> Status {
    match error {
        FederationError::Unknown => Status::not_found(error.to_string()),
        FederationError::Disabled
        | FederationError::NotAsked
        | FederationError::NoEndpoint(_)
        | FederationError::Refused { .. }
        | FederationError::Connector(ConnectorError::Refused(_)) => {
            Status::failed_precondition(error.to_string())
        }
        // It stands in the log and in the provider's status already.
        FederationError::Outbound { .. }
        | FederationError::Status { .. }
        | FederationError::Json { .. }
        | FederationError::Issuer(_)
        | FederationError::Connector(_)
        | FederationError::Keys(_)
        | FederationError::IdToken(_)
        | FederationError::ManyKeys(_) => Status::unavailable(error.to_string()),
    }
}

pub(super) fn of_account(error: &AccountError) -> Status {
    match error {
        AccountError::Store(cause) => of_store(cause),
        AccountError::Hash(cause) => ours(cause, !matches!(cause, PasswordFailure::Hash)),
        AccountError::Full => Status::resource_exhausted(error.to_string()),
        AccountError::Taken | AccountError::Linked => Status::already_exists(error.to_string()),
        AccountError::Nobody => Status::not_found(error.to_string()),
        AccountError::Name(_)
        | AccountError::Password(_)
        | AccountError::Foreign
        | AccountError::Subject
        | AccountError::Profile(_) => Status::invalid_argument(error.to_string()),
    }
}

/// What is wrong inside reaches the log; the caller hears whether it may try again.
fn ours(error: &(dyn Error + 'static), retryable: bool) -> Status {
    if retryable {
        tracing::warn!(error, "call refused for now");
        Status::unavailable(error.to_string())
    } else {
        tracing::error!(error, "call failed");
        Status::internal(error.to_string())
    }
}
