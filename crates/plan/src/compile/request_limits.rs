//! How large may a call of an API be?

use turnpike_proto::config::v1::RequestLimits;
use turnpike_proto::config::v1::api_type::Type as ApiType;

use crate::problem::{At, Problems};

const MOST_BYTES: u64 = 1 << 40;

/// The limits of each call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestLimitsPlan {
    /// Bytes of a request body; `None`: as many as the gateway takes of any API.
    pub max_request_bytes: Option<u64>,
    /// Bytes of a message of a WebSocket; `None`: as many as the gateway takes of any API.
    pub max_message_bytes: Option<u64>,
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
    let message = limits.and_then(|limits| limits.max_message_bytes);
    check_message(message, kind, &at.name("maxMessageBytes"), problems);
    RequestLimitsPlan { max_request_bytes: given.or(unlimited), max_message_bytes: message }
}

fn check_message(given: Option<u64>, kind: ApiType, at: &At<'_>, problems: &mut Problems) {
    let Some(bytes) = given else { return };
    if kind != ApiType::Ws {
        problems.add(at, "only WebSockets have messages", "write `type: WS`, or leave it out");
    }
    if bytes == 0 || bytes > MOST_BYTES {
        let suggestion = "write a number from 1 to 1099511627776, or leave it out";
        problems.add(at, "a message has from 1 byte to 1 TiB", suggestion);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(limits: RequestLimits, kind: ApiType, expected: Result<Option<u64>, &str>) {
        let mut problems = Problems::default();
        let plan = compile_request_limits(Some(&limits), kind, &At::ROOT, &mut problems);
        let message = limits.max_message_bytes.is_some();
        let bytes = if message { plan.max_message_bytes } else { plan.max_request_bytes };
        let problem = problems.into_list().into_iter().next().map(|problem| problem.reason);
        assert_eq!(problem.as_deref().map_or(Ok(bytes), Err), expected);
    }

    fn request(bytes: Option<u64>) -> RequestLimits {
        RequestLimits { max_request_bytes: bytes, max_message_bytes: None }
    }

    fn message(bytes: u64) -> RequestLimits {
        RequestLimits { max_request_bytes: None, max_message_bytes: Some(bytes) }
    }

    #[test]
    fn a_limit_that_is_given_holds_for_every_kind_of_api() {
        check(request(Some(0)), ApiType::Http, Ok(Some(0)));
        check(request(Some(5)), ApiType::Grpc, Ok(Some(5)));
        check(request(Some(MOST_BYTES)), ApiType::Http, Ok(Some(MOST_BYTES)));
        let more = request(Some(MOST_BYTES + 1));
        check(more, ApiType::Http, Err("a body has at most 1 TiB"));
    }

    #[test]
    fn only_grpc_has_none_by_itself() {
        check(request(None), ApiType::Http, Ok(None));
        check(request(None), ApiType::Grpc, Ok(Some(u64::MAX)));
    }

    #[test]
    fn a_message_has_a_limit_where_there_are_messages() {
        check(message(1), ApiType::Ws, Ok(Some(1)));
        check(message(MOST_BYTES), ApiType::Ws, Ok(Some(MOST_BYTES)));
        for bytes in [0, MOST_BYTES + 1] {
            check(message(bytes), ApiType::Ws, Err("a message has from 1 byte to 1 TiB"));
        }
        check(message(1), ApiType::Http, Err("only WebSockets have messages"));
    }
}
