//! Which port do gateways, the control plane and administrators speak to?

use std::net::SocketAddr;
use std::sync::Arc;

use chassis::Host;
use chassis::rpc::{self, MESSAGE_BYTES, Services};
use tokio::sync::Semaphore;
use turnpike_proto::DESCRIPTORS;
use turnpike_proto::identity::v1::audit_server::AuditServer;
use turnpike_proto::identity::v1::clients_server::ClientsServer;
use turnpike_proto::identity::v1::credentials_server::CredentialsServer;
use turnpike_proto::identity::v1::introspection_server::IntrospectionServer;
use turnpike_proto::identity::v1::keys_server::KeysServer;
use turnpike_proto::identity::v1::providers_server::ProvidersServer;
use turnpike_proto::identity::v1::revocations_server::RevocationsServer;
use turnpike_proto::identity::v1::test_keys_server::TestKeysServer;
use turnpike_proto::identity::v1::token_endpoint_server::TokenEndpointServer;
use turnpike_proto::identity::v1::users_server::UsersServer;

use super::audit::Record;
use super::callers::allowed;
use super::clients::Registry;
use super::credentials::Recognition;
use super::forward::Forwarded;
use super::introspection::Inspection;
use super::keys::KeySets;
use super::providers::Providing;
use super::revocations::Revoked;
use super::test_keys::Trials;
use super::users::People;
use crate::endpoint::Authority;

/// Opens the port; answers where it listens.
pub async fn rpc(
    host: &Host,
    config: &rpc::Config,
    watchers: usize,
    authority: &Authority,
) -> Result<SocketAddr, rpc::Error> {
    let parts = || authority.clone();
    let room = Arc::new(Semaphore::new(watchers.min(Semaphore::MAX_PERMITS)));
    let forwarded =
        TokenEndpointServer::new(Forwarded::new(parts())).max_decoding_message_size(MESSAGE_BYTES);
    let inspection = IntrospectionServer::new(Inspection::new(parts()));
    let keys = KeysServer::new(KeySets::new(parts(), host.shutdown.clone()));
    let revoked = RevocationsServer::new(Revoked::new(parts(), host.shutdown.clone(), room));
    let registry = ClientsServer::new(Registry::new(parts()));
    let people = UsersServer::new(People::new(parts()));
    let services = Services::new(DESCRIPTORS)
        .add(allowed("TokenEndpoint"), forwarded)
        .add(allowed("Introspection"), inspection)
        .add(allowed("Credentials"), CredentialsServer::new(Recognition::new(parts())))
        .add(allowed("Keys"), keys)
        .add(allowed("Revocations"), revoked)
        .add(allowed("Clients"), registry)
        .add(allowed("TestKeys"), TestKeysServer::new(Trials::new(parts())))
        .add(allowed("Users"), people)
        .add(allowed("Providers"), ProvidersServer::new(Providing::new(parts())))
        .add(allowed("Audit"), AuditServer::new(Record::new(parts())));
    rpc::serve(host, config, services).await
}
