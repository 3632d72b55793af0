//! How is decided about what waits, over gRPC?

use tonic::{Request, Response, Status};
use turnpike_proto::admin::v1::workflow_requests_server::WorkflowRequests;
use turnpike_proto::admin::v1::{
    DecideWorkflowRequest, GetWorkflowRequest, ListWorkflowRequest, ListWorkflowResponse,
};
use turnpike_proto::config::v1::WorkflowRequest;

use super::administrators::caller;
use crate::edge::desk::Desk;
use crate::edge::status;
use crate::manage::workflow::Verdict;

#[tonic::async_trait]
impl WorkflowRequests for Desk {
    async fn get(
        &self,
        request: Request<GetWorkflowRequest>,
    ) -> Result<Response<WorkflowRequest>, Status> {
        let found = self.request(&caller(&request)?, &request.get_ref().id);
        found.map(Response::new).map_err(|error| status::of(&error))
    }

    async fn list(
        &self,
        request: Request<ListWorkflowRequest>,
    ) -> Result<Response<ListWorkflowResponse>, Status> {
        let by = caller(&request)?;
        let page = self.requests(&by, request.into_inner());
        page.map(Response::new).map_err(|error| status::of(&error))
    }

    async fn approve(
        &self,
        request: Request<DecideWorkflowRequest>,
    ) -> Result<Response<WorkflowRequest>, Status> {
        decided(self, request, Verdict::Approve).await
    }

    async fn reject(
        &self,
        request: Request<DecideWorkflowRequest>,
    ) -> Result<Response<WorkflowRequest>, Status> {
        decided(self, request, Verdict::Reject).await
    }
}

async fn decided(
    desk: &Desk,
    request: Request<DecideWorkflowRequest>,
    verdict: Verdict,
) -> Result<Response<WorkflowRequest>, Status> {
    let by = caller(&request)?;
    let decided = desk.decide(&by, request.into_inner(), verdict).await;
    decided.map(Response::new).map_err(|error| status::of(&error))
}
