//! How are third-party providers doing?

use tonic::{Request, Response, Status};
use turnpike_proto::identity::v1::providers_server::Providers;
use turnpike_proto::identity::v1::{ListProvidersRequest, ListProvidersResponse};

use super::to_proto;
use crate::endpoint::Authority;

#[derive(Debug)]
pub(super) struct Providing(Authority);

impl Providing {
    pub(super) const fn new(authority: Authority) -> Self {
        Self(authority)
    }
}

#[tonic::async_trait]
impl Providers for Providing {
    async fn list(
        &self,
        _request: Request<ListProvidersRequest>,
    ) -> Result<Response<ListProvidersResponse>, Status> {
        let all = self.0.federation.all().into_iter();
        let providers = all.map(|(member, status)| to_proto::provider(&member, status)).collect();
        Ok(Response::new(ListProvidersResponse { providers }))
    }
}
