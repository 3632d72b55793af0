//! How are rollouts begun, shown and ended over gRPC?

use tonic::{Request, Response, Status};
use turnpike_proto::admin::v1::rollouts_server::Rollouts;
use turnpike_proto::admin::v1::{
    AbortRolloutRequest, ApplyResponse, ContinueRolloutRequest, GetRolloutRequest,
    ListRolloutsRequest, ListRolloutsResponse, Rollout,
};

use super::administrators::caller;
use crate::edge::desk::Desk;
use crate::edge::status;
use crate::manage::ManageError;
use crate::people::Caller;
use crate::rollout::{Begin, RolloutError};

/// More of a reason is refused.
const REASON_BYTES: usize = 1024;

/// Applies resources in waves.
pub(super) async fn begin(
    desk: &Desk,
    by: &Caller,
    begin: Begin,
) -> Result<Response<ApplyResponse>, Status> {
    match desk.roll_out(by, begin).await {
        Ok(response) => Ok(Response::new(response)),
        // As with any other apply, problems are an answer.
        Err(RolloutError::Manage(ManageError::Refused(problems))) => {
            let revision = desk.manager.catalog().current().map_or(0, |state| state.revision);
            Ok(Response::new(ApplyResponse { revision, problems, ..ApplyResponse::default() }))
        }
        Err(error) => Err(status::of_rollout(&error)),
    }
}

#[tonic::async_trait]
impl Rollouts for Desk {
    async fn list(
        &self,
        _: Request<ListRolloutsRequest>,
    ) -> Result<Response<ListRolloutsResponse>, Status> {
        let items = self.rollouts.list().map_err(|error| status::of_rollout(&error))?;
        Ok(Response::new(ListRolloutsResponse { items }))
    }

    async fn get(&self, request: Request<GetRolloutRequest>) -> Result<Response<Rollout>, Status> {
        let found = self.rollouts.get(&request.into_inner().name);
        found.map(Response::new).map_err(|error| status::of_rollout(&error))
    }

    async fn abort(
        &self,
        request: Request<AbortRolloutRequest>,
    ) -> Result<Response<Rollout>, Status> {
        let by = caller(&request)?;
        let AbortRolloutRequest { name, reason } = request.into_inner();
        if reason.len() > REASON_BYTES {
            return Err(Status::invalid_argument("`reason` has more than 1 KiB"));
        }
        let aborted = self.rollouts.abort(&by, &name, &reason).await;
        aborted.map(Response::new).map_err(|error| status::of_rollout(&error))
    }

    async fn r#continue(
        &self,
        request: Request<ContinueRolloutRequest>,
    ) -> Result<Response<Rollout>, Status> {
        let by = caller(&request)?;
        let resumed = self.rollouts.resume(&by, &request.into_inner().name).await;
        resumed.map(Response::new).map_err(|error| status::of_rollout(&error))
    }
}
