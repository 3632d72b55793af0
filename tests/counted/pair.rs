//! A gateway that serves one API to anybody, and the collector that it tells.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use chassis::pki::{self, Identity};
use harness::process::{Process, program};
use harness::{Client, eventually, free_port};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tonic::transport::Channel;

/// The API that the gateway serves.
pub(crate) const API: &str = "counted";
/// How long anything may take on a machine that does other things too.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 3\r\n\r\nyes";

/// Where the two keep their files, and how much may wait.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ground<'a> {
    /// The gateway's folder; absent: one of the test.
    pub(crate) gateway: Option<&'a Path>,
    /// The collector's.
    pub(crate) collector: Option<&'a Path>,
    /// `usage.spool_limit`; absent: the default.
    pub(crate) spool_limit: Option<&'a str>,
}

/// The two, and the backend of the API; all end when it is dropped.
pub(crate) struct Pair {
    gateway: Option<Process>,
    collector: Option<Process>,
    ports: Ports,
    backend: JoinHandle<()>,
    folder: TempDir,
}

struct Ports {
    http: SocketAddr,
    gateway_operations: SocketAddr,
    collect: SocketAddr,
    collector_operations: SocketAddr,
}

impl Pair {
    /// Both, ready.
    pub(crate) async fn start(ground: Ground<'_>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let names = ["gateway", "analytics-collector", "admin"];
        pki::development(&folder.path().join("pki"), &names).expect("certificates");
        let (backend, url) = backend().await;
        let [http, gateway_operations, collect, collector_operations] =
            [(); 4].map(|()| SocketAddr::from(([127, 0, 0, 1], free_port())));
        let ports = Ports { http, gateway_operations, collect, collector_operations };
        let mut pair = Self { gateway: None, collector: None, ports, backend, folder };
        pair.write(ground, &url);
        pair.start_collector().await;
        pair.start_gateway().await;
        pair
    }

    /// Calls are never let go of for want of time: on a busy machine some would be.
    fn write(&self, ground: Ground<'_>, url: &str) {
        let path = |name: &str| self.folder.path().join(name);
        let place = |there: Option<&Path>, name: &str| match there {
            Some(there) => there.to_owned(),
            None => path(name),
        };
        let common = |data: &Path, operations: SocketAddr| {
            format!(
                "[service]\ndata = \"{}\"\n[pki]\ndirectory = \"{}\"\n\
                 [operations]\nlisten = \"{operations}\"\n",
                data.display(),
                path("pki").display(),
            )
        };
        let Ports { http, gateway_operations, collect, collector_operations } = &self.ports;
        let usage = ground.spool_limit.map(|limit| format!("[usage]\nspool_limit = \"{limit}\"\n"));
        let gateway = format!(
            "{common}[static]\nresources = \"{resources}\"\n[overload]\nqueue_delay = \"0s\"\n\
             [receiver]\nhttp = [\"{http}\"]\n\
             https = []\nworkers = 2\n[collector]\naddress = \"https://{collect}\"\n{usage}",
            common = common(&place(ground.gateway, "gateway"), *gateway_operations),
            resources = path("resources").display(),
            usage = usage.unwrap_or_default(),
        );
        let collector = format!(
            "{common}[rpc]\nlisten = \"{collect}\"\n",
            common = common(&place(ground.collector, "collector"), *collector_operations),
        );
        let api = format!(
            "apiVersion: turnpike/v1\nkind: Api\nmetadata: {{ name: {API}, version: \"1.0.0\" }}\n\
             spec:\n  context: /{API}\n  lifecycle: PUBLISHED\n\
             \x20 endpoints: {{ production: {{ urls: [\"{url}\"] }} }}\n\
             \x20 operations: [{{ method: GET, path: \"/{{call}}\", auth: none }}]\n",
        );
        fs::create_dir(path("resources")).expect("a folder");
        fs::write(path("resources/all.yaml"), api).expect("a file");
        fs::write(path("gateway.toml"), gateway).expect("a file");
        fs::write(path("analytics-collector.toml"), collector).expect("a file");
    }

    /// Starts the gateway and waits until it is ready.
    pub(crate) async fn start_gateway(&mut self) {
        self.gateway = Some(self.launch("gateway"));
        ready("the gateway", self.ports.gateway_operations).await;
    }

