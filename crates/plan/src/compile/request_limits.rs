//! How large may a call of an API be?

use turnpike_proto::config::v1::RequestLimits;
use turnpike_proto::config::v1::api_type::Type as ApiType;

use crate::problem::{At, Problems};

const MOST_BYTES: u64 = 1 << 40;

/// The limits of each call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestLimitsPlan {
    /// Bytes of a request body; `None`: as many as the gateway takes of any API.
    pub max_request_bytes: Option<u64>,
}

pub(crate) fn compile_request_limits(
    limits: Option<&RequestLimits>,
    kind: ApiType,
    at: &At<'_>,
    problems: &mut Problems,
) -> RequestLimitsPlan {
    let given = limits.and_then(|limits| limits.max_request_bytes);
    if given.is_some_and(|bytes| bytes > MOST_BYTES) {
        let suggestion = "write at most 1099511627776, or leave it out";
        problems.add(&at.name("maxRequestBytes"), "a body has at most 1 TiB", suggestion);
    }
    // A stream of messages may last for days; each message has its own limit at the far end.
    let unlimited = (kind == ApiType::Grpc).then_some(u64::MAX);
    RequestLimitsPlan { max_request_bytes: given.or(unlimited) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(given: Option<u64>, kind: ApiType, expected: Result<Option<u64>, &str>) {
        let mut problems = Problems::default();
        let limits = RequestLimits { max_request_bytes: given };
        let plan = compile_request_limits(Some(&limits), kind, &At::ROOT, &mut problems);
        match expected {
            Ok(bytes) => {
                assert!(problems.is_empty());
                assert_eq!(plan.max_request_bytes, bytes);
            }
            Err(_) => assert!(!problems.is_empty()),
        }
    }

    #[test]
    fn a_limit_that_is_given_holds_for_every_kind_of_api() {
        check(Some(0), ApiType::Http, Ok(Some(0)));
        check(Some(5), ApiType::Grpc, Ok(Some(5)));
        check(Some(MOST_BYTES), ApiType::Http, Ok(Some(MOST_BYTES)));
        check(Some(MOST_BYTES + 1), ApiType::Http, Err("at most 1 TiB"));
    }

    #[test]
    fn only_grpc_has_none_by_itself() {
        check(None, ApiType::Http, Ok(None));
        check(None, ApiType::Grpc, Ok(Some(u64::MAX)));
    }
}
