//! People, as the control plane and administrators make and remove them.

use tonic::{Request, Response, Status};
use turnpike_proto::identity::v1::users_server::Users;
use turnpike_proto::identity::v1::{
    ApproveUserRequest, ApproveUserResponse, CreateUserRequest, CreateUserResponse,
    DeleteUserRequest, DeleteUserResponse, DisableUserRequest, DisableUserResponse,
    LinkUserRequest, LinkUserResponse, ListPendingUsersRequest, ListPendingUsersResponse,
    SetClaimsRequest, SetClaimsResponse, SetPasswordRequest, SetPasswordResponse,
    UnlinkUserRequest, UnlinkUserResponse,
};

use super::{caller, status, to_proto};
use crate::accounts;
use crate::endpoint::Authority;
use crate::federation::FederationError;

#[derive(Debug)]
pub(super) struct People(Authority);

impl People {
    pub(super) const fn new(authority: Authority) -> Self {
        Self(authority)
    }

    /// The issuer of a provider, in use or not.
    fn issuer(&self, key_manager: &str) -> Result<String, Status> {
        let member = self.0.federation.get(key_manager);
        let member = member.ok_or_else(|| status::of_federation(&FederationError::Unknown))?;
        Ok(member.provider.issuer.clone())
    }
}

#[tonic::async_trait]
impl Users for People {
    async fn create(
        &self,
        request: Request<CreateUserRequest>,
    ) -> Result<Response<CreateUserResponse>, Status> {
        let authority = self.0.by(&caller(&request));
        let CreateUserRequest { name, password, claims, password_hash } = request.into_inner();
        let made = match (password.as_str(), password_hash.as_str()) {
            (password, "") => accounts::create(&authority, &name, password, &claims).await,
            ("", hash) => accounts::bring(&authority, &name, hash, &claims).await,
            _ => return Err(Status::invalid_argument("password_hash: not beside a password")),
        };
        let user = made.map_err(|error| status::of_account(&error))?;
        Ok(Response::new(CreateUserResponse { user_id: user.id, name: user.name.to_string() }))
    }

    async fn list_pending(
        &self,
        _request: Request<ListPendingUsersRequest>,
    ) -> Result<Response<ListPendingUsersResponse>, Status> {
        let waiting = accounts::pending(&self.0).await;
        let waiting = waiting.map_err(|error| status::of_account(&error))?;
        let users = waiting.into_iter().map(to_proto::pending).collect();
        Ok(Response::new(ListPendingUsersResponse { users }))
    }

    async fn approve(
        &self,
        request: Request<ApproveUserRequest>,
    ) -> Result<Response<ApproveUserResponse>, Status> {
        let authority = self.0.by(&caller(&request));
        let approved = accounts::approve(&authority, &request.into_inner().user_id).await;
        approved.map_err(|error| status::of_account(&error))?;
        Ok(Response::new(ApproveUserResponse {}))
    }

    async fn set_password(
        &self,
        request: Request<SetPasswordRequest>,
    ) -> Result<Response<SetPasswordResponse>, Status> {
        let authority = self.0.by(&caller(&request));
        let SetPasswordRequest { user_id, password } = request.into_inner();
        let set = accounts::set_password(&authority, &user_id, &password).await;
        set.map_err(|error| status::of_account(&error))?;
        Ok(Response::new(SetPasswordResponse {}))
    }

    async fn set_claims(
        &self,
        request: Request<SetClaimsRequest>,
    ) -> Result<Response<SetClaimsResponse>, Status> {
        let authority = self.0.by(&caller(&request));
        let SetClaimsRequest { user_id, claims } = request.into_inner();
        let set = accounts::set_claims(&authority, &user_id, &claims).await;
        set.map_err(|error| status::of_account(&error))?;
        Ok(Response::new(SetClaimsResponse {}))
    }

    async fn link(
        &self,
        request: Request<LinkUserRequest>,
    ) -> Result<Response<LinkUserResponse>, Status> {
        let authority = self.0.by(&caller(&request));
        let LinkUserRequest { user_id, key_manager, subject } = request.into_inner();
        let issuer = self.issuer(&key_manager)?;
        let linked = accounts::link(&authority, &user_id, &issuer, &subject).await;
        linked.map_err(|error| status::of_account(&error))?;
        Ok(Response::new(LinkUserResponse {}))
    }

    async fn unlink(
        &self,
        request: Request<UnlinkUserRequest>,
    ) -> Result<Response<UnlinkUserResponse>, Status> {
        let authority = self.0.by(&caller(&request));
        let UnlinkUserRequest { key_manager, subject } = request.into_inner();
        let issuer = self.issuer(&key_manager)?;
        let unlinked = accounts::unlink(&authority, &issuer, &subject).await;
        unlinked.map_err(|error| status::of_account(&error))?;
        Ok(Response::new(UnlinkUserResponse {}))
    }

    async fn disable(
        &self,
        request: Request<DisableUserRequest>,
    ) -> Result<Response<DisableUserResponse>, Status> {
        let authority = self.0.by(&caller(&request));
        let DisableUserRequest { user_id, enable } = request.into_inner();
        let changed = accounts::disable(&authority, &user_id, !enable).await;
        changed.map_err(|error| status::of_account(&error))?;
        Ok(Response::new(DisableUserResponse {}))
    }

    async fn delete(
        &self,
        request: Request<DeleteUserRequest>,
    ) -> Result<Response<DeleteUserResponse>, Status> {
        let authority = self.0.by(&caller(&request));
        // Removing who is not there is no error: a retry of a removal that was not answered.
        let removed = accounts::remove(&authority, &request.into_inner().user_id).await;
        removed.map_err(|error| status::of_account(&error))?;
        Ok(Response::new(DeleteUserResponse {}))
    }
}
