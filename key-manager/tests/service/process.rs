//! The real process, with its ports and its files.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::Duration;

use chassis::{Clock, Host};
use rustls_pki_types::ServerName;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use turnpike_proto::identity::v1::introspection_client::IntrospectionClient;
use turnpike_proto::identity::v1::{IntrospectRequest, RegisterClientResponse};

use crate::databases::Scratch;

/// How often other ports are tried.
const PORTS: usize = 5;
/// Beside the files of the process.
const LOG: &str = "process.log";

/// What the last process of these files said.
pub(crate) fn last_words(scratch: &Scratch) -> String {
    std::fs::read_to_string(scratch.folder.path().join(LOG)).unwrap_or_default()
}

pub(crate) struct Process {
    child: Child,
    pub(crate) https: SocketAddr,
    rpc: SocketAddr,
}

impl Process {
    pub(crate) async fn start(scratch: &Scratch) -> Self {
        Self::start_with(scratch, &[]).await
    }

    /// As the system knows it.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// With more settings, each the name of a variable and its value.
    pub(crate) async fn start_with(scratch: &Scratch, more: &[(&str, &str)]) -> Self {
        // A port that was free may be taken by the time that it is wanted: then it ends at once.
        for _ in 0..PORTS {
            if let Some(started) = Self::try_start(scratch, more).await {
                return started;
            }
        }
        panic!("it does not start: {}", last_words(scratch));
    }

    /// What it says that ends by itself.
    pub(crate) async fn refused(scratch: &Scratch, more: &[(&str, &str)]) -> String {
        assert!(Self::try_start(scratch, more).await.is_none(), "it starts");
        last_words(scratch)
    }

    /// `None`: it has ended by itself.
    async fn try_start(scratch: &Scratch, more: &[(&str, &str)]) -> Option<Self> {
        let (https, rpc, operations) = (free(), free(), free());
        let data = scratch.folder.path();
        let log = std::fs::File::create(data.join(LOG)).expect("a file");
        let child = Command::new(env!("CARGO_BIN_EXE_key-manager"))
            .env("TURNPIKE_SERVICE_DATA", data)
            .env("TURNPIKE_PKI_DIRECTORY", data.join("pki"))
            .env("TURNPIKE_STORE_URL", &scratch.text)
            .env("TURNPIKE_HTTPS_LISTEN", https.to_string())
            .env("TURNPIKE_RPC_LISTEN", rpc.to_string())
            .env("TURNPIKE_OPERATIONS_LISTEN", operations.to_string())
            .envs(more.iter().copied())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("the key manager");
        let mut process = Self { child, https, rpc };
        let clock = Clock::system();
        let ready = async {
            while !get(operations, "/readyz").await.starts_with("HTTP/1.1 200") {
                if process.child.try_wait().expect("a child").is_some() {
                    return false;
                }
                clock.sleep(Duration::from_millis(20)).await;
            }
            true
        };
        let ready = clock.timeout(Duration::from_mins(1), ready).await;
        let ready = ready.unwrap_or_else(|_| panic!("not ready: {}", last_words(scratch)));
        ready.then_some(process)
    }

    /// SIGKILL.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("gone");
    }

    /// SIGTERM; the exit code.
    pub(crate) async fn stop(mut self) -> Option<i32> {
        let id = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status().expect("kill");
        let clock = Clock::system();
        for _ in 0..500 {
            if let Some(status) = self.child.try_wait().expect("a status") {
                return status.code();
            }
            clock.sleep(Duration::from_millis(20)).await;
        }
        None
    }

    pub(crate) fn channel(&self, data: &Path, name: &'static str) -> tonic::transport::Channel {
        let host = Host::development(name, data).expect("a host");
        let address = format!("https://{}", self.rpc);
        chassis::rpc::channel(&host.tls, &address, "key-manager").expect("a channel")
    }

    /// One HTTPS request on a connection of its own; status line and body.
    async fn ask(&self, data: &Path, request: String) -> (String, String) {
        let (head, body) = self.send(data, request).await;
        (head.lines().next().expect("a status").to_owned(), body)
    }

    /// The same; the whole head and the body.
    pub(crate) async fn send(&self, data: &Path, request: String) -> (String, String) {
        try_send(self.https, data, request).await.expect("an answer")
    }

    pub(crate) async fn token(&self, data: &Path, client: &RegisterClientResponse) -> String {
        let (status, body) = self.ask_token(data, client).await;
        assert_eq!(status, "HTTP/1.1 200 OK", "{body}");
        let body: Value = serde_json::from_str(&body).expect("JSON");
        body["access_token"].as_str().expect("a token").to_owned()
    }

    /// The status line and the body of the token endpoint.
    pub(crate) async fn ask_token(
        &self,
        data: &Path,
        client: &RegisterClientResponse,
    ) -> (String, String) {
        let form = format!(
            "grant_type=client_credentials&client_id={}&client_secret={}",
            client.client_id, client.client_secret
        );
        let request = format!(
            "POST /oauth2/token HTTP/1.1\r\nHost: km\r\nConnection: close\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
            form.len()
        );
        self.ask(data, request).await
    }

    pub(crate) async fn keys(&self, data: &Path) -> String {
        let request = "GET /oauth2/jwks HTTP/1.1\r\nHost: km\r\nConnection: close\r\n\r\n";
        self.ask(data, request.to_owned()).await.1
    }

    pub(crate) async fn active(&self, data: &Path, token: &str) -> bool {
        let mut inspection = IntrospectionClient::new(self.channel(data, "gateway"));
        let request = IntrospectRequest { token: token.to_owned(), ..IntrospectRequest::default() };
        inspection.introspect(request).await.expect("an answer").into_inner().active
    }
}

/// One HTTPS request on a connection of its own; `None`: nobody is there, or the answer has no head.
pub(crate) async fn try_send(
    https: SocketAddr,
    data: &Path,
    request: String,
) -> Option<(String, String)> {
    let host = Host::development("gateway", data).expect("a host");
    let tls = host.tls.client_config(&["http/1.1"]).expect("a configuration");
    let stream = TcpStream::connect(https).await.ok()?;
    let name = ServerName::try_from("127.0.0.1").expect("a name");
    let mut stream = TlsConnector::from(Arc::clone(&tls)).connect(name, stream).await.ok()?;
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut bytes = Vec::new();
    // A server may close without saying so in TLS; what came is what counts.
    let _ = stream.read_to_end(&mut bytes).await;
    let text = String::from_utf8(bytes).expect("text");
    let (head, body) = text.split_once("\r\n\r\n")?;
    Some((head.to_owned(), body.to_owned()))
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address")
}

/// A cleartext request of the operations port; empty: there was no answer.
async fn get(at: SocketAddr, path: &str) -> String {
    let Ok(mut stream) = TcpStream::connect(at).await else { return String::new() };
    let request = format!("GET {path} HTTP/1.1\r\nHost: km\r\nConnection: close\r\n\r\n");
    let mut text = String::new();
    if stream.write_all(request.as_bytes()).await.is_ok() {
        let _ = stream.read_to_string(&mut text).await;
    }
    text
}
