//! Does a certificate prove its client, and bind its tokens, as RFC 8705 says? (KM-051, KM-060)
//!
//! Over real connections: each method once by a client of another implementation, and every way in
//! which somebody else's certificate could be taken for a client's.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use chassis::{Clock, Host};
use jose::{Algorithm, SigningKey};
use jsonwebtoken::{EncodingKey, Header};
use key_manager::bootstrap::assemble;
use key_manager::client_auth::{Settings, thumbprint};
use key_manager::config::Config;
use key_manager::edge;
use key_manager::endpoint::{Authority, Issuer, Peer, Request};
use key_manager::registration::{Application, Registered, register};
use key_manager::store::{SqlStore, Store};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, SanType,
    date_time_ymd,
};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use turnpike_proto::identity::v1::token_endpoint_client::TokenEndpointClient;
use turnpike_proto::identity::v1::{ForwardRequest, HeaderField};

use crate::databases::{Scratch, each};
use crate::stand::{BEGIN, Dressed, Stand, config, json as body, part, post, said, text};

const FORM: &str = "grant_type=client_credentials";
const REFUSED: &str = "401 invalid_client";
const TYPE: &str = "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";

/// A certificate and its key.
struct Pair {
    certificate: CertificateDer<'static>,
    key: KeyPair,
}

/// An authority of clients.
struct Authorities {
    pem: String,
    issuer: rcgen::Issuer<'static, KeyPair>,
}

impl Authorities {
    fn new(name: &str) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Self { pem, issuer: rcgen::Issuer::new(params, key) }
    }

    fn sign(&self, change: impl Fn(&mut CertificateParams)) -> Pair {
        let key = KeyPair::generate().expect("a key");
        let mut params = named();
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate").into();
        Pair { certificate, key }
    }
}

fn named() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CountryName, "DE");
    params.distinguished_name.push(DnType::OrganizationName, "Acme, Ltd");
    params.distinguished_name.push(DnType::CommonName, "app");
    params.subject_alt_names = vec![
        SanType::DnsName("app.example".try_into().expect("a name")),
        SanType::URI("spiffe://acme/app".try_into().expect("a name")),
        SanType::IpAddress("192.0.2.7".parse().expect("an address")),
        SanType::Rfc822Name("app@acme.example".try_into().expect("a name")),
    ];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}

fn own(change: impl Fn(&mut CertificateParams)) -> Pair {
    let key = KeyPair::generate().expect("a key");
    let mut params = named();
    change(&mut params);
    let certificate = params.self_signed(&key).expect("a certificate").into();
    Pair { certificate, key }
}

/// The public key of a pair as its owner would register it.
fn jwks(pair: &Pair) -> String {
    let key = SigningKey::from_pkcs8(Algorithm::ES256, pair.key.serialized_der()).expect("a key");
    json!({ "keys": [key.public_jwk()] }).to_string()
}

fn accepting(scratch: &Scratch, authorities: &Authorities) -> Config {
    let path = scratch.folder.path().join("clients.pem");
    std::fs::write(&path, &authorities.pem).expect("written");
    let mut config = config();
    config.certificates.accept = true;
    config.certificates.ca = path.display().to_string();
    config
}

async fn stand(scratch: &Scratch, authorities: &Authorities) -> Stand {
    let config = accepting(scratch, authorities);
    Stand::with(scratch, scratch.folder.path(), BEGIN, config).await
}

fn application(settings: Settings) -> Application {
    Application { name: "app".to_owned(), settings, ..Application::default() }
}

fn by_authority() -> Settings {
    Settings {
        method: "tls_client_auth".to_owned(),
        san_dns: "app.example".to_owned(),
        ..Settings::default()
    }
}

fn request(client: &Registered, pair: Option<&Pair>, form: &str) -> Request {
    let mut request = post("/token", &format!("{form}&client_id={}", client.client.id));
    let certificate = pair.map(|pair| Bytes::copy_from_slice(&pair.certificate));
    request.peer = Peer { certificate, ..request.peer };
    request
}

async fn check(stand: &Stand, client: &Registered, pair: Option<&Pair>, answer: &str) {
    assert_eq!(said(&stand.ask(&request(client, pair, FORM)).await), answer);
}

