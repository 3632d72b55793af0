//! How is a key manager asked that speaks no standard?
//!
//! Through a program of the operator's, over gRPC with mutual TLS. Which tokens are its own is not asked:
//! the resource says it (decision D9).

use std::fmt;
use std::time::Duration;

use chassis::Secret;
use serde_json::{Map, Value};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use turnpike_proto::identity::v1 as proto;
use turnpike_proto::identity::v1::provider_connector_client::ProviderConnectorClient;

/// The largest answer, in bytes.
const LARGEST: usize = 64 * 1024;
/// The longest identifier of a client there, in bytes.
const LONGEST_ID: usize = 2048;
/// For one answer.
const DEADLINE: Duration = Duration::from_secs(5);

/// A connector; cheap to clone.
#[derive(Clone)]
pub struct Connector {
    key_manager: String,
    channel: Channel,
}

/// A client at a provider.
#[derive(Debug)]
pub struct Connected {
    pub client_id: String,
    /// Empty: it has none, or it is not told.
    pub secret: Secret,
    /// Empty: not known.
    pub token_endpoint: String,
}

#[derive(Debug, thiserror::Error)]
pub enum ConnectorError {
    #[error("the connector refuses: {0}")]
    Refused(String),
    #[error("the connector did not answer")]
    Away(#[source] Box<Status>),
    #[error("the answer of the connector cannot be used: {0}")]
    Broken(&'static str),
}

impl Connector {
    /// For the `KeyManager` of this name.
    pub const fn new(key_manager: String, channel: Channel) -> Self {
        Self { key_manager, channel }
    }

    /// The issuer that it speaks for.
    pub async fn issuer(&self) -> Result<String, ConnectorError> {
        let asked =
            proto::GetConnectorConfigurationRequest { key_manager: self.key_manager.clone() };
        let said = self.client().get_configuration(request(asked)).await.map_err(meaning)?;
        let said = said.into_inner();
        tracing::debug!(
            key_manager = self.key_manager,
            version = said.version,
            title = said.title,
            "connector described"
        );
        Ok(said.issuer)
    }

    /// Makes a client.
    pub async fn create(
        &self,
        name: &str,
        grant_types: &[String],
        scopes: &[String],
        redirect_uris: &[String],
    ) -> Result<Connected, ConnectorError> {
        let asked = proto::CreateConnectedApplicationRequest {
            key_manager: self.key_manager.clone(),
            name: name.to_owned(),
            grant_types: grant_types.to_vec(),
            scopes: scopes.to_vec(),
            redirect_uris: redirect_uris.to_vec(),
        };
        let made = self.client().create_application(request(asked)).await.map_err(meaning)?;
        connected(made.into_inner())
    }

    /// The client with exactly this identifier; `None`: there is none.
    pub async fn retrieve(&self, client_id: &str) -> Result<Option<Connected>, ConnectorError> {
        let asked = proto::RetrieveConnectedApplicationRequest {
            key_manager: self.key_manager.clone(),
            client_id: client_id.to_owned(),
        };
        let found = match self.client().retrieve_application(request(asked)).await {
            Ok(found) => connected(found.into_inner())?,
            Err(status) if status.code() == Code::NotFound => return Ok(None),
            Err(status) => return Err(meaning(status)),
        };
        // One that looks like it is another one.
        Ok(Some(found).filter(|found| found.client_id == client_id))
    }

    /// Removes a client, if it is there.
    pub async fn delete(&self, client_id: &str) -> Result<(), ConnectorError> {
        let asked = proto::DeleteConnectedApplicationRequest {
            key_manager: self.key_manager.clone(),
            client_id: client_id.to_owned(),
        };
        match self.client().delete_application(request(asked)).await {
            Err(status) if status.code() != Code::NotFound => Err(meaning(status)),
            _ => Ok(()),
        }
    }

    /// What is said of a token; `None`: it is not good.
    pub async fn introspect(
        &self,
        token: &str,
    ) -> Result<Option<Map<String, Value>>, ConnectorError> {
        let asked = proto::ConnectorIntrospectRequest {
            key_manager: self.key_manager.clone(),
            token: token.to_owned(),
        };
        let said = self.client().introspect(request(asked)).await.map_err(meaning)?.into_inner();
        if !said.active {
            return Ok(None);
        }
        let claims = serde_json::from_str(&said.claims);
        claims.map(Some).map_err(|_| ConnectorError::Broken("claims is no JSON object"))
    }

    fn client(&self) -> ProviderConnectorClient<Channel> {
        ProviderConnectorClient::new(self.channel.clone()).max_decoding_message_size(LARGEST)
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").field("key_manager", &self.key_manager).finish_non_exhaustive()
    }
}

fn request<T>(message: T) -> Request<T> {
    let mut request = chassis::rpc::traced(Request::new(message));
    request.set_timeout(DEADLINE);
    request
}

fn connected(said: proto::ConnectedApplication) -> Result<Connected, ConnectorError> {
    let id = said.client_id;
    if !(1..=LONGEST_ID).contains(&id.len()) || id.chars().any(char::is_control) {
        return Err(ConnectorError::Broken("client_id is empty, too long or no text"));
    }
    Ok(Connected {
        client_id: id,
        secret: Secret::new(said.client_secret),
        token_endpoint: said.token_endpoint,
    })
}

fn meaning(status: Status) -> ConnectorError {
    match status.code() {
        Code::InvalidArgument | Code::FailedPrecondition => {
            let plain = status.message().chars().filter(|letter| !letter.is_control());
            ConnectorError::Refused(plain.take(200).collect())
        }
        _ => ConnectorError::Away(Box::new(status)),
    }
}
