//! Is a token good, for a gateway?

use tonic::{Request, Response, Status};
use turnpike_proto::identity::v1::introspection_server::Introspection;
use turnpike_proto::identity::v1::{IntrospectRequest, IntrospectResponse};

use super::{status, to_proto};
use crate::endpoint::{Authority, introspect_for_gateway};
use crate::federation::introspect;

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
        let IntrospectRequest { token, key_manager } = request.into_inner();
        if !matches!(key_manager.as_str(), "" | "resident") {
            let member = self.0.federation.in_use(&key_manager);
            let member = member.map_err(|error| status::of_federation(&error))?;
            let said = introspect(&member, &token).await;
            let said = said.map_err(|error| status::of_federation(&error))?;
            self.0.meter.introspected(said.is_some());
            return Ok(Response::new(to_proto::told(said)));
        }
        let found = introspect_for_gateway(&self.0, &token)
            .await
            .map_err(|error| status::of_store(&error))?;
        Ok(Response::new(to_proto::introspected(found)))
    }
}
