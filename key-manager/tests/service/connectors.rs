//! Does the connector of the examples get along with the key manager? (KM-093, decision D9)

#[path = "../../examples/provider_connector/connector.rs"]
mod connector;

use std::path::Path;

use chassis::Host;
use chassis::rpc::{Allow, Config, Services, channel, serve};
use key_manager::rpc::{Connector, ConnectorError};
use serde_json::json;
use turnpike_proto::identity::v1::provider_connector_server::ProviderConnectorServer;

use connector::{ISSUER, Legacy};

/// The connector on a port of its own, as `caller` reaches it.
async fn connected(data: &Path, caller: &'static str, name: &str) -> Connector {
    let host = Host::development("legacy", data).expect("a host");
    let service = ProviderConnectorServer::new(Legacy::default());
    let services =
        Services::new(turnpike_proto::DESCRIPTORS).add(Allow::only(&["key-manager"]), service);
    let listen = Config { listen: ([127, 0, 0, 1], 0).into(), connections: 16 };
    let address = serve(&host, &listen, services).await.expect("a port");
    let caller = Host::development(caller, data).expect("a host");
    let channel = channel(&caller.tls, &format!("https://{address}"), name).expect("a channel");
    Connector::new("old".to_owned(), channel)
}

#[tokio::test]
async fn clients_and_tokens_of_a_provider_without_a_standard_are_reached() {
    let data = tempfile::tempdir().expect("a folder");
    let connector = connected(data.path(), "key-manager", "legacy").await;
    assert_eq!(connector.issuer().await.expect("an answer"), ISSUER);
    let scopes = ["a", "b"].map(str::to_owned);
    let made = connector.create("orders", &[], &scopes, &[]).await.expect("a client");
    assert_eq!((made.client_id.as_str(), made.secret.expose().is_empty()), ("legacy-1", false));
    let refused = connector.create("orders", &["implicit".to_owned()], &[], &[]).await;
    assert!(matches!(refused, Err(ConnectorError::Refused(why)) if why.contains("implicit")));

    let found = connector.retrieve("legacy-1").await.expect("an answer").expect("a client");
    assert!(found.secret.expose().is_empty(), "it is told once");
    for other in ["legacy", "legacy-10", "Legacy-1", "egacy-1", ""] {
        assert!(connector.retrieve(other).await.expect("an answer").is_none(), "{other}");
    }
    let said = connector.introspect("old_legacy-1").await.expect("an answer").expect("it is good");
    assert_eq!((&said["client_id"], &said["scope"]), (&json!("legacy-1"), &json!("a b")));
    for bad in ["old_legacy-2", "old_", "legacy-1", ""] {
        assert!(connector.introspect(bad).await.expect("an answer").is_none(), "{bad}");
    }
    connector.delete("legacy-1").await.expect("gone");
    connector.delete("legacy-1").await.expect("it was gone");
    assert!(connector.introspect("old_legacy-1").await.expect("an answer").is_none());
}

#[tokio::test]
async fn nobody_else_is_taken_for_it_and_nobody_else_is_let_in() {
    let data = tempfile::tempdir().expect("a folder");
    let other = connected(data.path(), "key-manager", "kiosk").await;
    assert!(matches!(other.issuer().await, Err(ConnectorError::Away(_))), "another certificate");
    let stranger = connected(data.path(), "gateway", "legacy").await;
    assert!(matches!(stranger.issuer().await, Err(ConnectorError::Away(_))), "not in its table");
}
