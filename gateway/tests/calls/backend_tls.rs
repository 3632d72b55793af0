//! How does a gateway make sure of a backend under TLS, and the backend of the gateway?

use std::fmt::Write as _;
use std::sync::atomic::Ordering;

use chassis::Host;
use chassis::pki::ClientAuth;

use crate::backend::Backend;
use crate::stand::Stand;

/// A stand, a backend that lets in only who shows a certificate, and all the certificates.
struct Secure {
    stand: Stand,
    strict: Backend,
    certificates: String,
}

impl Secure {
    async fn start() -> Self {
        let stand = Stand::start("").await;
        let tls = stand.host.tls.server_config(ClientAuth::Required, &["http/1.1"]).unwrap();
        let strict = Backend::start(&stand.host.tasks, tls).await;
        let elsewhere = tempfile::tempdir().unwrap();
        let _other = Host::development("gateway", elsewhere.path()).unwrap();
        let read = |folder: &std::path::Path, name: &str| {
            std::fs::read_to_string(folder.join("pki").join(name)).unwrap()
        };
        let here = stand.data().to_owned();
        let mut certificates = String::new();
        let other = elsewhere.path();
        resource(
            &mut certificates,
            "Certificate",
            "ours",
            "use: backend_ca",
            "chain",
            &read(&here, "ca.pem"),
        );
        resource(
            &mut certificates,
            "Certificate",
            "other",
            "use: backend_ca",
            "chain",
            &read(other, "ca.pem"),
        );
        let client = "use: backend_client\n  keySecret: key";
        resource(
            &mut certificates,
            "Certificate",
            "client",
            client,
            "chain",
            &read(&here, "gateway.pem"),
        );
        resource(&mut certificates, "Secret", "key", "", "value", &read(&here, "gateway.key"));
        Self { stand, strict, certificates }
    }

    /// Serves one API for each "name url tls".
    fn publish(&self, apis: &str) {
        let mut yaml = String::new();
        for line in apis.lines() {
            let (name, rest) = line.split_once(' ').unwrap();
            let (url, tls) = rest.split_once(' ').unwrap();
            let url = url.replace("STRICT", &self.strict.secure.port().to_string());
            writeln!(
                yaml,
                "---\napiVersion: turnpike/v1\nkind: Api\nmetadata: {{ name: {name}, version: \"1\" }}\n\
                 spec: {{ context: /{name}, lifecycle: PUBLISHED, security: {{ schemes: [none] }}, \
                 endpoints: {{ production: {{ urls: [\"{url}\"], tls: {{{tls}}} }} }} }}"
            )
            .unwrap();
        }
        self.stand.publish(&format!("{yaml}{}", self.certificates));
    }

    /// Calls each of `apis` in turn.
    #[track_caller]
    fn check<'a>(&'a self, apis: &'a str, expected: &'a str) -> impl Future<Output = ()> + 'a {
        let place = std::panic::Location::caller();
        async move {
            let mut said = Vec::new();
            for api in apis.split_whitespace() {
                let answer = self.stand.call(&format!("GET /{api}/1/sized/3"), "", "").await;
                said.push(if answer.status == 200 { "200".to_owned() } else { answer.fault() });
            }
            assert_eq!(said.join(", "), expected, "{place}");
        }
    }
}

/// A resource with a long text in `field`.
fn resource(out: &mut String, kind: &str, name: &str, spec: &str, field: &str, text: &str) {
    let text = text.replace('\n', "\n    ");
    write!(
        out,
        "---\napiVersion: turnpike/v1\nkind: {kind}\nmetadata: {{ name: {name} }}\nspec:\n  {spec}\n  {field}: |\n    {}\n",
        text.trim_end()
    )
    .unwrap();
}

#[tokio::test]
async fn an_endpoint_believes_the_authorities_it_names_and_no_others() {
    let secure = Secure::start().await;
    secure.publish(
        "any https://localhost:SECURE \n\
         ours https://localhost:SECURE authorities: [ours]\n\
         other https://localhost:SECURE authorities: [other]\n\
         both https://localhost:SECURE authorities: [other, ours]",
    );
    secure.check("any ours other both", "200, 200, 503 101503, 200").await;
    let connections = || secure.stand.backend.seen.connections.load(Ordering::Relaxed);
    let used = || secure.stand.number("gateway_backend_reused_total");
    assert_eq!((connections(), used()), (0, 0), "each is made sure of by itself");
    // Endpoints on one server that are made sure of in other ways share no connection.
    secure.check("ours any other ours any", "200, 200, 503 101503, 200, 200").await;
    assert_eq!(used(), 4);
}

#[tokio::test]
async fn a_backend_that_asks_who_calls_is_shown_the_certificate() {
    let secure = Secure::start().await;
    secure.publish(
        "nobody https://localhost:STRICT authorities: [ours]\n\
         client https://localhost:STRICT authorities: [ours], clientCertificate: client\n\
         usual https://localhost:STRICT clientCertificate: client",
    );
    secure.check("client usual", "200, 200").await;
    let answer = secure.stand.call("GET /nobody/1/sized/3", "", "").await;
    assert!([502, 503].contains(&answer.status), "{answer:?}");
}

#[tokio::test]
async fn the_name_that_is_looked_for_can_be_another_than_the_host() {
    let secure = Secure::start().await;
    secure.publish(
        "right https://127.0.0.1:SECURE serverName: localhost\n\
         wrong https://localhost:SECURE serverName: orders.example\n\
         new https://localhost:SECURE minVersion: tls1_3",
    );
    secure.check("right wrong new", "200, 503 101503, 200").await;
}

#[tokio::test]
async fn trust_that_is_taken_back_holds_for_open_connections() {
    let secure = Secure::start().await;
    secure.publish("a https://localhost:SECURE authorities: [ours]");
    secure.check("a a", "200, 200").await;
    secure.publish("a https://localhost:SECURE authorities: [other]");
    secure.check("a", "503 101503").await;
}