    /// Starts the collector and waits until it is ready.
    pub(crate) async fn start_collector(&mut self) {
        self.launch_collector();
        ready("the collector", self.ports.collector_operations).await;
    }

    /// Starts the collector, which may take its time to be ready.
    pub(crate) fn launch_collector(&mut self) {
        self.collector = Some(self.launch("analytics-collector"));
    }

    fn launch(&self, name: &str) -> Process {
        let mut command = Command::new(program(name));
        command.arg("--config").arg(self.folder.path().join(format!("{name}.toml")));
        Process::start(name, &mut command, &self.log(name))
    }

    fn log(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.log"))
    }

    /// kill -9.
    pub(crate) fn kill_gateway(&mut self) {
        self.gateway.take().expect("a running gateway").kill();
    }

    /// kill -9.
    pub(crate) fn kill_collector(&mut self) {
        self.collector.take().expect("a running collector").kill();
    }

    /// Asks the gateway to end and waits for that: it hands over what it still has.
    pub(crate) fn stop_gateway(&mut self) {
        let status = self.gateway.take().expect("a running gateway").stop();
        assert!(status.success(), "the gateway ended with {status}");
    }

    /// Resident memory of the gateway in MB, now and at most so far.
    pub(crate) fn gateway_memory(&self) -> (f64, f64) {
        self.gateway.as_ref().expect("a running gateway").memory()
    }

    /// Resident memory of the collector in MB, now and at most so far.
    pub(crate) fn collector_memory(&self) -> (f64, f64) {
        self.collector.as_ref().expect("a running collector").memory()
    }

    /// Where calls go.
    pub(crate) fn http(&self) -> SocketAddr {
        self.ports.http
    }

    /// The collector's gRPC port with the certificate of `caller`.
    pub(crate) fn channel(&self, caller: &str) -> Channel {
        let identity =
            Identity::named(&self.folder.path().join("pki"), caller).expect("an identity");
        let address = format!("https://{}", self.ports.collect);
        chassis::rpc::channel(&identity, &address, "analytics-collector").expect("a channel")
    }

    /// A figure of the gateway's metrics; 0 where it is not shown.
    pub(crate) async fn of_gateway(&self, name: &str) -> u64 {
        figure(self.ports.gateway_operations, name).await
    }

    /// A figure of the collector's metrics; 0 where it is not shown.
    pub(crate) async fn of_collector(&self, name: &str) -> u64 {
        figure(self.ports.collector_operations, name).await
    }

    /// Waits until the collector has every batch that is in the gateway's spool.
    pub(crate) async fn delivered(&self, within: Duration) {
        eventually("the spool is delivered", within, async || {
            (self.of_gateway("turnpike_usage_spool_batches").await == 0).then_some(())
        })
        .await;
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        self.backend.abort();
    }
}

async fn ready(who: &str, operations: SocketAddr) {
    eventually(&format!("{who} is ready"), PATIENCE, || async move {
        let asked = Client::new(operations).try_call("GET", "/readyz", &[], Bytes::new()).await;
        asked.is_ok_and(|answer| answer.status == 200).then_some(())
    })
    .await;
}

async fn figure(operations: SocketAddr, name: &str) -> u64 {
    let asked = Client::new(operations).try_call("GET", "/metrics", &[], Bytes::new()).await;
    let text = asked.map(|answer| String::from_utf8_lossy(&answer.body).into_owned());
    let text = text.unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|number| number.trim().parse().ok()).unwrap_or_default()
}

/// Answers every call with the same few bytes: the calls of these stories are about the gateway.
async fn backend() -> (JoinHandle<()>, String) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let task = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream));
        }
    });
    (task, url)
}

async fn answer(mut stream: TcpStream) {
    let mut bytes = vec![0; 16 << 10];
    let mut held = 0;
    while let Ok(read @ 1..) = stream.read(&mut bytes[held..]).await {
        held += read;
        if bytes[..held].ends_with(b"\r\n\r\n") {
            held = 0;
            if stream.write_all(ANSWER).await.is_err() {
                return;
            }
        }
    }
}
