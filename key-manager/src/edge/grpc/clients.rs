//! Clients, as the control plane makes and removes them.

use tonic::{Request, Response, Status};
use turnpike_proto::identity::v1::clients_server::Clients;
use turnpike_proto::identity::v1::{
    AddClientSecretRequest, AddClientSecretResponse, FindClientRequest, FindClientResponse,
    ListClientSecretsRequest, ListClientSecretsResponse, RegisterClientRequest,
    RegisterClientResponse, RemoveClientRequest, RemoveClientResponse, RemoveClientSecretRequest,
    RemoveClientSecretResponse,
};

use super::{caller, status, to_proto};
use crate::client_auth::Settings;
use crate::domain::{About, ClientId, Requests};
use crate::endpoint::Authority;
use crate::federation::{Wanted, find, register as register_there, unregister};
use crate::registration::{
    Application, WantedTerms, add_secret, list_secrets, register, remove, remove_secret,
};

#[derive(Debug)]
pub(super) struct Registry(Authority);

impl Registry {
    pub(super) const fn new(authority: Authority) -> Self {
        Self(authority)
    }
}

impl Registry {
    /// Makes a client at a third-party provider.
    async fn register_elsewhere(
        &self,
        authority: &Authority,
        asked: RegisterClientRequest,
    ) -> Result<Response<RegisterClientResponse>, Status> {
        let member = authority.federation.in_use(&asked.key_manager);
        let member = member.map_err(|error| status::of_federation(&error))?;
        let wanted = Wanted {
            name: asked.name.clone(),
            grant_types: asked.grant_types.clone(),
            scopes: asked.scopes.clone(),
            redirect_uris: asked.redirect_uris.clone(),
        };
        let understood = RegisterClientRequest {
            name: asked.name.clone(),
            grant_types: asked.grant_types.clone(),
            scopes: asked.scopes.clone(),
            redirect_uris: asked.redirect_uris.clone(),
            key_manager: asked.key_manager.clone(),
            ..RegisterClientRequest::default()
        };
        if asked != understood {
            let reason = "only name, grant types, scopes and redirect URIs are said to a provider";
            return Err(Status::invalid_argument(reason));
        }
        let made = register_there(&member, &wanted).await;
        let made = made.map_err(|error| status::of_federation(&error))?;
        tracing::info!(provider = asked.key_manager, client = made.client_id, "client registered");
        Ok(Response::new(RegisterClientResponse {
            client_id: made.client_id,
            client_secret: made.secret.expose().to_owned(),
            token_endpoint: made.token_endpoint,
            issuer: member.provider.issuer.clone(),
        }))
    }
}

#[tonic::async_trait]
impl Clients for Registry {
    async fn register(
        &self,
        request: Request<RegisterClientRequest>,
    ) -> Result<Response<RegisterClientResponse>, Status> {
        let authority = self.0.by(&caller(&request));
        let asked = request.into_inner();
        if !matches!(asked.key_manager.as_str(), "" | "resident") {
            return self.register_elsewhere(&authority, asked).await;
        }
        let application = Application {
            name: asked.name,
            grant_types: asked.grant_types,
            scopes: asked.scopes,
            access_token_seconds: asked.access_token_seconds,
            algorithm: asked.access_token_algorithm,
            redirect_uris: asked.redirect_uris,
            public: asked.public,
            first_party: asked.first_party,
            requests: Requests {
                without_pkce: asked.allow_no_pkce_insecure,
                pushed: asked.require_pushed_authorization_requests,
                signed: asked.require_signed_request_object,
            },
            logout_uris: asked.post_logout_redirect_uris,
            logout_notice: asked.backchannel_logout_uri,
            refresh: asked.refresh_policy,
            settings: Settings {
                method: asked.token_endpoint_auth_method,
                algorithm: asked.token_endpoint_auth_signing_alg,
                any_algorithm: false,
                jwks: asked.jwks,
                jwks_uri: asked.jwks_uri,
                subject_dn: asked.tls_client_auth_subject_dn,
                san_dns: asked.tls_client_auth_san_dns,
                san_uri: asked.tls_client_auth_san_uri,
                san_ip: asked.tls_client_auth_san_ip,
                san_email: asked.tls_client_auth_san_email,
                dpop_bound: asked.dpop_bound_access_tokens,
                certificate_bound: asked.tls_client_certificate_bound_access_tokens,
            },
            about: About::default(),
            terms: WantedTerms {
                token_format: asked.access_token_format,
                details: asked.authorization_details_types,
                response_types: asked.response_types,
                origins: asked.allowed_origins,
                logout_frame: asked.frontchannel_logout_uri,
                notify: asked.backchannel_client_notification_endpoint,
                request_uris: asked.request_uris,
                profile: asked.client_profile,
                userinfo_algorithm: asked.userinfo_signed_response_alg,
                networks: asked.allowed_ips,
                domains: asked.allowed_domains,
            },
        };
        let registered = register(&authority, &application)
            .await
            .map_err(|error| status::of_registration(&error))?;
        Ok(Response::new(RegisterClientResponse {
            client_id: registered.client.id.to_string(),
            client_secret: registered.secret.as_str().to_owned(),
            token_endpoint: self.0.issuer.address("token"),
            issuer: self.0.issuer.as_str().to_owned(),
        }))
    }

