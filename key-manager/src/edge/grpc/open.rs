//! Who may call what?

use std::net::SocketAddr;
use std::sync::Arc;

use chassis::Host;
use chassis::rpc::{self, Allow, MESSAGE_BYTES, Services};
use tokio::sync::Semaphore;
use turnpike_proto::DESCRIPTORS;
use turnpike_proto::identity::v1::audit_server::AuditServer;
use turnpike_proto::identity::v1::clients_server::ClientsServer;
use turnpike_proto::identity::v1::credentials_server::CredentialsServer;
use turnpike_proto::identity::v1::introspection_server::IntrospectionServer;
use turnpike_proto::identity::v1::keys_server::KeysServer;
use turnpike_proto::identity::v1::providers_server::ProvidersServer;
use turnpike_proto::identity::v1::revocations_server::RevocationsServer;
use turnpike_proto::identity::v1::token_endpoint_server::TokenEndpointServer;
use turnpike_proto::identity::v1::users_server::UsersServer;

use super::audit::Record;
use super::clients::Registry;
use super::credentials::Recognition;
use super::forward::Forwarded;
use super::introspection::Inspection;
use super::keys::KeySets;
use super::providers::Providing;
use super::revocations::Revoked;
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
        .add(allowed("Users"), people)
        .add(allowed("Providers"), ProvidersServer::new(Providing::new(parts())))
        .add(allowed("Audit"), AuditServer::new(Record::new(parts())));
    rpc::serve(host, config, services).await
}

/// The authorization matrix. A service without a row is open to nobody.
fn allowed(service: &str) -> Allow {
    match service {
        "TokenEndpoint" | "Introspection" | "Credentials" => Allow::only(&["gateway"]),
        "Keys" => Allow::only(&["admin", "control-plane"])
            .method("Watch", &["gateway"])
            .method("WatchProviders", &["gateway"])
            .method("Missing", &["gateway"])
            .method("EnrolGatewayKeys", &["gateway"])
            .method("WatchGatewayKeys", &["gateway"]),
        "Revocations" => Allow::only(&["gateway"]).method("Revoke", &["admin", "control-plane"]),
        "Clients" | "Users" | "Audit" | "Providers" => Allow::only(&["admin", "control-plane"]),
        _ => Allow::only(&[]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEERS: [&str; 5] =
        ["admin", "analytics-collector", "control-plane", "gateway", "key-manager"];

    /// `peers` are all that may call the method.
    #[track_caller]
    fn check(method: &str, peers: &str) {
        let (service, method) = method.split_once('/').expect("service and method");
        let allow = allowed(service);
        let may = PEERS.into_iter().filter(|peer| allow.permits(peer, method));
        assert_eq!(may.collect::<Vec<_>>().join(" "), peers, "{service}/{method}");
    }

    #[test]
    fn each_method_is_open_to_those_who_need_it() {
        check("TokenEndpoint/Forward", "gateway");
        check("Introspection/Introspect", "gateway");
        check("Credentials/Authenticate", "gateway");
        check("Keys/Watch", "gateway");
        check("Keys/List", "admin control-plane");
        check("Keys/WatchProviders", "gateway");
        check("Keys/Missing", "gateway");
        check("Keys/EnrolGatewayKeys", "gateway");
        check("Keys/WatchGatewayKeys", "gateway");
        check("Keys/Rotate", "admin control-plane");
        check("Keys/Revoke", "admin control-plane");
        check("Revocations/Watch", "gateway");
        check("Revocations/Revoke", "admin control-plane");
        check("Clients/Register", "admin control-plane");
        check("Clients/Remove", "admin control-plane");
        check("Clients/Find", "admin control-plane");
        check("Clients/AddSecret", "admin control-plane");
        for method in [
            "Create",
            "ListPending",
            "Approve",
            "SetPassword",
            "Link",
            "Unlink",
            "Disable",
            "Delete",
        ] {
            check(&format!("Users/{method}"), "admin control-plane");
        }
        check("Audit/List", "admin control-plane");
        check("Providers/List", "admin control-plane");
        check("Audit/Verify", "admin control-plane");
        check("Unheard/Of", "");
    }
}
