//! How are steps in the life of APIs taken, and versions made, over gRPC?

use tonic::{Request, Response, Status};
use turnpike_proto::admin::v1::lifecycle_server::Lifecycle;
use turnpike_proto::admin::v1::{
    ChangeLifecycleRequest, ChangeLifecycleResponse, GetLifecycleRequest, LifecycleStatus,
    NewVersionRequest, NewVersionResponse,
};

use super::administrators::caller;
use crate::edge::desk::Desk;
use crate::edge::status;

#[tonic::async_trait]
impl Lifecycle for Desk {
    async fn get(
        &self,
        request: Request<GetLifecycleRequest>,
    ) -> Result<Response<LifecycleStatus>, Status> {
        let told = self.lifecycle(&caller(&request)?, request.get_ref());
        told.map(Response::new).map_err(|error| status::of(&error))
    }

    async fn change(
        &self,
        request: Request<ChangeLifecycleRequest>,
    ) -> Result<Response<ChangeLifecycleResponse>, Status> {
        let by = caller(&request)?;
        let changed = self.change_lifecycle(&by, request.into_inner()).await;
        changed.map(Response::new).map_err(|error| status::of(&error))
    }

    async fn new_version(
        &self,
        request: Request<NewVersionRequest>,
    ) -> Result<Response<NewVersionResponse>, Status> {
        let by = caller(&request)?;
        let made = Self::new_version(self, &by, request.into_inner()).await;
        made.map(Response::new).map_err(|error| status::of(&error))
    }
}
