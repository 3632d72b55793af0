//! Does the connector of the examples get along with the key manager? (KM-093, decision D9)

#[path = "../../examples/provider_connector/connector.rs"]
mod connector;

use std::path::Path;
use std::time::Duration;

use chassis::Host;
use chassis::rpc::{Allow, Config, Services, channel, serve};
use key_manager::domain::{Connection, Provider, ProviderKeys};
use key_manager::federation::{
    Federation, FederationRules, Wanted, introspect, register, unregister,
};
use key_manager::meter::Meter;
use key_manager::rpc::{Connector, ConnectorError};
use serde_json::json;
use turnpike_proto::identity::v1::provider_connector_server::ProviderConnectorServer;

use connector::{ISSUER, Legacy};

/// The connector on a port of its own, as `caller` reaches it.
async fn connected(data: &Path, caller: &'static str, name: &str) -> Connector {
    let (address, _host) = served(data).await;
    let caller = Host::development(caller, data).expect("a host");
    let channel = channel(&caller.tls, &address, name).expect("a channel");
    Connector::new("old".to_owned(), channel)
}

/// The connector on a port of its own.
async fn served(data: &Path) -> (String, Host) {
    let host = Host::development("legacy", data).expect("a host");
    let service = ProviderConnectorServer::new(Legacy::default());
    let services =
        Services::new(turnpike_proto::DESCRIPTORS).add(Allow::only(&["key-manager"]), service);
    let listen = Config { listen: ([127, 0, 0, 1], 0).into(), connections: 16 };
    let address = serve(&host, &listen, services).await.expect("a port");
    (format!("https://{address}"), host)
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
async fn a_resource_with_a_connector_is_asked_through_it() {
    let data = tempfile::tempdir().expect("a folder");
    let (address, _) = served(data.path()).await;
    let host = Host::development("key-manager", data.path()).expect("a host");
    let rules = FederationRules {
        every: Duration::from_mins(1),
        pause: Duration::from_secs(30),
        allow: Vec::new(),
        authorities: Vec::new(),
        timeout: Duration::from_secs(5),
        largest: 65_536,
    };
    let federation = Federation::new(rules, &host, Meter::new(&host.metrics));
    let provider = |issuer: &str, enabled| Provider {
        name: "legacy".to_owned(),
        issuer: issuer.to_owned(),
        enabled,
        algorithms: Vec::new(),
        keys: ProviderKeys::Pinned,
        metadata: None,
        introspection: None,
        registration: None,
        login: None,
        connector: Some(Connection { address: address.clone(), name: "legacy".to_owned() }),
    };
    federation.put(vec![provider(ISSUER, true)]);
    let member = federation.in_use("legacy").expect("in use");
    let wanted = Wanted { name: "orders".to_owned(), ..Wanted::default() };
    let made = register(&member, &wanted).await.expect("a client");
    assert_eq!(made.client_id, "legacy-1");
    let said = introspect(&member, "old_legacy-1").await.expect("an answer").expect("it is good");
    assert_eq!(said["client_id"], "legacy-1");
    assert!(introspect(&member, "old_x").await.expect("an answer").is_none());
    let refused = Wanted { grant_types: vec!["implicit".to_owned()], ..wanted.clone() };
    register(&member, &refused).await.expect_err("refused");
    assert!(member.status().healthy, "a refusal is an answer");

    // Another issuer's tokens are none of its own, and one that is off is not asked.
    federation.put(vec![provider("https://other.example", true)]);
    let other = federation.in_use("legacy").expect("in use");
    assert!(introspect(&other, "old_legacy-1").await.expect("an answer").is_none());
    federation.put(vec![provider(ISSUER, false)]);
    let off = federation.get("legacy").expect("a provider");
    introspect(&off, "old_legacy-1").await.expect_err("off");
    federation.put(vec![provider(ISSUER, true)]);
    let member = federation.in_use("legacy").expect("in use");
    unregister(&member, "legacy-1").await.expect("gone");
    assert!(introspect(&member, "old_legacy-1").await.expect("an answer").is_none());
}

#[tokio::test]
async fn nobody_else_is_taken_for_it_and_nobody_else_is_let_in() {
    let data = tempfile::tempdir().expect("a folder");
    let other = connected(data.path(), "key-manager", "kiosk").await;
    assert!(matches!(other.issuer().await, Err(ConnectorError::Away(_))), "another certificate");
    let stranger = connected(data.path(), "gateway", "legacy").await;
    assert!(matches!(stranger.issuer().await, Err(ConnectorError::Away(_))), "not in its table");
}
