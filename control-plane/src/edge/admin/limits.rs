//! How full are limits, and how do they begin afresh, over gRPC?

use std::time::Duration;

use tonic::{Request, Response, Status};
use turnpike_proto::admin::v1::limits_server::Limits;
use turnpike_proto::admin::v1::{
    LimitResetRequest, LimitResetResponse, LimitUsageRequest, LimitUsageResponse,
};

use super::administrators::caller;
use crate::edge::desk::Desk;
use crate::edge::status;

#[tonic::async_trait]
impl Limits for Desk {
    async fn usage(
        &self,
        request: Request<LimitUsageRequest>,
    ) -> Result<Response<LimitUsageResponse>, Status> {
        let by = caller(&request)?;
        let request = request.into_inner();
        let limit = span(request.timeout)?;
        let told = self.limit_usage(&by, request, limit).await;
        told.map(Response::new).map_err(|error| status::of(&error))
    }

    async fn reset(
        &self,
        request: Request<LimitResetRequest>,
    ) -> Result<Response<LimitResetResponse>, Status> {
        let by = caller(&request)?;
        let request = request.into_inner();
        let limit = span(request.timeout)?;
        let told = self.limit_reset(&by, request, limit).await;
        told.map(Response::new).map_err(|error| status::of(&error))
    }
}

fn span(timeout: Option<prost_types::Duration>) -> Result<Option<Duration>, Status> {
    let refuse = |_| Status::invalid_argument("`timeout` is not a span of time");
    timeout.map(Duration::try_from).transpose().map_err(refuse)
}
