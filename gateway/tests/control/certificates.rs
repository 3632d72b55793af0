//! Is a client shown the certificate of the host it asks for?

use std::fs;
use std::sync::Arc;

use chassis::pki::ClientAuth;
use gateway::snapshot::{Certificates, State};
use rustls::pki_types::ServerName;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::ground::Ground;
use crate::resources::objects;

/// A configuration that shows the certificate of the service `owner` for `hosts`.
fn state(ground: &Ground, owner: &str, hosts: &str) -> State {
    let pem = |ending: &str| {
        let path = ground.path().join("pki").join(format!("{owner}.{ending}"));
        let text = fs::read_to_string(path).expect("a file");
        text.lines().map(|line| ["    ", line, "\n"].concat()).collect::<String>()
    };
    let text = format!(
        "apiVersion: turnpike/v1\nkind: Secret\nmetadata: {{ name: key }}\n\
         spec:\n  value: |\n{}---\n\
         apiVersion: turnpike/v1\nkind: Certificate\nmetadata: {{ name: shown }}\n\
         spec:\n  keySecret: key\n  hosts: [{hosts}]\n  chain: |\n{}",
        pem("key"),
        pem("pem"),
    );
    let all: Vec<_> = objects(&[text])
        .into_iter()
        .map(|object| (object.key().clone(), object.bytes().clone()))
        .collect();
    let state = State::empty().replaced("e1".to_owned(), 1, &all);
    assert_eq!(state.plan.rejected(), []);
    state
}

/// Shows the certificate of the key manager for `hosts`, and says whose certificate a client sees
/// that asks for `host`.
async fn shown(hosts: &str, host: &'static str) -> &'static str {
    let ground = Ground::new();
    let (gateway, _) = (ground.host("gateway"), ground.host("key-manager"));
    let own = gateway.tls.server_config(ClientAuth::None, &[]).expect("TLS");
    let certificates = Certificates::new(&own, chassis::clock::Clock::system());
    certificates.follow(&state(&ground, "key-manager", hosts).plan);
    let mut config = rustls::ServerConfig::clone(&own);
    config.cert_resolver = Arc::new(certificates);
    let acceptor = TlsAcceptor::from(Arc::new(config));
    for name in ["gateway", "key-manager"] {
        let client = gateway.tls.client_config_for(name, &[]).expect("TLS");
        let (near, far) = tokio::io::duplex(1 << 16);
        let host = ServerName::try_from(host).expect("a name");
        let (connected, _) =
            tokio::join!(TlsConnector::from(client).connect(host, near), acceptor.accept(far));
        if connected.is_ok() {
            return name;
        }
    }
    "nobody"
}

#[tokio::test]
async fn a_host_that_the_configuration_names_has_its_certificate() {
    assert_eq!(shown("api.example.com", "api.example.com").await, "key-manager");
    assert_eq!(shown("API.example.com", "api.EXAMPLE.com").await, "key-manager");
}

#[tokio::test]
async fn a_wildcard_stands_for_one_label() {
    assert_eq!(shown("'*.example.com'", "api.example.com").await, "key-manager");
    assert_eq!(shown("'*.example.com'", "a.b.example.com").await, "gateway");
    assert_eq!(shown("'*.example.com'", "example.com").await, "gateway");
}

#[tokio::test]
async fn every_other_host_has_the_gateways_own() {
    assert_eq!(shown("api.example.com", "localhost").await, "gateway");
}