#[tokio::test]
async fn a_name_counts_if_the_authority_gave_it() {
    each(async |scratch| {
        let (ours, theirs) = (Authorities::new("ours"), Authorities::new("theirs"));
        let stand = stand(&scratch, &ours).await;
        let good = ours.sign(|_| {});
        let by = |is: &str| {
            let (field, name) = is.split_once(' ').expect("a field and a name");
            let mut settings = Settings { san_dns: String::new(), ..by_authority() };
            let field = match field {
                "dn" => &mut settings.subject_dn,
                "dns" => &mut settings.san_dns,
                "uri" => &mut settings.san_uri,
                "ip" => &mut settings.san_ip,
                _ => &mut settings.san_email,
            };
            name.clone_into(field);
            application(settings)
        };
        for (is, other) in [
            (r"dn CN=app,O=Acme\, Ltd,C=DE", r"dn CN=app,C=DE,O=Acme\, Ltd"),
            ("dns APP.example", "dns evil.app.example"),
            ("uri spiffe://acme/app", "uri spiffe://acme/app/"),
            ("ip 192.0.2.7", "ip 192.0.2.8"),
            ("email app@acme.example", "email app@acme.example.evil"),
        ] {
            let client = stand.register(by(is)).await;
            assert!(client.secret.is_empty());
            check(&stand, &client, Some(&good), "200").await;
            check(&stand, &client, Some(&theirs.sign(|_| {})), REFUSED).await;
            let another = stand.register(by(other)).await;
            check(&stand, &another, Some(&good), REFUSED).await;
        }
    })
    .await;
}

#[tokio::test]
async fn no_other_certificate_is_the_clients() {
    let scratch = Scratch::sqlite();
    let ours = Authorities::new("ours");
    let stand = stand(&scratch, &ours).await;
    let client = stand.register(application(by_authority())).await;
    let server = |params: &mut CertificateParams| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    };
    let named_in_subject = |params: &mut CertificateParams| {
        params.subject_alt_names.clear();
        params.distinguished_name.push(DnType::CommonName, "app.example");
    };
    let wild = |params: &mut CertificateParams| {
        let name = "*.example".try_into().expect("a name");
        params.subject_alt_names = vec![SanType::DnsName(name)];
    };
    check(&stand, &client, None, REFUSED).await;
    check(
        &stand,
        &client,
        Some(&ours.sign(|p| p.not_after = date_time_ymd(2025, 12, 31))),
        REFUSED,
    )
    .await;
    check(&stand, &client, Some(&ours.sign(|p| p.not_before = date_time_ymd(2026, 1, 2))), REFUSED)
        .await;
    check(&stand, &client, Some(&ours.sign(server)), REFUSED).await;
    check(&stand, &client, Some(&ours.sign(named_in_subject)), REFUSED).await;
    check(&stand, &client, Some(&ours.sign(wild)), REFUSED).await;
    check(&stand, &client, Some(&own(|_| {})), REFUSED).await;
    // Of the same name as the authority, with another key.
    check(&stand, &client, Some(&Authorities::new("ours").sign(|_| {})), REFUSED).await;

    let good = ours.sign(|_| {});
    let mut request = request(&client, Some(&good), FORM);
    request.peer.certificate = Some(Bytes::from_static(b"no certificate"));
    assert_eq!(said(&stand.ask(&request).await), REFUSED);
    let mut longer = good.certificate.to_vec();
    longer.push(0);
    request.peer.certificate = Some(longer.into());
    assert_eq!(said(&stand.ask(&request).await), REFUSED);
}

#[tokio::test]
async fn no_header_field_is_a_certificate() {
    let scratch = Scratch::sqlite();
    let ours = Authorities::new("ours");
    let stand = stand(&scratch, &ours).await;
    let client = stand.register(application(by_authority())).await;
    let good = ours.sign(|_| {});
    let encoded = base64::engine::general_purpose::STANDARD.encode(&good.certificate);
    for name in
        ["client-cert", "x-client-cert", "x-forwarded-client-cert", "ssl-client-cert", "x-ssl-cert"]
    {
        for value in [encoded.clone(), format!(":{encoded}:"), format!("Cert=\"{encoded}\"")] {
            let request = request(&client, None, FORM).header(name, &value);
            assert_eq!(said(&stand.ask(&request).await), REFUSED, "{name}");
        }
    }
}

