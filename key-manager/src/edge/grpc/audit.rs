//! What happened, for administrators and the control plane.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tonic::{Request, Response, Status};
use turnpike_proto::identity::v1::audit_server::Audit;
use turnpike_proto::identity::v1::{
    AuditAnchor, AuditBreak, ListAuditRequest, ListAuditResponse, VerifyAuditRequest,
    VerifyAuditResponse,
};

use super::{caller, status, to_proto};
use crate::audit::{Anchor, Event};
use crate::endpoint::Authority;

/// The most lines of one answer.
const MOST: u32 = 1000;
/// As many as are answered when nobody says how many.
const USUAL: u32 = 100;

#[derive(Debug)]
pub(super) struct Record {
    authority: Authority,
    /// The whole log is read by one at a time.
    turn: Arc<Semaphore>,
}

impl Record {
    pub(super) fn new(authority: Authority) -> Self {
        Self { authority, turn: Arc::new(Semaphore::new(1)) }
    }
}

#[tonic::async_trait]
impl Audit for Record {
    async fn list(
        &self,
        request: Request<ListAuditRequest>,
    ) -> Result<Response<ListAuditResponse>, Status> {
        let ListAuditRequest { since, after, limit } = request.into_inner();
        let limit = if limit == 0 { USUAL } else { limit.min(MOST) };
        let since = since.map_or(0, |since| since.seconds);
        let lines = self.authority.audit.lines(after, since, limit).await;
        let lines = lines.map_err(|error| status::of_store(&error))?;
        let lines = lines.into_iter().map(to_proto::audit_line).collect();
        Ok(Response::new(ListAuditResponse { lines, ..ListAuditResponse::default() }))
    }

    async fn verify(
        &self,
        request: Request<VerifyAuditRequest>,
    ) -> Result<Response<VerifyAuditResponse>, Status> {
        let busy = || Status::resource_exhausted("the log is being verified already");
        let _turn = self.turn.try_acquire().map_err(|_| busy())?;
        let by = caller(&request);
        let known = request.into_inner().known;
        let known = known.map(|AuditAnchor { sequence, hash }| Anchor { sequence, hash });
        let audit = &self.authority.audit;
        let found = audit.verify(known.as_ref()).await;
        let found = found.map_err(|error| status::of_store(&error))?;
        let outcome = if found.broken.is_some() { "broken" } else { "ok" };
        if let Some(broken) = &found.broken {
            tracing::error!(%broken, "the audit log was changed");
        }
        let event = Event::of("audit.verified").by(&by).outcome(outcome);
        audit.record(event).await.map_err(|error| status::of_store(&error))?;
        let Anchor { sequence, hash } = found.last;
        Ok(Response::new(VerifyAuditResponse {
            lines: found.lines,
            last: Some(AuditAnchor { sequence, hash }),
            broken: found
                .broken
                .map(|broken| AuditBreak { sequence: broken.sequence, why: broken.why.to_owned() }),
        }))
    }
}
