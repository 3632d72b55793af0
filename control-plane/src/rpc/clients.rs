//! How are clients registered at the key manager?

use std::time::Duration;

use chassis::{Host, Secret};
use serde::Deserialize;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use turnpike_proto::identity::v1::clients_client::ClientsClient;
use turnpike_proto::identity::v1::test_keys_client::TestKeysClient;
use turnpike_proto::identity::v1::{
    FindClientRequest, IssueTestKeyRequest, RegisterClientRequest, RemoveClientRequest,
};

use crate::manage::{ClientKey, Clients, ClientsError, NewClient, NewTestKey, TestKey};
use crate::people::Caller;

/// A provider that is asked for a client may take its time.
const DEADLINE: Duration = Duration::from_secs(15);

/// Section `[key_manager]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Its gRPC port, `https://host:port`.
    pub address: String,
}

/// The clients that the key manager makes, over gRPC.
#[derive(Clone, Debug)]
pub struct KeyManagerClients {
    channel: Channel,
}

impl KeyManagerClients {
    /// Connects when it is first needed.
    pub fn new(host: &Host, config: &Config) -> Result<Self, chassis::rpc::Error> {
        let channel = chassis::rpc::channel(&host.tls, &config.address, "key-manager")?;
        Ok(Self { channel })
    }
}

#[async_trait::async_trait]
impl Clients for KeyManagerClients {
    async fn register(&self, client: NewClient) -> Result<ClientKey, ClientsError> {
        let NewClient { name, scopes, key_manager, restrictions } = client;
        let request = RegisterClientRequest {
            name,
            scopes,
            key_manager,
            allowed_ips: restrictions.ips,
            allowed_domains: restrictions.domains,
            ..RegisterClientRequest::default()
        };
        let mut clients = ClientsClient::new(self.channel.clone());
        let made = clients.register(prepared(request)).await.map_err(meaning)?.into_inner();
        Ok(ClientKey {
            consumer_key: made.client_id,
            consumer_secret: Secret::new(made.client_secret),
            token_endpoint: made.token_endpoint,
        })
    }

    async fn find(&self, key_manager: &str, client_id: &str) -> Result<(), ClientsError> {
        let [client_id, key_manager] = [client_id, key_manager].map(str::to_owned);
        let request = FindClientRequest { client_id, key_manager };
        let mut clients = ClientsClient::new(self.channel.clone());
        clients.find(prepared(request)).await.map_err(meaning)?;
        Ok(())
    }

    async fn remove(&self, key_manager: &str, client_id: &str) -> Result<(), ClientsError> {
        let [client_id, key_manager] = [client_id, key_manager].map(str::to_owned);
        let request = RemoveClientRequest { client_id, key_manager };
        let mut clients = ClientsClient::new(self.channel.clone());
        clients.remove(prepared(request)).await.map_err(meaning)?;
        Ok(())
    }

    async fn test_key(&self, by: &Caller, wanted: NewTestKey) -> Result<TestKey, ClientsError> {
        let NewTestKey { apis, sandbox, explain_only, lifetime } = wanted;
        let asked_by = by.name().to_owned();
        // Less than a second is none, and none means the usual.
        let seconds = lifetime.map_or(0, |lifetime| lifetime.as_secs().max(1));
        let lifetime_seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
        let request =
            IssueTestKeyRequest { apis, sandbox, explain_only, asked_by, lifetime_seconds };
        let mut keys = TestKeysClient::new(self.channel.clone());
        let made = keys.issue(prepared(request)).await.map_err(meaning)?.into_inner();
        let expires_at = made.expires_at.map_or(0, |at| at.seconds);
        Ok(TestKey { key: Secret::new(made.key), expires_at })
    }
}

fn prepared<T>(message: T) -> Request<T> {
    let mut request = chassis::rpc::traced(Request::new(message));
    request.set_timeout(DEADLINE);
    request
}

fn meaning(status: Status) -> ClientsError {
    match status.code() {
        Code::InvalidArgument
        | Code::FailedPrecondition
        | Code::PermissionDenied
        | Code::NotFound => ClientsError::Refused(status.message().to_owned()),
        _ => ClientsError::Away(Box::new(status)),
    }
}