#[tokio::test]
async fn a_certificate_that_nobody_signed_counts_by_its_registered_key() {
    each(async |scratch| {
        let stand = stand(&scratch, &Authorities::new("ours")).await;
        let pair = own(|_| {});
        let settings = Settings {
            method: "self_signed_tls_client_auth".to_owned(),
            jwks: jwks(&pair),
            ..Settings::default()
        };
        let client = stand.register(application(settings)).await;
        check(&stand, &client, Some(&pair), "200").await;
        check(&stand, &client, Some(&own(|_| {})), REFUSED).await;
        check(&stand, &client, None, REFUSED).await;
        let mut params = named();
        params.not_after = date_time_ymd(2025, 12, 31);
        let certificate = params.self_signed(&pair.key).expect("a certificate").into();
        check(&stand, &client, Some(&Pair { certificate, key: pair.key }), REFUSED).await;
    })
    .await;
}

#[tokio::test]
async fn a_certificate_is_no_way_around_the_agreed_method() {
    let scratch = Scratch::sqlite();
    let ours = Authorities::new("ours");
    let stand = stand(&scratch, &ours).await;
    let good = ours.sign(|_| {});
    let by_secret = stand.client(&[]).await;
    check(&stand, &by_secret, Some(&good), REFUSED).await;
    let by_tls = stand.register(application(by_authority())).await;
    let with_secret = request(&by_tls, Some(&good), &format!("{FORM}&client_secret=x"));
    assert_eq!(said(&stand.ask(&with_secret).await), REFUSED);
    let mut with_header = request(&by_tls, Some(&good), FORM);
    with_header = with_header.basic(by_tls.client.id.as_str(), "x");
    assert_eq!(said(&stand.ask(&with_header).await), REFUSED);

    // Where no certificates are taken, none was shown.
    let off = Stand::on(&scratch).await;
    check(&off, &by_tls, Some(&good), REFUSED).await;
}

#[tokio::test]
async fn a_token_is_bound_to_the_certificate_where_that_was_agreed() {
    each(async |scratch| {
        let ours = Authorities::new("ours");
        let stand = stand(&scratch, &ours).await;
        let good = ours.sign(|_| {});
        let settings = Settings { certificate_bound: true, ..Settings::default() };
        let client = stand.register(application(settings)).await;
        let secret = format!("{FORM}&client_secret={}", client.secret.as_str());
        let none = stand.ask(&request(&client, None, &secret)).await;
        assert_eq!(said(&none), "400 invalid_request");
        let pair = own(|_| {});
        for pair in [&good, &pair] {
            let reply = body(&stand.ask(&request(&client, Some(pair), &secret)).await);
            assert_eq!(reply["token_type"], "Bearer");
            let token = text(&reply, "access_token");
            let cnf = json!({ "x5t#S256": thumbprint(&pair.certificate) });
            assert_eq!(part(&token, 1)["cnf"], cnf);
            let asked = post("/introspect", &format!("token={token}"));
            let asked = asked.basic(client.client.id.as_str(), &client.secret);
            assert_eq!(body(&stand.ask(&asked).await)["cnf"], cnf);
        }
        let free = stand.client(&[]).await;
        let secret = format!("{FORM}&client_secret={}", free.secret.as_str());
        let reply = body(&stand.ask(&request(&free, Some(&good), &secret)).await);
        assert!(part(&text(&reply, "access_token"), 1).get("cnf").is_none());
        // Where no certificates are taken, the agreement cannot be kept, and there is no token.
        let off = Stand::on(&scratch).await;
        let secret = format!("{FORM}&client_secret={}", client.secret.as_str());
        let refused = off.ask(&request(&client, Some(&good), &secret)).await;
        assert_eq!(said(&refused), "400 invalid_request");
    })
    .await;
}

/// A key manager with its ports open.
struct Running {
    host: Host,
    authority: Authority,
    plain: SocketAddr,
    asking: SocketAddr,
    rpc: SocketAddr,
}

impl Running {
    async fn on(scratch: &Scratch, mut config: Config) -> Self {
        let data = scratch.folder.path();
        let mut host = Host::development("key-manager", data).expect("a host");
        host.data = data.to_owned();
        host.clock = Clock::system();
        let any: SocketAddr = "127.0.0.1:0".parse().expect("an address");
        (config.https.listen, config.rpc.listen) = (any, any);
        config.certificates.listen = Some(any);
        let alias = "https://127.0.0.1:9457/oauth2";
        config.certificates.url = Some(Issuer::parse(alias).expect("a URL"));
        // Its clock is not turned by hand: a busy machine shall not look like a store that is away.
        config.store.timeout = Duration::from_secs(20);
        let store = SqlStore::open(&scratch.url, &config.store, &host.clock).await;
        let store: Arc<dyn Store> = Arc::new(store.expect("a store"));
        let authority = assemble(&config, &host, store).await.expect("a key manager");
        let plain = edge::https(&host, &config.https, &authority).await.expect("a port");
        let asking =
            edge::https_with_certificates(&host, &config.https, &config.certificates, &authority);
        let asking = asking.await.expect("a port").expect("configured");
        let rpc = edge::rpc(&host, &config.rpc, 8, &authority).await.expect("a port");
        Self { host, authority, plain, asking, rpc }
    }

