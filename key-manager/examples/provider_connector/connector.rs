//! The connector itself: a provider with clients and opaque tokens, in memory.
//!
//! A real one would hand each call on to the interface of its provider.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tonic::{Request, Response, Status};
use turnpike_proto::identity::v1::provider_connector_server::ProviderConnector;
use turnpike_proto::identity::v1::{
    ConnectedApplication, ConnectorConfiguration, ConnectorIntrospectRequest,
    ConnectorIntrospectResponse, CreateConnectedApplicationRequest,
    DeleteConnectedApplicationRequest, DeleteConnectedApplicationResponse,
    GetConnectorConfigurationRequest, RetrieveConnectedApplicationRequest,
};

/// Who issued its tokens.
pub(crate) const ISSUER: &str = "https://legacy.example";

/// A provider that speaks no standard; cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Legacy(Arc<Mutex<Clients>>);

#[derive(Debug, Default)]
struct Clients {
    /// The scopes of a client, by its identifier.
    scopes: BTreeMap<String, Vec<String>>,
    made: u32,
}

impl Legacy {
    fn lock(&self) -> MutexGuard<'_, Clients> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[tonic::async_trait]
impl ProviderConnector for Legacy {
    async fn get_configuration(
        &self,
        _: Request<GetConnectorConfigurationRequest>,
    ) -> Result<Response<ConnectorConfiguration>, Status> {
        Ok(Response::new(ConnectorConfiguration {
            title: "the old system".to_owned(),
            version: "1".to_owned(),
            issuer: ISSUER.to_owned(),
        }))
    }

    async fn create_application(
        &self,
        request: Request<CreateConnectedApplicationRequest>,
    ) -> Result<Response<ConnectedApplication>, Status> {
        let asked = request.into_inner();
        if let Some(other) = asked.grant_types.iter().find(|one| *one != "client_credentials") {
            return Err(Status::invalid_argument(format!("the old system knows no {other}")));
        }
        let mut clients = self.lock();
        clients.made = clients.made.saturating_add(1);
        let client_id = format!("legacy-{}", clients.made);
        clients.scopes.insert(client_id.clone(), asked.scopes);
        Ok(Response::new(ConnectedApplication {
            client_id,
            client_secret: chassis::random::token(24),
            token_endpoint: format!("{ISSUER}/token"),
        }))
    }

    async fn retrieve_application(
        &self,
        request: Request<RetrieveConnectedApplicationRequest>,
    ) -> Result<Response<ConnectedApplication>, Status> {
        let client_id = request.into_inner().client_id;
        if !self.lock().scopes.contains_key(&client_id) {
            return Err(Status::not_found("there is no such client"));
        }
        Ok(Response::new(ConnectedApplication { client_id, ..ConnectedApplication::default() }))
    }

    async fn delete_application(
        &self,
        request: Request<DeleteConnectedApplicationRequest>,
    ) -> Result<Response<DeleteConnectedApplicationResponse>, Status> {
        let removed = self.lock().scopes.remove(&request.into_inner().client_id);
        let found = removed.ok_or_else(|| Status::not_found("there is no such client"));
        found.map(|_| Response::new(DeleteConnectedApplicationResponse {}))
    }

    /// Tokens look like `old_CLIENT`, and are good as long as their client is there.
    async fn introspect(
        &self,
        request: Request<ConnectorIntrospectRequest>,
    ) -> Result<Response<ConnectorIntrospectResponse>, Status> {
        let token = request.into_inner().token;
        let client = token.strip_prefix("old_").unwrap_or_default();
        let clients = self.lock();
        let Some(scopes) = clients.scopes.get(client) else {
            return Ok(Response::new(ConnectorIntrospectResponse::default()));
        };
        let claims = serde_json::json!({
            "iss": ISSUER, "client_id": client, "sub": client, "scope": scopes.join(" "),
        });
        Ok(Response::new(ConnectorIntrospectResponse { active: true, claims: claims.to_string() }))
    }
}
