//! Test keys, as the control plane asks for them.

use prost_types::Timestamp;
use tonic::{Request, Response, Status};
use turnpike_proto::identity::v1::test_keys_server::TestKeys;
use turnpike_proto::identity::v1::{IssueTestKeyRequest, IssueTestKeyResponse};

use super::{caller, status};
use crate::audit::Event;
use crate::endpoint::Authority;
use crate::issue::{TestKeyOrder, issue_test_key};

const USUAL_SECONDS: u32 = 15 * 60;
const MOST_SECONDS: u32 = 60 * 60;
const MOST_APIS: usize = 64;
/// A name, a colon and a version.
const LONGEST_API: usize = 257;
const LONGEST_NAME: usize = 128;

#[derive(Debug)]
pub(super) struct Trials(Authority);

impl Trials {
    pub(super) const fn new(authority: Authority) -> Self {
        Self(authority)
    }
}

#[tonic::async_trait]
impl TestKeys for Trials {
    async fn issue(
        &self,
        request: Request<IssueTestKeyRequest>,
    ) -> Result<Response<IssueTestKeyResponse>, Status> {
        let authority = self.0.by(&caller(&request));
        let asked = request.into_inner();
        let seconds = checked(&asked).map_err(Status::invalid_argument)?;
        let order = TestKeyOrder {
            apis: &asked.apis,
            sandbox: asked.sandbox,
            explain_only: asked.explain_only,
            asked_by: &asked.asked_by,
            seconds,
            now: authority.clock.unix_seconds(),
        };
        let ring = authority.keeper.ring();
        let made = issue_test_key(order, authority.origin(&ring)).await;
        let made = made.map_err(|error| status::of_issue(&error))?;
        let event = Event::of("test_key.issued").by(&asked.asked_by).with("jti", &made.jti);
        let apis = if asked.apis.is_empty() { "*".to_owned() } else { asked.apis.join(" ") };
        let event = event.with("apis", &apis).with("seconds", &seconds.to_string());
        // A key that nobody can be told about later is not handed out.
        authority.audit.record(event).await.map_err(|error| status::of_store(&error))?;
        tracing::info!(by = asked.asked_by, jti = made.jti, apis, seconds, "test key issued");
        let expires_at = Some(Timestamp { seconds: made.expires_at, nanos: 0 });
        Ok(Response::new(IssueTestKeyResponse { key: made.key, expires_at }))
    }
}

/// How long it is to be good, if it may be made.
fn checked(asked: &IssueTestKeyRequest) -> Result<u32, &'static str> {
    let plain = |text: &str, most: usize| {
        !text.is_empty() && text.len() <= most && !text.chars().any(char::is_control)
    };
    if asked.apis.is_empty() && !asked.explain_only {
        return Err("apis: a key with which calls are made names its APIs");
    }
    if asked.apis.len() > MOST_APIS {
        return Err("apis: at most 64");
    }
    if !asked.apis.iter().all(|api| plain(api, LONGEST_API) && api.contains(':')) {
        return Err("apis: each is `name:version`");
    }
    if !plain(&asked.asked_by, LONGEST_NAME) {
        return Err("asked_by: required, at most 128 bytes");
    }
    match asked.lifetime_seconds {
        0 => Ok(USUAL_SECONDS),
        seconds if seconds <= MOST_SECONDS => Ok(seconds),
        _ => Err("lifetime_seconds: at most 3600"),
    }
}
