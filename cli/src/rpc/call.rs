//! What did a service answer, when it was not what was asked for?

use std::error::Error as _;
use std::fmt;

use prost::Message as _;
use tonic::{Code, Status};
use turnpike_proto::config::v1::Problem;

const PROBLEM: &str = "turnpike.config.v1.Problem";

/// A call that was refused or did not arrive.
#[derive(Debug)]
pub(crate) struct CallError {
    /// "control plane", "key manager", "analytics collector".
    pub(super) service: &'static str,
    pub(super) address: String,
    pub(super) status: Box<Status>,
}

impl CallError {
    /// What is wrong with the resources that were sent, in the service's own words.
    pub(crate) fn problems(&self) -> Vec<Problem> {
        let details = Details::decode(self.status.details()).unwrap_or_default();
        let problems = details.details.iter().filter(|any| any.type_url.ends_with(PROBLEM));
        problems.filter_map(|any| Problem::decode(any.value.as_slice()).ok()).collect()
    }

    /// Whether nobody answered.
    pub(crate) fn is_unreachable(&self) -> bool {
        self.status.code() == Code::Unavailable
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { service, address, status } = self;
        match status.code() {
            Code::Unavailable => {
                write!(f, "the {service} at {address} cannot be reached ({})", reason(status))
            }
            Code::DeadlineExceeded | Code::Cancelled => {
                let reason = reason(status);
                write!(f, "the {service} at {address} did not answer in time ({reason})")
            }
            Code::Unimplemented => {
                write!(
                    f,
                    "the {service} at {address} does not know this call: {}",
                    status.message()
                )
            }
            _ => f.write_str(status.message()),
        }
    }
}

// The status is said as a whole above; as a cause it would only repeat itself.
impl std::error::Error for CallError {}

/// The innermost cause says most: "Connection refused" rather than "transport error".
fn reason(status: &Status) -> String {
    let mut cause = status.source();
    let mut reason = status.message().to_owned();
    while let Some(error) = cause {
        reason = error.to_string();
        cause = error.source();
    }
    reason
}

/// The part of `google.rpc.Status` that is read here.
#[derive(Clone, PartialEq, prost::Message)]
struct Details {
    #[prost(message, repeated, tag = "3")]
    details: Vec<prost_types::Any>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(status: Status) -> CallError {
        let address = "https://127.0.0.1:9444".to_owned();
        CallError { service: "control plane", address, status: Box::new(status) }
    }

    #[test]
    fn who_did_not_answer_in_time_says_why() {
        let stopped = "the query was stopped after 30s; ask for less time";
        assert_eq!(
            error(Status::deadline_exceeded(stopped)).to_string(),
            format!(
                "the control plane at https://127.0.0.1:9444 did not answer in time ({stopped})"
            )
        );
    }

    #[test]
    fn problems_are_read_from_the_details() {
        let problem = Problem { field: "spec.context".to_owned(), ..Problem::default() };
        let any = prost_types::Any {
            type_url: format!("type.googleapis.com/{PROBLEM}"),
            value: problem.encode_to_vec(),
        };
        let details = Details { details: vec![any] }.encode_to_vec();
        let status = Status::with_details(Code::InvalidArgument, "bad", details.into());
        assert_eq!(error(status).problems(), [problem]);
        assert_eq!(error(Status::invalid_argument("bad")).problems(), []);
    }

    #[test]
    fn an_absent_service_is_named_with_its_address() {
        assert_eq!(
            error(Status::unavailable("gone")).to_string(),
            "the control plane at https://127.0.0.1:9444 cannot be reached (gone)"
        );
    }
}
