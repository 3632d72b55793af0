//! Names and passwords, as callers show them to gateways.

use tonic::{Request, Response, Status};
use turnpike_proto::identity::v1::credentials_server::Credentials;
use turnpike_proto::identity::v1::{AuthenticateRequest, AuthenticateResponse};
use zeroize::Zeroizing;

use super::{address, status, to_proto};
use crate::endpoint::{Authority, authenticate_for_gateway};

#[derive(Debug)]
pub(super) struct Recognition(Authority);

impl Recognition {
    pub(super) const fn new(authority: Authority) -> Self {
        Self(authority)
    }
}

#[tonic::async_trait]
impl Credentials for Recognition {
    async fn authenticate(
        &self,
        request: Request<AuthenticateRequest>,
    ) -> Result<Response<AuthenticateResponse>, Status> {
        let AuthenticateRequest { name, password, client_address } = request.into_inner();
        let password = Zeroizing::new(password);
        let address = address(&client_address)?;
        let found = Box::pin(authenticate_for_gateway(&self.0, address, &name, &password)).await;
        let found = found.map_err(|refusal| status::of_refusal(&refusal))?;
        Ok(Response::new(to_proto::authenticated(found, self.0.issuer.as_str())))
    }
}
