//! How are callers turned away by the control plane?

use tonic::transport::Channel;
use tonic::{Code, Request};
use turnpike_proto::config::v1::alert_blocks_client::AlertBlocksClient;
use turnpike_proto::config::v1::{BlockRequest, BlockResponse};

use crate::alert::respond::{Asked, BlockError, Blocked, Blocks};

/// Asks the control planes, one after the other, until one answers.
#[derive(Clone, Debug)]
pub struct ControlPlaneBlocks {
    /// Where they are.
    pub control_planes: Vec<Channel>,
}

#[tonic::async_trait]
impl Blocks for ControlPlaneBlocks {
    async fn block(&self, asked: &Asked) -> Result<Blocked, BlockError> {
        let Asked { rule, alert, subject, message } = asked.clone();
        let request = BlockRequest { rule, alert, subject, message };
        for control_plane in &self.control_planes {
            let mut client = AlertBlocksClient::new(control_plane.clone());
            let request = chassis::rpc::traced(Request::new(request.clone()));
            match client.block(request).await.map(tonic::Response::into_inner) {
                Ok(BlockResponse { policy, until, proposal }) => {
                    let until = until.map_or(0, |until| until.seconds);
                    return Ok(Blocked { policy, until, proposal });
                }
                Err(status) if may_work_later(status.code()) => {
                    tracing::debug!(%status, "a control plane has not blocked");
                }
                Err(status) => return Err(BlockError::Refused(status.message().to_owned())),
            }
        }
        Err(BlockError::Away)
    }
}

const fn may_work_later(code: Code) -> bool {
    matches!(
        code,
        Code::Unavailable
            | Code::DeadlineExceeded
            | Code::Aborted
            | Code::Unknown
            | Code::Cancelled
    )
}
