//! How is an error told over gRPC?
//!
//! With the codes that `admin/v1/resources.proto` promises. Problems travel in the status details
//! (`google.rpc.Status`), so that a program can show each at its field.

use plan::Problem;
use prost::Message;
use prost_types::Any;
use tonic::{Code, Status};

use crate::history::{HistoryError, JournalError};
use crate::manage::{ClientsError, ManageError};
use crate::rollout::RolloutError;
use crate::store::StoreError;

/// Details travel in a header field, which peers bound.
const DETAILS_BYTES: usize = 6 * 1024;

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

pub(super) fn of(error: &ManageError) -> Status {
    let code = code(error);
    let message = match error {
        ManageError::Store(source) | ManageError::History(HistoryError::Store(source)) => {
            format!("{error}: {source}")
        }
        ManageError::KeyManager(source) => format!("{error}: {source}"),
        other => other.to_string(),
    };
    if code == Code::Internal {
        tracing::error!(error = error as &dyn std::error::Error, "request failed");
    }
    match error {
        ManageError::Refused(problems)
        | ManageError::InUse(problems)
        | ManageError::OutOfTurn(problems) => {
            Status::with_details(code, message.clone(), details(code, message, problems).into())
        }
        _ => Status::new(code, message),
    }
}

/// The same for rollouts.
pub(super) fn of_rollout(error: &RolloutError) -> Status {
    let code = match error {
        RolloutError::Manage(error) => return of(error),
        RolloutError::Plan(_) => Code::InvalidArgument,
        RolloutError::NotFound(_) => Code::NotFound,
        RolloutError::MovedOn(_) => Code::Aborted,
        RolloutError::UnderWay(_)
        | RolloutError::NobodyConcerned
        | RolloutError::NeedsApproval
        | RolloutError::Ended(_)
        | RolloutError::NotPaused(_) => Code::FailedPrecondition,
    };
    Status::new(code, error.to_string())
}

/// The code that an error has.
pub(super) fn code(error: &ManageError) -> Code {
    match error {
        ManageError::Refused(_)
        | ManageError::PageToken
        | ManageError::Filter { .. }
        | ManageError::Store(StoreError::TooLarge { .. }) => Code::InvalidArgument,
        ManageError::InUse(_)
        | ManageError::OutOfTurn(_)
        | ManageError::KeyManager(ClientsError::Refused(_)) => Code::FailedPrecondition,
        ManageError::NotFound(_) | ManageError::NoToken(_) => Code::NotFound,
        ManageError::Forbidden(_) => Code::PermissionDenied,
        ManageError::Stale { .. }
        | ManageError::Moved { .. }
        | ManageError::Store(StoreError::Conflict { .. }) => Code::Aborted,
        ManageError::Busy
        | ManageError::NotLoaded
        | ManageError::Store(StoreError::Unavailable(_))
        | ManageError::History(HistoryError::Store(StoreError::Unavailable(_)))
        | ManageError::Journal(JournalError::Store(StoreError::Unavailable(_)))
        | ManageError::KeyManager(ClientsError::Away(_)) => Code::Unavailable,
        ManageError::Journal(JournalError::Verifying) => Code::ResourceExhausted,
        ManageError::History(
            HistoryError::Gone { .. } | HistoryError::Future { .. } | HistoryError::TooMuch { .. },
        ) => Code::OutOfRange,
        ManageError::Store(_)
        | ManageError::History(_)
        | ManageError::Journal(_)
        | ManageError::Record(_)
        | ManageError::Broken => Code::Internal,
    }
}

/// The problems that travel in the details of a status.
pub(super) fn problems(status: &Status) -> Vec<Problem> {
    let details = RpcStatus::decode(status.details()).unwrap_or_default().details;
    let of_ours = details.iter().filter(|any| any.type_url.ends_with("turnpike.config.v1.Problem"));
    of_ours.filter_map(|any| Problem::decode(any.value.as_slice()).ok()).collect()
}

fn details(code: Code, message: String, problems: &[Problem]) -> Vec<u8> {
    let mut room = DETAILS_BYTES;
    let details = problems.iter().map_while(|problem| {
        room = room.checked_sub(problem.encoded_len())?;
        Some(Any {
            type_url: "type.googleapis.com/turnpike.config.v1.Problem".to_owned(),
            value: problem.encode_to_vec(),
        })
    });
    let details = details.collect();
    RpcStatus { code: code.into(), message, details }.encode_to_vec()
}
