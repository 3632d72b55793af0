//! Who comes in under TLS, and what do backends learn of a caller's certificate?

use std::sync::Arc;

use chassis::pki::Identity;
use gateway::certificate::Told;
use gateway::receiver::{Asked, Settings};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, HandshakeKind, RootCertStore};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::stand::{LIMIT, OPEN, Stand, request};

/// A caller with certificates of an authority that nobody knows beforehand.
pub(crate) struct Stranger(TempDir);

impl Stranger {
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        chassis::pki::development(folder.path(), &["caller"]).unwrap();
        Self(folder)
    }

    pub(crate) fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.0.path().join(file)).unwrap()
    }

    /// A resource that makes its authority one of callers.
    fn resource(&self) -> String {
        let chain = self.read("ca.pem").replace('\n', "\n    ");
        format!(
            "{OPEN}---\napiVersion: turnpike/v1\nkind: Certificate\nmetadata: {{ name: callers }}\n\
             spec:\n  use: client_ca\n  chain: |\n    {chain}\n"
        )
    }
}

/// A client that believes the stand and shows the certificate of `caller`, its authority's too.
pub(crate) fn client(stand: &Stand, caller: Option<&Stranger>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let authority = stand.authority().replace("\n    ", "\n");
    roots.add(CertificateDer::from_pem_slice(authority.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    Arc::new(match caller {
        None => builder.with_no_client_auth(),
        Some(caller) => {
            let chain = ["caller.pem", "ca.pem"]
                .map(|file| CertificateDer::from_pem_slice(caller.read(file).as_bytes()).unwrap());
            let key = PrivateKeyDer::from_pem_slice(caller.read("caller.key").as_bytes()).unwrap();
            builder.with_client_auth_cert(chain.to_vec(), key).unwrap()
        }
    })
}

pub(crate) async fn connect(
    stand: &Stand,
    config: &Arc<ClientConfig>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(stand.serving.https()[0]).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::clone(config)).connect(name, stream).await
}

/// What the backend read of a call with these fields; nothing where the caller does not come in.
async fn call(stand: &Stand, config: &Arc<ClientConfig>, fields: &str) -> Option<String> {
    let mut stream = connect(stand, config).await.ok()?;
    let fields = format!("{fields}connection: close\r\n");
    let request = request("GET /open/1.0/echo", &fields, "");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut heard = Vec::new();
    // With TLS 1.3 a client learns only now that it is refused.
    let read = tokio::time::timeout(LIMIT, stream.read_to_end(&mut heard)).await.unwrap();
    let heard = String::from_utf8_lossy(&heard).into_owned();
    (read.is_ok() && heard.starts_with("HTTP/1.1 200")).then_some(heard)
}

pub(crate) fn asks(asked: Asked, told: Told) -> impl FnOnce(&mut Settings) {
    move |settings| {
        settings.receiver.client_certificates = asked;
        settings.receiver.forward_client_certificate = told;
    }
}

/// Whether a caller comes in without a certificate, with one of a known authority, and with another.
async fn check(asked: Asked, expected: [bool; 3]) {
    let (known, other) = (Stranger::new(), Stranger::new());
    let stand = Stand::with(&known.resource(), asks(asked, Told::None)).await;
    let mut came_in = Vec::new();
    for caller in [None, Some(&known), Some(&other)] {
        came_in.push(call(&stand, &client(&stand, caller), "").await.is_some());
    }
    assert_eq!(came_in, expected, "{asked:?}");
}

#[tokio::test]
async fn who_comes_in_depends_on_whether_certificates_are_asked_for() {
    check(Asked::None, [true, true, true]).await;
    check(Asked::Optional, [true, true, false]).await;
    check(Asked::Required, [false, true, false]).await;
}

#[tokio::test]
async fn an_authority_is_believed_from_its_publication_to_its_removal() {
    let stand = Stand::with(OPEN, asks(Asked::Required, Told::None)).await;
    let caller = Stranger::new();
    let config = client(&stand, Some(&caller));
    assert_eq!(call(&stand, &config, "").await, None);
    stand.publish(&caller.resource());
    assert!(call(&stand, &config, "").await.is_some());
    stand.publish(OPEN);
    assert_eq!(call(&stand, &config, "").await, None);
}

#[tokio::test]
async fn the_authorities_of_the_file_are_believed_too() {
    let own = |settings: &mut Settings| {
        settings.receiver.client_certificates = Asked::Required;
        settings.receiver.client_authorities = "OWN".to_owned();
    };
    let known = Stranger::new();
    let stand = Stand::with(&known.resource(), own).await;
    let config = stand.host.tls.client_config(&["http/1.1"]).unwrap();
    assert!(call(&stand, &config, "").await.is_some());
    assert!(call(&stand, &client(&stand, Some(&known)), "").await.is_some());
    assert_eq!(call(&stand, &client(&stand, Some(&Stranger::new())), "").await, None);
}

#[tokio::test]
async fn a_session_is_resumed_only_where_nobody_is_asked_for_a_certificate() {
    let known = Stranger::new();
    for (asked, kind) in
        [(Asked::None, HandshakeKind::Resumed), (Asked::Optional, HandshakeKind::Full)]
    {
        let stand = Stand::with(&known.resource(), asks(asked, Told::None)).await;
        let config = client(&stand, Some(&known));
        assert!(call(&stand, &config, "").await.is_some());
        let again = connect(&stand, &config).await.unwrap();
        assert_eq!(again.get_ref().1.handshake_kind(), Some(kind), "{asked:?}");
    }
}

/// The fields that the backend reads of a certificate.
fn told(echo: &str) -> Vec<(String, String)> {
    echo.lines()
        .filter_map(|line| line.split_once(": "))
        .filter(|(name, _)| name.to_lowercase().replace('_', "-").contains("client-cert"))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn byte_sequence(pem: &str) -> String {
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    format!(":{body}:")
}

#[tokio::test]
async fn backends_are_told_as_much_as_is_configured() {
    let known = Stranger::new();
    let field = |name: &str, file: &str| (name.to_owned(), byte_sequence(&known.read(file)));
    let leaf = field("client-cert", "caller.pem");
    let chain = field("client-cert-chain", "ca.pem");
    for (how, expected) in
        [(Told::None, vec![]), (Told::Leaf, vec![leaf.clone()]), (Told::Chain, vec![leaf, chain])]
    {
        let stand = Stand::with(&known.resource(), asks(Asked::Optional, how)).await;
        let echo = call(&stand, &client(&stand, Some(&known)), "").await.unwrap();
        assert_eq!(told(&echo), expected);
        let echo = call(&stand, &client(&stand, None), "").await.unwrap();
        assert_eq!(told(&echo), []);
    }
}

#[tokio::test]
async fn what_callers_say_of_their_certificates_is_believed_of_trusted_proxies_only() {
    let caller = Stranger::new();
    let leaf = byte_sequence(&caller.read("caller.pem"));
    let base64 = leaf.trim_matches(':');
    let said = [
        format!("client-cert: {leaf}\r\n"),
        format!("client_cert: {leaf}\r\nclient-cert-chain: {leaf}\r\n"),
        format!("x-wso2-client-certificate: {base64}\r\n"),
        "client-cert: :garbage:\r\n".to_owned(),
    ];
    let believed = [true, false, true, false];
    for trusted in [false, true] {
        let stand = Stand::with(OPEN, |settings| {
            asks(Asked::Optional, Told::Chain)(settings);
            if trusted {
                settings.receiver.trusted_proxies = vec!["127.0.0.0/8".to_owned()];
            }
        })
        .await;
        for (fields, believed) in said.iter().zip(believed) {
            let echo = call(&stand, &client(&stand, None), fields).await.unwrap();
            let expected = (trusted && believed).then(|| ("client-cert".to_owned(), leaf.clone()));
            assert_eq!(told(&echo), expected.into_iter().collect::<Vec<_>>(), "{fields}");
        }
    }
}

#[tokio::test]
async fn the_certificate_of_a_trusted_proxy_is_not_its_callers() {
    let proxy = Stranger::new();
    let trusting = |settings: &mut Settings| {
        asks(Asked::Required, Told::Leaf)(settings);
        settings.receiver.trusted_proxies = vec!["127.0.0.0/8".to_owned()];
    };
    let stand = Stand::with(&proxy.resource(), trusting).await;
    let echo = call(&stand, &client(&stand, Some(&proxy)), "").await.unwrap();
    assert_eq!(told(&echo), []);
}

#[tokio::test]
async fn the_certificate_of_the_section_is_shown_instead_of_the_services_own() {
    let shown = Stranger::new();
    let path = |file: &str| shown.0.path().join(file).to_string_lossy().into_owned();
    let (certificate, key) = (path("caller.pem"), path("caller.key"));
    let stand = Stand::with(OPEN, |settings| {
        (settings.receiver.certificate, settings.receiver.key) = (certificate, key);
    })
    .await;
    let believes_it = Identity::named(shown.0.path(), "caller").unwrap();
    let believes_it = believes_it.client_config(&["http/1.1"]).unwrap();
    assert!(connect(&stand, &believes_it).await.is_ok());
    assert!(connect(&stand, &client(&stand, None)).await.is_err());
}
