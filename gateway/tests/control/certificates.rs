//! Is a client shown the certificate of the host it asks for?

use std::fs;
use std::sync::Arc;

use chassis::pki::{ClientAuth, Facts};
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

/// A certificate of its own making for `a.example`, good until the year `until`, as resources.
fn made(name: &str, until: i32) -> String {
    let mut params = rcgen::CertificateParams::new(["a.example".to_owned()]).expect("params");
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.not_after = rcgen::date_time_ymd(until, 7, 1);
    let key = rcgen::KeyPair::generate().expect("key");
    let pem = params.self_signed(&key).expect("certificate").pem();
    let indented = |text: &str| text.replace('\n', "\n    ");
    format!(
        "apiVersion: turnpike/v1\nkind: Secret\nmetadata: {{ name: {name} }}\n\
         spec:\n  value: |\n    {}\n---\n\
         apiVersion: turnpike/v1\nkind: Certificate\nmetadata: {{ name: {name} }}\n\
         spec:\n  keySecret: {name}\n  chain: |\n    {}\n",
        indented(&key.serialize_pem()),
        indented(&pem),
    )
}

/// Puts each state in force after the other; each is certificates as "name=year". The answer is the
/// end of the one that is shown for `a.example` after each, by year.
fn follows(states: &[&str], expected: &[i32]) {
    let ground = Ground::new();
    let own = ground.host("gateway").tls.server_config(ClientAuth::None, &[]).expect("TLS");
    let certificates = Certificates::new(&own, chassis::clock::Clock::system());
    let shown: Vec<i32> = states
        .iter()
        .map(|state| {
            let made = state.split_whitespace().map(|one| {
                let (name, year) = one.split_once('=').expect("name=year");
                made(name, year.parse().expect("a year"))
            });
            let texts: Vec<String> = made.collect();
            let all: Vec<_> = objects(&texts)
                .into_iter()
                .map(|object| (object.key().clone(), object.bytes().clone()))
                .collect();
            let state = State::empty().replaced("e1".to_owned(), 1, &all);
            assert_eq!(state.plan.rejected(), []);
            certificates.follow(&state.plan);
            let in_force = certificates.in_force();
            assert_eq!(in_force.len(), 1, "{in_force:?}");
            assert_eq!(in_force[0].hosts, ["a.example"]);
            let facts = in_force[0].leaf.as_ref().and_then(Facts::of).expect("facts");
            assert!(facts.subject.contains(&format!("CN={}", in_force[0].name)), "{facts:?}");
            assert_eq!(facts.names, ["a.example"]);
            assert_eq!(Some(*facts.valid.end()), certificates.valid_until("a.example"));
            let until = certificates.valid_until("a.example").expect("one is shown");
            1970 + i32::try_from(until / (365 * 24 * 3600 + 21_600)).expect("a year")
        })
        .collect();
    assert_eq!(shown, expected, "{states:?}");
}

#[test]
fn of_several_certificates_the_one_that_is_good_for_the_longest_is_shown() {
    follows(&["a=2090 b=2091", "b=2091 a=2090"], &[2091, 2091]);
    follows(&["a=2020 b=2090 c=2021"], &[2090]);
}

#[test]
fn an_expired_certificate_does_not_take_the_place_of_a_good_one() {
    follows(&["a=2090", "a=2020", "a=2080"], &[2090, 2090, 2080]);
    follows(&["a=2020", "a=2019"], &[2020, 2019]);
}
