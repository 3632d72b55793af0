//! A gateway as a process of its own, and a backend for it.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use chassis::{Clock, Tasks};
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Nothing takes longer unless it is broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Whoever measures wants the machine for itself.
static MACHINE: RwLock<()> = RwLock::const_new(());

/// Nothing else is tried meanwhile.
pub(crate) async fn alone() -> RwLockWriteGuard<'static, ()> {
    MACHINE.write().await
}

/// Others that do not mind are tried meanwhile.
pub(crate) async fn beside_others() -> RwLockReadGuard<'static, ()> {
    MACHINE.read().await
}

/// Where a gateway is found, and what it is told.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) folder: PathBuf,
    pub(crate) http: SocketAddr,
    pub(crate) operations: SocketAddr,
}

/// A running gateway; it is killed when dropped.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) place: Place,
    log: PathBuf,
    child: Child,
}

impl Place {
    /// A place with ports of its own. `more` is added to the configuration, `backend` serves
    /// everything below `/open/1.0`.
    pub(crate) fn new(folder: &Path, backend: SocketAddr, more: &str) -> Self {
        let (http, operations) = (free(), free());
        fs::create_dir_all(folder.join("resources")).unwrap();
        let resource = format!(
            "apiVersion: turnpike/v1\nkind: Api\nmetadata: {{ name: open, version: \"1.0\" }}\n\
             spec:\n  context: /open\n  lifecycle: PUBLISHED\n  security: {{ schemes: [none] }}\n  \
             endpoints: {{ production: {{ urls: [\"http://{backend}\"] }} }}\n"
        );
        fs::write(folder.join("resources/open.yaml"), resource).unwrap();
        let data = folder.join("data");
        let config = format!(
            "[service]\ndata = {data:?}\n[pki]\ndirectory = {:?}\n[static]\nresources = {:?}\n\
             [operations]\nlisten = \"{operations}\"\n\
             [receiver]\nhttp = [\"{http}\"]\nhttps = []\n{more}",
            data.join("pki"),
            folder.join("resources"),
        );
        fs::write(folder.join("gateway.toml"), config).unwrap();
        Self { folder: folder.to_owned(), http, operations }
    }

    /// Starts a gateway and waits until it is ready.
    pub(crate) async fn start(&self, arguments: &[&str]) -> Gateway {
        self.ready(self.begin(arguments)).await
    }

    /// The same with at most so many open files.
    pub(crate) async fn start_with_descriptors(&self, most: u32) -> Gateway {
        let mut command = Command::new("sh");
        let line = format!("ulimit -n {most}; exec \"$0\" \"$@\"");
        command.args(["-c", &line, env!("CARGO_BIN_EXE_gateway")]);
        self.ready(self.spawn(command, &[])).await
    }

    /// The same on one processor.
    pub(crate) async fn start_on(&self, processor: usize) -> Gateway {
        let mut command = Command::new("taskset");
        command.args(["-c", &processor.to_string(), env!("CARGO_BIN_EXE_gateway")]);
        self.ready(self.spawn(command, &[])).await
    }

    /// Changes a resource before the gateway starts.
    pub(crate) fn change(&self, name: &str, change: impl FnOnce(String) -> String) {
        let file = self.folder.join("resources").join(name);
        let text = fs::read_to_string(&file).unwrap();
        fs::write(file, change(text)).unwrap();
    }

    async fn ready(&self, gateway: Gateway) -> Gateway {
        let ready = async {
            while self.ask("/readyz").await.0 != 200 {
                Clock::system().sleep(Duration::from_millis(10)).await;
            }
        };
        let waited = Clock::system().timeout(PATIENCE, ready).await;
        assert!(waited.is_ok(), "not ready:\n{}", gateway.last_words());
        gateway
    }

    /// Starts a gateway.
    pub(crate) fn begin(&self, arguments: &[&str]) -> Gateway {
        self.spawn(Command::new(env!("CARGO_BIN_EXE_gateway")), arguments)
    }

    fn spawn(&self, mut command: Command, arguments: &[&str]) -> Gateway {
        let log = self.folder.join("log");
        let out = File::options().create(true).append(true).open(&log).unwrap();
        let child = command
            .arg("--config")
            .arg(self.folder.join("gateway.toml"))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(out.try_clone().unwrap())
            .stderr(out)
            .spawn()
            .unwrap();
        Gateway { place: self.clone(), log, child }
    }

    /// Asks the operations port; 0: it does not answer.
    pub(crate) async fn ask(&self, path: &str) -> (u16, String) {
        ask(self.operations, &format!("GET {path}")).await.unwrap_or_default()
    }
}

/// One request on a connection of its own.
pub(crate) async fn ask(at: SocketAddr, line: &str) -> Option<(u16, String)> {
    ask_with(at, line, "").await
}

/// The same with header lines.
pub(crate) async fn ask_with(at: SocketAddr, line: &str, fields: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(at).await.ok()?;
    let request = format!("{line} HTTP/1.1\r\nhost: x\r\n{fields}connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut said = String::new();
    stream.read_to_string(&mut said).await.ok()?;
    let status = said.split(' ').nth(1)?.parse().ok()?;
    Some((status, said.split_once("\r\n\r\n")?.1.to_owned()))
}

impl Gateway {
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).unwrap();
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits until it has ended by itself.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let clock = Clock::system();
        let begun = clock.instant();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            let waited = clock.instant().duration_since(begun);
            assert!(waited < PATIENCE, "does not end:\n{}", self.last_words());
            clock.sleep(Duration::from_millis(10)).await;
        }
    }

    pub(crate) fn last_words(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A port that nobody uses now and that no outgoing connection takes.
pub(crate) fn free() -> SocketAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let begin = std::process::id().wrapping_mul(97);
    loop {
        let next = begin.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(10_000 + next % 20_000).unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        if std::net::TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

/// A backend that answers with the number of bytes it was sent, says in fields who it is and what it
/// saw, and counts.
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    pub(crate) calls: Arc<AtomicU64>,
}

pub(crate) async fn backend(name: &'static str) -> Backend {
    let calls = Arc::<AtomicU64>::default();
    let tasks = Tasks::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (connections, counting) = (tasks.clone(), Arc::clone(&calls));
    tasks.spawn("backend", async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            let server = hyper::server::conn::http1::Builder::new();
            let calls = Arc::clone(&counting);
            let answer = service_fn(move |request| counted(name, request, Arc::clone(&calls)));
            let connection = server.serve_connection(TokioIo::new(stream), answer);
            connections.spawn("backend connection", async move { drop(connection.await) });
        }
    });
    Backend { address, calls }
}

async fn counted(
    name: &'static str,
    request: Request<Incoming>,
    calls: Arc<AtomicU64>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (head, body) = request.into_parts();
    let length = body.collect().await?.to_bytes().len();
    calls.fetch_add(1, Ordering::Relaxed);
    let revision = head.headers.get("x-revision").and_then(|value| value.to_str().ok());
    let saw = format!("{} {}", head.uri.path(), revision.unwrap_or_default());
    let mut answer = Response::new(Full::from(length.to_string()));
    answer.headers_mut().insert("x-backend", HeaderValue::from_static(name));
    answer.headers_mut().insert("x-saw", HeaderValue::try_from(saw).unwrap());
    Ok(answer)
}