    async fn client(&self, settings: Settings) -> Registered {
        register(&self.authority, &application(settings)).await.expect("a client")
    }

    /// One request on a connection of its own; the status and the body.
    async fn ask(
        &self,
        scratch: &Scratch,
        at: SocketAddr,
        pair: Option<&Pair>,
        head: &str,
        form: &str,
    ) -> (String, Value) {
        let mut roots = RootCertStore::empty();
        let ca = scratch.folder.path().join("pki/ca.pem");
        roots.add(CertificateDer::from_pem_file(ca).expect("a certificate")).expect("a root");
        let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots);
        let tls = match pair {
            None => builder.with_no_client_auth(),
            Some(pair) => {
                let key = PrivateKeyDer::try_from(pair.key.serialize_der()).expect("a key");
                builder.with_client_auth_cert(vec![pair.certificate.clone()], key).expect("a pair")
            }
        };
        let name = ServerName::try_from("127.0.0.1").expect("a name");
        let stream = TcpStream::connect(at).await.expect("connected");
        let mut stream =
            TlsConnector::from(Arc::new(tls)).connect(name, stream).await.expect("TLS");
        let request = format!(
            "POST /oauth2/token HTTP/1.1\r\nHost: km\r\nConnection: close\r\n{head}\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
            form.len()
        );
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut bytes = Vec::new();
        // A server may close without saying so in TLS; what came is what counts.
        let _ = stream.read_to_end(&mut bytes).await;
        let text = String::from_utf8(bytes).expect("text");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        let status = head.split(' ').nth(1).expect("a status").to_owned();
        (status, serde_json::from_str(body).expect("JSON"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.host.shutdown.request();
    }
}

fn assertion(id: &str, algorithm: jsonwebtoken::Algorithm, key: &EncodingKey) -> String {
    let now = Clock::system().unix_seconds();
    let claims = json!({
        "iss": id, "sub": id, "aud": "https://127.0.0.1:9453/oauth2/token", "iat": now,
        "exp": now + 60, "jti": chassis::random::token(16),
    });
    jsonwebtoken::encode(&Header::new(algorithm), &claims, key).expect("made")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_method_works_over_https_for_a_client_of_another_implementation() {
    each(async |scratch| {
        let ours = Authorities::new("ours");
        let running = Running::on(&scratch, accepting(&scratch, &ours)).await;
        let (good, own) = (ours.sign(|_| {}), own(|_| {}));
        let method = |name: &str| Settings { method: name.to_owned(), ..Settings::default() };
        let ask = async |at, pair, head: &str, form: &str| {
            running.ask(&scratch, at, pair, head, &format!("{FORM}{form}")).await
        };

        let client = running.client(method("client_secret_basic")).await;
        let pair = format!("{}:{}", client.client.id, client.secret.as_str());
        let basic = base64::engine::general_purpose::STANDARD.encode(pair);
        let head = format!("Authorization: Basic {basic}\r\n");
        assert_eq!(ask(running.plain, None, &head, "").await.0, "200");

        let client = running.client(method("client_secret_post")).await;
        let form =
            format!("&client_id={}&client_secret={}", client.client.id, client.secret.as_str());
        assert_eq!(ask(running.plain, None, "", &form).await.0, "200");

        let client = running.client(method("client_secret_jwt")).await;
        let key = EncodingKey::from_secret(client.secret.as_bytes());
        let id = client.client.id.as_str();
        let made = assertion(id, jsonwebtoken::Algorithm::HS256, &key);
        let form = format!("&client_assertion_type={TYPE}&client_assertion={made}");
        assert_eq!(ask(running.plain, None, "", &form).await.0, "200");
        assert_eq!(ask(running.plain, None, "", &form).await.0, "401", "a replay");

        let signer = KeyPair::generate().expect("a key");
        let der = signer.serialize_der();
        let public = SigningKey::from_pkcs8(Algorithm::ES256, &der).expect("a key").public_jwk();
        let jwks_text = json!({ "keys": [public] }).to_string();
        let settings = Settings { jwks: jwks_text, ..method("private_key_jwt") };
        let client = running.client(settings).await;
        let key = EncodingKey::from_ec_der(&der);
        let made = assertion(client.client.id.as_str(), jsonwebtoken::Algorithm::ES256, &key);
        let form = format!("&client_assertion_type={TYPE}&client_assertion={made}");
        assert_eq!(ask(running.plain, None, "", &form).await.0, "200");

        let bound = Settings { certificate_bound: true, ..by_authority() };
        let client = running.client(bound).await;
        let form = format!("&client_id={}", client.client.id);
        let (status, reply) = ask(running.asking, Some(&good), "", &form).await;
        assert_eq!(status, "200", "{reply}");
        let token = part(&text(&reply, "access_token"), 1);
        assert_eq!(token["cnf"]["x5t#S256"], thumbprint(&good.certificate));
        assert_eq!(ask(running.asking, None, "", &form).await.0, "401");
        assert_eq!(ask(running.asking, Some(&own), "", &form).await.0, "401");
        assert_eq!(
            ask(running.plain, Some(&good), "", &form).await.0,
            "401",
            "nobody asked for it"
        );

        let settings = Settings { jwks: jwks(&own), ..method("self_signed_tls_client_auth") };
        let client = running.client(settings).await;
        let form = format!("&client_id={}", client.client.id);
        assert_eq!(ask(running.asking, Some(&own), "", &form).await.0, "200");
        assert_eq!(ask(running.asking, Some(&good), "", &form).await.0, "401");

        let settings = Settings { dpop_bound: true, ..method("client_secret_basic") };
        let client = running.client(settings).await;
        let pair = format!("{}:{}", client.client.id, client.secret.as_str());
        let basic = base64::engine::general_purpose::STANDARD.encode(pair);
        let head = format!("Authorization: Basic {basic}\r\n");
        assert_eq!(ask(running.plain, None, &head, "").await.0, "400");
        let shown = format!("{head}DPoP: {}\r\n", proof(&signer));
        let (status, reply) = ask(running.plain, None, &shown, "").await;
        assert_eq!((status.as_str(), &reply["token_type"]), ("200", &json!("DPoP")), "{reply}");
    })
    .await;
}

/// A proof of the key, written by the other implementation.
fn proof(signer: &KeyPair) -> String {
    let der = signer.serialize_der();
    let (_, point) = signer.public_key_raw().split_at(1);
    let (x, y) = point.split_at(32);
    let jwk = json!({
        "kty": "EC", "crv": "P-256", "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
    });
    let mut header = Header::new(jsonwebtoken::Algorithm::ES256);
    header.typ = Some("dpop+jwt".to_owned());
    header.jwk = Some(serde_json::from_value(jwk).expect("a key"));
    let claims = json!({
        "htm": "POST", "htu": "https://127.0.0.1:9457/oauth2/token",
        "iat": Clock::system().unix_seconds(), "jti": chassis::random::token(16),
    });
    jsonwebtoken::encode(&header, &claims, &EncodingKey::from_ec_der(&der)).expect("made")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_hands_the_certificate_of_its_own_connection_on() {
    let scratch = Scratch::sqlite();
    let ours = Authorities::new("ours");
    let running = Running::on(&scratch, accepting(&scratch, &ours)).await;
    let client = running.client(Settings { certificate_bound: true, ..by_authority() }).await;
    let good = ours.sign(|_| {});
    let host = Host::development("gateway", scratch.folder.path()).expect("a host");
    let address = format!("https://{}", running.rpc);
    let channel = chassis::rpc::channel(&host.tls, &address, "key-manager").expect("a channel");
    let mut endpoint = TokenEndpointClient::new(channel);
    let media = b"application/x-www-form-urlencoded".to_vec();
    let mut ask = async |certificate: Vec<u8>| {
        let request = ForwardRequest {
            method: "POST".to_owned(),
            target: "/token".to_owned(),
            headers: vec![HeaderField { name: "content-type".to_owned(), value: media.clone() }],
            body: format!("{FORM}&client_id={}", client.client.id).into_bytes(),
            peer_certificate: certificate,
            secure: true,
            ..ForwardRequest::default()
        };
        endpoint.forward(request).await.expect("an answer").into_inner().status
    };
    assert_eq!(ask(good.certificate.to_vec()).await, 200);
    assert_eq!(ask(Vec::new()).await, 401);
    assert_eq!(ask(own(|_| {}).certificate.to_vec()).await, 401);
}
