//! Who asks, where do people sign in, and which tokens are there, over gRPC?

use std::time::Duration;

use tonic::{Request, Response, Status};
use turnpike_proto::admin::v1::people_server::People;
use turnpike_proto::admin::v1::tokens_server::Tokens;
use turnpike_proto::admin::v1::{
    CreateTokenRequest, CreateTokenResponse, ListTokensRequest, ListTokensResponse,
    RevokeTokenRequest, RevokeTokenResponse, SignInRequest, SignInResponse, WhoAmIRequest,
    WhoAmIResponse,
};

use super::administrators::caller;
use crate::edge::desk::Desk;
use crate::edge::{status, to_proto};
use crate::manage;
use crate::people::{NewToken, SignIn};

#[tonic::async_trait]
impl People for Desk {
    async fn who_am_i(
        &self,
        request: Request<WhoAmIRequest>,
    ) -> Result<Response<WhoAmIResponse>, Status> {
        Ok(Response::new(to_proto::caller(&caller(&request)?)))
    }

    async fn sign_in(&self, _: Request<SignInRequest>) -> Result<Response<SignInResponse>, Status> {
        let nowhere = || Status::not_found("nobody signs in here; see `people.client_id`");
        let SignIn { issuer, client_id, scopes } = self.people.sign_in().ok_or_else(nowhere)?;
        Ok(Response::new(SignInResponse { issuer, client_id, scopes }))
    }
}

#[tonic::async_trait]
impl Tokens for Desk {
    async fn create(
        &self,
        request: Request<CreateTokenRequest>,
    ) -> Result<Response<CreateTokenResponse>, Status> {
        let by = caller(&request)?;
        let request = request.into_inner();
        let lifetime = request.lifetime.map(Duration::try_from).transpose();
        let refuse = |_| Status::invalid_argument("`lifetime` is not a span of time");
        let lifetime = lifetime.map_err(refuse)?.map_or(0, |span| span.as_secs());
        let wanted = NewToken {
            name: request.name,
            roles: request.roles,
            owner: request.owner,
            tenant: request.tenant,
            read_only: request.read_only,
            kinds: request.kinds,
            objects: request.objects,
            lifetime: i64::try_from(lifetime).unwrap_or(i64::MAX),
        };
        let made = manage::create_token(&by, &self.manager, wanted).await;
        let (token, secret) = made.map_err(|error| status::of(&error))?;
        let token = Some(to_proto::token(&token, None));
        let secret = secret.expose().to_owned();
        Ok(Response::new(CreateTokenResponse { token, secret }))
    }

    async fn list(
        &self,
        request: Request<ListTokensRequest>,
    ) -> Result<Response<ListTokensResponse>, Status> {
        let by = caller(&request)?;
        let found = manage::list_tokens(&by, self.manager.catalog());
        let found = found.map_err(|error| status::of(&error))?;
        let tokens = found.iter().map(|(token, used)| to_proto::token(token, *used)).collect();
        Ok(Response::new(ListTokensResponse { tokens }))
    }

    async fn revoke(
        &self,
        request: Request<RevokeTokenRequest>,
    ) -> Result<Response<RevokeTokenResponse>, Status> {
        let by = caller(&request)?;
        let named = request.into_inner().token;
        let revoked = manage::revoke_token(&by, &self.manager, &named).await;
        revoked.map_err(|error| status::of(&error))?;
        Ok(Response::new(RevokeTokenResponse {}))
    }
}