    async fn remove(
        &self,
        request: Request<RemoveClientRequest>,
    ) -> Result<Response<RemoveClientResponse>, Status> {
        let authority = self.0.by(&caller(&request));
        let RemoveClientRequest { client_id, key_manager } = request.into_inner();
        if !matches!(key_manager.as_str(), "" | "resident") {
            let member = authority.federation.in_use(&key_manager);
            let member = member.map_err(|error| status::of_federation(&error))?;
            let removed = unregister(&member, &client_id).await;
            removed.map_err(|error| status::of_federation(&error))?;
            return Ok(Response::new(RemoveClientResponse {}));
        }
        // Removing what is not there is no error: a retry of a removal that was not answered.
        if let Ok(id) = ClientId::parse(&client_id) {
            remove(&authority, &id).await.map_err(|error| status::of_store(&error))?;
        }
        Ok(Response::new(RemoveClientResponse {}))
    }

    async fn find(
        &self,
        request: Request<FindClientRequest>,
    ) -> Result<Response<FindClientResponse>, Status> {
        let FindClientRequest { client_id, key_manager } = request.into_inner();
        let member = self.0.federation.in_use(&key_manager);
        let member = member.map_err(|error| status::of_federation(&error))?;
        let found = find(&member, &client_id).await;
        let found = found.map_err(|error| status::of_federation(&error))?;
        if found == Some(false) {
            return Err(Status::not_found(format!("{key_manager} knows no such client")));
        }
        Ok(Response::new(FindClientResponse { asked: found.is_some() }))
    }

    async fn add_secret(
        &self,
        request: Request<AddClientSecretRequest>,
    ) -> Result<Response<AddClientSecretResponse>, Status> {
        let authority = self.0.by(&caller(&request));
        let AddClientSecretRequest { client_id, label, expires_at } = request.into_inner();
        let expires_at = expires_at.map(|at| at.seconds);
        let added = add_secret(&authority, &known(&client_id)?, &label, expires_at).await;
        let (stored, plain) = added.map_err(|error| status::of_registration(&error))?;
        let client_secret = plain.as_str().to_owned();
        Ok(Response::new(AddClientSecretResponse { secret_id: stored.id, client_secret }))
    }

    async fn list_secrets(
        &self,
        request: Request<ListClientSecretsRequest>,
    ) -> Result<Response<ListClientSecretsResponse>, Status> {
        let id = known(&request.into_inner().client_id)?;
        let secrets = list_secrets(&self.0, &id).await;
        let secrets = secrets.map_err(|error| status::of_registration(&error))?;
        let secrets = secrets.into_iter().map(to_proto::client_secret).collect();
        Ok(Response::new(ListClientSecretsResponse { secrets }))
    }

    async fn remove_secret(
        &self,
        request: Request<RemoveClientSecretRequest>,
    ) -> Result<Response<RemoveClientSecretResponse>, Status> {
        let authority = self.0.by(&caller(&request));
        let RemoveClientSecretRequest { client_id, secret_id } = request.into_inner();
        remove_secret(&authority, &known(&client_id)?, &secret_id)
            .await
            .map_err(|error| status::of_registration(&error))?;
        Ok(Response::new(RemoveClientSecretResponse {}))
    }
}

/// A name that could be that of a client.
fn known(id: &str) -> Result<ClientId, Status> {
    ClientId::parse(id).map_err(|_| Status::not_found("there is no such client"))
}
