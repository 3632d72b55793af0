//! Which gRPC status does an error get?

use std::error::Error;

use tonic::Status;

use crate::issue::IssueError;
use crate::registration::RegistrationError;
use crate::revocation::ReadError;
use crate::store::StoreError;

pub(super) fn of_store(error: &StoreError) -> Status {
    ours(error, error.is_retryable())
}

pub(super) fn of_issue(error: &IssueError) -> Status {
    ours(error, error.is_retryable())
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
        sealing @ RegistrationError::Seal(_) => ours(sealing, false),
        callers => Status::invalid_argument(callers.to_string()),
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
