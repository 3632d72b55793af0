//! How is the past told, and put back, over gRPC?

use tonic::{Request, Response, Status};
use turnpike_proto::admin::v1::audit_server::Audit;
use turnpike_proto::admin::v1::history_server::History;
use turnpike_proto::admin::v1::{
    DiffRequest, DiffResponse, GetAsOfRequest, GetAsOfResponse, ListHistoryRequest,
    ListHistoryResponse, RollbackRequest, RollbackResponse,
};
use turnpike_proto::identity::v1::{
    ListAuditRequest, ListAuditResponse, VerifyAuditRequest, VerifyAuditResponse,
};

use super::administrators::caller;
use crate::edge::desk::Desk;
use crate::edge::status;

#[tonic::async_trait]
impl History for Desk {
    async fn list(
        &self,
        request: Request<ListHistoryRequest>,
    ) -> Result<Response<ListHistoryResponse>, Status> {
        let by = caller(&request)?;
        let listed = self.history(&by, request.into_inner()).await;
        listed.map(Response::new).map_err(|error| status::of(&error))
    }

    async fn get(
        &self,
        request: Request<GetAsOfRequest>,
    ) -> Result<Response<GetAsOfResponse>, Status> {
        let by = caller(&request)?;
        let found = self.as_of(&by, request.into_inner()).await;
        found.map(Response::new).map_err(|error| status::of(&error))
    }

    async fn diff(&self, request: Request<DiffRequest>) -> Result<Response<DiffResponse>, Status> {
        let by = caller(&request)?;
        let differing = Self::diff(self, &by, request.into_inner()).await;
        differing.map(Response::new).map_err(|error| status::of(&error))
    }

    async fn rollback(
        &self,
        request: Request<RollbackRequest>,
    ) -> Result<Response<RollbackResponse>, Status> {
        let by = caller(&request)?;
        let done = Self::rollback(self, &by, request.into_inner()).await;
        done.map(Response::new).map_err(|error| status::of(&error))
    }
}

#[tonic::async_trait]
impl Audit for Desk {
    async fn list(
        &self,
        request: Request<ListAuditRequest>,
    ) -> Result<Response<ListAuditResponse>, Status> {
        let by = caller(&request)?;
        let lines = self.audit_lines(&by, request.into_inner()).await;
        lines.map(Response::new).map_err(|error| status::of(&error))
    }

    async fn verify(
        &self,
        request: Request<VerifyAuditRequest>,
    ) -> Result<Response<VerifyAuditResponse>, Status> {
        let by = caller(&request)?;
        let found = self.verify_audit(&by, request.into_inner()).await;
        found.map(Response::new).map_err(|error| status::of(&error))
    }
}
