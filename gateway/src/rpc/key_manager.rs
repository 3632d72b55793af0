//! How do the keys and the revocations of our own key manager reach the gateway?

use std::time::Duration;

use tonic::transport::Channel;
use tonic::{Request, Status, Streaming};
use turnpike_proto::identity::v1::keys_client::KeysClient;
use turnpike_proto::identity::v1::revocations_client::RevocationsClient;
use turnpike_proto::identity::v1::{
    EnrolGatewayKeysRequest, GatewayKeys, KeySet, ProviderKeys, WatchGatewayKeysRequest,
    WatchKeysRequest, WatchProviderKeysRequest, WatchRevocationsRequest, WatchRevocationsResponse,
};

use super::error::RpcError;

const SERVICE: &str = "key manager";
/// How long an enrolment may take.
const ENROLS_WITHIN: Duration = Duration::from_secs(5);

/// The key manager, as this gateway speaks to it.
#[derive(Clone, Debug)]
pub struct KeyManager {
    channel: Channel,
}

/// Each key set, as it comes in force.
#[derive(Debug)]
pub struct KeySets(Streaming<KeySet>);

/// The key sets of third-party providers, as they change.
#[derive(Debug)]
pub struct ProviderKeySets(Streaming<ProviderKeys>);

/// The keys by which gateways tell backends who calls, as they change.
#[derive(Debug)]
pub struct GatewayKeySets(Streaming<GatewayKeys>);

/// The log of revocations, as it grows.
#[derive(Debug)]
pub struct RevocationLog(Streaming<WatchRevocationsResponse>);

impl KeyManager {
    /// Speaks over `channel`.
    pub const fn new(channel: Channel) -> Self {
        Self { channel }
    }

    /// The key set in force and each new one.
    pub async fn keys(&self) -> Result<KeySets, RpcError> {
        let request = chassis::rpc::traced(Request::new(WatchKeysRequest {}));
        let answer = KeysClient::new(self.channel.clone()).watch(request).await;
        answer.map(|response| KeySets(response.into_inner())).map_err(failed)
    }

    /// The keys of third-party providers in force, and each change.
    pub async fn provider_keys(&self) -> Result<ProviderKeySets, RpcError> {
        let request = chassis::rpc::traced(Request::new(WatchProviderKeysRequest {}));
        let client = KeysClient::new(self.channel.clone());
        let mut client = client.max_decoding_message_size(chassis::rpc::MESSAGE_BYTES);
        let answer = client.watch_providers(request).await;
        answer.map(|response| ProviderKeySets(response.into_inner())).map_err(failed)
    }

    /// Says with which keys this gateway signs, or will sign, what it tells backends: public JWKs as JSON
    /// texts, kept for so many seconds.
    pub async fn enrol_gateway_keys(
        &self,
        jwks: Vec<String>,
        keep_seconds: u32,
    ) -> Result<(), RpcError> {
        let request = EnrolGatewayKeysRequest { jwks, keep_seconds };
        let mut request = chassis::rpc::traced(Request::new(request));
        request.set_timeout(ENROLS_WITHIN);
        let answer = KeysClient::new(self.channel.clone()).enrol_gateway_keys(request).await;
        answer.map(drop).map_err(failed)
    }

    /// The keys of all gateways in force, and each change.
    pub async fn gateway_keys(&self) -> Result<GatewayKeySets, RpcError> {
        let request = chassis::rpc::traced(Request::new(WatchGatewayKeysRequest {}));
        let client = KeysClient::new(self.channel.clone());
        let mut client = client.max_decoding_message_size(chassis::rpc::MESSAGE_BYTES);
        let answer = client.watch_gateway_keys(request).await;
        answer.map(|response| GatewayKeySets(response.into_inner())).map_err(failed)
    }

    /// Every revocation of the log `epoch` after `after`, and new ones as they come.
    pub async fn revocations(&self, epoch: &str, after: u64) -> Result<RevocationLog, RpcError> {
        let request = WatchRevocationsRequest { epoch: epoch.to_owned(), after };
        let request = chassis::rpc::traced(Request::new(request));
        let client = RevocationsClient::new(self.channel.clone());
        let answer =
            client.max_decoding_message_size(chassis::rpc::MESSAGE_BYTES).watch(request).await;
        answer.map(|response| RevocationLog(response.into_inner())).map_err(failed)
    }
}

impl ProviderKeySets {
    /// The next sets, of all providers.
    pub async fn next(&mut self) -> Result<ProviderKeys, RpcError> {
        let next = self.0.message().await.map_err(failed)?;
        next.ok_or(RpcError::Ended { service: SERVICE })
    }
}

impl GatewayKeySets {
    /// The next set, of all gateways: public JWKs as JSON texts.
    pub async fn next(&mut self) -> Result<Vec<String>, RpcError> {
        let next = self.0.message().await.map_err(failed)?;
        next.map(|keys| keys.jwks).ok_or(RpcError::Ended { service: SERVICE })
    }
}

impl KeySets {
    /// The next key set.
    pub async fn next(&mut self) -> Result<KeySet, RpcError> {
        let next = self.0.message().await.map_err(failed)?;
        next.ok_or(RpcError::Ended { service: SERVICE })
    }
}

impl RevocationLog {
    /// The next part of the log, or a sign of life.
    pub async fn next(&mut self) -> Result<WatchRevocationsResponse, RpcError> {
        let next = self.0.message().await.map_err(failed)?;
        next.ok_or(RpcError::Ended { service: SERVICE })
    }
}

/// It was to say something at least every second, and did not.
pub const fn silent() -> RpcError {
    RpcError::Silent { service: SERVICE }
}

fn failed(status: Status) -> RpcError {
    RpcError::from_status(SERVICE, status)
}
