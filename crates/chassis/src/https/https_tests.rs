//! Which protocol is spoken, who is seen to call, and what a drain and a silent client achieve.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{BodyError, Caller, Config, read, serve};
use crate::clock::Clock;
use crate::host::Host;
use crate::pki::{ClientAuth, Identity, development};

struct Port {
    folder: tempfile::TempDir,
    host: Host,
    address: SocketAddr,
}

/// Answers with the version of HTTP, the caller's name, and how the body was read.
async fn answer(clock: Clock, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let caller = request.extensions().get::<Arc<Caller>>().cloned();
    let name =
        caller.and_then(|caller| caller.peer.clone()).map_or("nobody".to_owned(), |p| p.name);
    let version = request.version();
    let (status, body) = match read(request.into_body(), 10, &clock, Duration::from_millis(300))
        .await
    {
        Ok(body) => (StatusCode::OK, format!("{} bytes", body.len())),
        Err(error @ BodyError::TooLarge(_)) => (StatusCode::PAYLOAD_TOO_LARGE, error.to_string()),
        Err(error @ BodyError::TooSlow(_)) => (StatusCode::REQUEST_TIMEOUT, error.to_string()),
        Err(error @ BodyError::Broken(_)) => (StatusCode::BAD_REQUEST, error.to_string()),
    };
    let mut response = Response::new(Full::from(format!("{version:?} {name} {body}")));
    *response.status_mut() = status;
    response
}

async fn port(auth: ClientAuth) -> Port {
    let folder = tempfile::tempdir().expect("folder");
    let host = Host::development("control-plane", folder.path()).expect("host");
    let config = Config {
        listen: ([127, 0, 0, 1], 0).into(),
        certificate: String::new(),
        key: String::new(),
        connections: 16,
    };
    let clock = host.clock.clone();
    let service = move |request| answer(clock.clone(), request);
    let address = serve(&host, &config, auth, service).await.expect("served");
    Port { folder, host, address }
}

impl Port {
    async fn connect(&self, protocol: &str) -> TlsStream<TcpStream> {
        let pki = self.folder.path().join("pki");
        development(&pki, &["admin"]).expect("development");
        let admin = Identity::named(&pki, "admin").expect("identity");
        let tls = TlsConnector::from(admin.client_config(&[protocol]).expect("client"));
        let stream = TcpStream::connect(self.address).await.expect("connected");
        let name = ServerName::try_from("localhost").expect("name");
        tls.connect(name, stream).await.expect("handshake")
    }

    /// Sends the text over HTTP/1.1; what was answered until the connection closed.
    async fn exchange(&self, text: &str) -> String {
        let mut stream = self.connect("http/1.1").await;
        stream.write_all(text.as_bytes()).await.expect("written");
        let mut said = String::new();
        let reading = stream.read_to_string(&mut said);
        let read = self.host.clock.timeout(Duration::from_secs(20), reading).await;
        assert!(read.is_ok(), "the connection stays open");
        said
    }
}

fn check(said: &str, status: &str, end: &str) {
    assert!(said.starts_with(&format!("HTTP/1.1 {status}")) && said.ends_with(end), "{said}");
}

const GET: &str = "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn a_client_certificate_is_seen_only_where_it_is_asked_for() {
    check(&port(ClientAuth::None).await.exchange(GET).await, "200", "HTTP/1.1 nobody 0 bytes");
    check(&port(ClientAuth::Optional).await.exchange(GET).await, "200", "HTTP/1.1 admin 0 bytes");
}

#[tokio::test]
async fn http2_is_spoken_where_the_client_offers_it() {
    let port = port(ClientAuth::None).await;
    let io = TokioIo::new(port.connect("h2").await);
    let (mut send, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.expect("http2");
    port.host.background.spawn("client", connection);
    let request = Request::get("https://localhost/").body(Empty::<Bytes>::new()).expect("request");
    let response = send.send_request(request).await.expect("answered");
    let body = response.into_body().collect().await.expect("body").to_bytes();
    assert_eq!(body, "HTTP/2.0 nobody 0 bytes");
}

#[tokio::test]
async fn a_body_is_bounded_in_size_and_time() {
    let port = port(ClientAuth::None).await;
    let post = |length: usize, body: &str| {
        format!(
            "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        )
    };
    check(&port.exchange(&post(10, "0123456789")).await, "200", "10 bytes");
    check(&port.exchange(&post(11, "0123456789x")).await, "413", "larger than 10 bytes");
    check(&port.exchange(&post(10, "01234")).await, "408", "did not come within 300ms");
}

#[tokio::test]
async fn garbage_closes_its_own_connection_and_no_other() {
    let port = port(ClientAuth::None).await;
    for bytes in [b"GET / HTTP/1.1\r\n\r\n".as_slice(), &[0; 64], &[0x16, 3, 1, 0, 1, 0]] {
        let mut stream = TcpStream::connect(port.address).await.expect("connected");
        stream.write_all(bytes).await.expect("written");
        let mut said = Vec::new();
        let _ = stream.read_to_end(&mut said).await;
        assert!(said.len() < 64, "{said:?}");
        check(&port.exchange(GET).await, "200", "0 bytes");
    }
}

#[tokio::test]
async fn a_drain_ends_with_idle_connections_open() {
    let port = port(ClientAuth::None).await;
    let _idle = port.connect("http/1.1").await;
    let _never_shook_hands = TcpStream::connect(port.address).await.expect("connected");
    check(&port.exchange(GET).await, "200", "0 bytes");
    port.host.shutdown.request();
    let drained = Clock::system().timeout(Duration::from_secs(5), port.host.tasks.finished()).await;
    assert!(drained.is_ok(), "{} tasks still run", port.host.tasks.running());
}

#[tokio::test]
async fn another_certificate_can_be_served() {
    let folder = tempfile::tempdir().expect("folder");
    let host = Host::development("control-plane", folder.path()).expect("host");
    development(&folder.path().join("pki"), &["public"]).expect("development");
    let file = |name: &str| folder.path().join("pki").join(name).display().to_string();
    let mut config = Config {
        listen: ([127, 0, 0, 1], 0).into(),
        certificate: file("public.pem"),
        key: file("public.key"),
        connections: 16,
    };
    let clock = host.clock.clone();
    let service = move |request| answer(clock.clone(), request);
    let address = serve(&host, &config, ClientAuth::None, service.clone()).await.expect("served");
    let named = host.tls.client_config_for("public", &["http/1.1"]).expect("client");
    let stream = TcpStream::connect(address).await.expect("connected");
    let name = ServerName::try_from("localhost").expect("name");
    TlsConnector::from(named).connect(name, stream).await.expect("the other certificate");

    config.key = String::new();
    let error = serve(&host, &config, ClientAuth::None, service).await.expect_err("refused");
    assert_eq!(error.to_string(), "no certificate to serve HTTPS with");
}
