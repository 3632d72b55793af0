//! Is a token good, for a gateway?

use tonic::{Request, Response, Status};
use turnpike_proto::identity::v1::introspection_server::Introspection;
use turnpike_proto::identity::v1::{IntrospectRequest, IntrospectResponse};

use super::{status, to_proto};
use crate::endpoint::{Authority, introspect_for_gateway};

#[derive(Debug)]
pub(super) struct Inspection(Authority);

impl Inspection {
    pub(super) const fn new(authority: Authority) -> Self {
        Self(authority)
    }
}

#[tonic::async_trait]
impl Introspection for Inspection {
    async fn introspect(
        &self,
        request: Request<IntrospectRequest>,
    ) -> Result<Response<IntrospectResponse>, Status> {
        let token = request.into_inner().token;
        let found = introspect_for_gateway(&self.0, &token)
            .await
            .map_err(|error| status::of_store(&error))?;
        Ok(Response::new(to_proto::introspected(found)))
    }
}
