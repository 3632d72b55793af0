//! How does a collector have somebody turned away?

use prost_types::Timestamp;
use tonic::{Code, Request, Response, Status};
use turnpike_proto::config::v1::alert_blocks_server::AlertBlocks;
use turnpike_proto::config::v1::{BlockRequest, BlockResponse};

use super::desk::Desk;
use super::status;
use crate::manage::blocks::{Asked, Block, BlockError, block};

#[tonic::async_trait]
impl AlertBlocks for Desk {
    async fn block(
        &self,
        request: Request<BlockRequest>,
    ) -> Result<Response<BlockResponse>, Status> {
        let BlockRequest { rule, alert, subject, message } = request.into_inner();
        let asked = Asked { rule, alert, subject, message };
        match block(&self.manager, asked.clone(), self.clock.unix_seconds()).await {
            Ok(Block { policy, until, proposal }) => {
                tracing::warn!(
                    rule = asked.rule,
                    subject = asked.subject,
                    policy,
                    proposed = !proposal.is_empty(),
                    "blocked for an alert"
                );
                let until = Some(Timestamp { seconds: until, nanos: 0 });
                Ok(Response::new(BlockResponse { policy, until, proposal }))
            }
            Err(error) => {
                let cause = &error as &dyn std::error::Error;
                tracing::warn!(
                    rule = asked.rule,
                    subject = asked.subject,
                    error = cause,
                    "not blocked for an alert"
                );
                Err(refused(&error))
            }
        }
    }
}

fn refused(error: &BlockError) -> Status {
    let code = match error {
        BlockError::Manage(error) => return status::of(error),
        BlockError::Wrong(_) => Code::InvalidArgument,
        BlockError::NoRule(_) => Code::NotFound,
        BlockError::TooMany => Code::ResourceExhausted,
        BlockError::Standing(_) | BlockError::Proposed(_) => Code::AlreadyExists,
        BlockError::Unseen => Code::Unavailable,
    };
    Status::new(code, error.to_string())
}
