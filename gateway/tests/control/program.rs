//! The real program before a key manager that has a script, and a backend.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chassis::{Clock, Tasks};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::ground::{Ground, PATIENCE};
use crate::scripted::Scripted;
use crate::served::resources;
use crate::shown::{Callers, HOST};

/// All of them.
pub(crate) struct Stand {
    pub(crate) gateway: Gateway,
    pub(crate) key_manager: Scripted,
    pub(crate) callers: Callers,
    /// How many calls the backend lets wait.
    pub(crate) held: Arc<AtomicUsize>,
    backend: SocketAddr,
    _tasks: Tasks,
    ground: Ground,
}

impl Stand {
    /// Ready, with what is published as `change` has it.
    pub(crate) async fn start(change: impl FnOnce(String) -> String) -> Self {
        let (ground, tasks, callers) = (Ground::new(), Tasks::default(), Callers::new());
        let held = Arc::<AtomicUsize>::default();
        let backend = backend(&tasks, Arc::clone(&held)).await;
        let key_manager = Scripted::start(&ground, callers.knowledge()).await;
        fs::create_dir(ground.path().join("resources")).expect("a folder");
        write(&ground, &change(resources(&callers.partners, backend, false)));
        let gateway = Gateway::start(ground.path(), key_manager.address);
        gateway
            .until("it is ready", async || {
                let said = call(gateway.operations, "/readyz", "").await;
                said.is_some_and(|(status, _)| status == 200)
            })
            .await;
        Self { gateway, key_manager, callers, held, backend, _tasks: tasks, ground }
    }

    /// Publishes the resources from which something was taken back.
    pub(crate) fn take_back(&self) {
        write(&self.ground, &resources(&self.callers.partners, self.backend, true));
    }
}

fn write(ground: &Ground, resources: &str) {
    fs::write(ground.path().join("resources/all.yaml"), resources).expect("a file");
}

/// The real program; it is killed when dropped.
pub(crate) struct Gateway {
    child: Child,
    http: SocketAddr,
    operations: SocketAddr,
    log: PathBuf,
}

impl Drop for Gateway {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Gateway {
    fn start(folder: &Path, key_manager: SocketAddr) -> Self {
        let [http, operations] = [(); 2].map(|()| free());
        let config = format!(
            "[service]\ndata = {data:?}\n[pki]\ndirectory = {pki:?}\n\
             [static]\nresources = {resources:?}\n[operations]\nlisten = \"{operations}\"\n\
             [key_manager]\naddress = \"https://{key_manager}\"\n\
             [receiver]\nhttp = [\"{http}\"]\nhttps = []\nworkers = 1\n\
             trusted_proxies = [\"127.0.0.0/8\"]\n",
            data = folder.join("gateway"),
            pki = folder.join("pki"),
            resources = folder.join("resources"),
        );
        fs::write(folder.join("gateway.toml"), config).expect("a file");
        let log = folder.join("gateway.log");
        let out = File::create(&log).expect("a file");
        let child = Command::new(env!("CARGO_BIN_EXE_gateway"))
            .arg("--config")
            .arg(folder.join("gateway.toml"))
            .stdin(Stdio::null())
            .stdout(out.try_clone().expect("a handle"))
            .stderr(out)
            .spawn()
            .expect("a program");
        Self { child, http, operations, log }
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until `look` sees something.
    pub(crate) async fn until(&self, what: &str, mut look: impl AsyncFnMut() -> bool) {
        let clock = Clock::system();
        let seen = async {
            while !look().await {
                clock.sleep(Duration::from_millis(20)).await;
            }
        };
        let seen = clock.timeout(PATIENCE, seen).await;
        assert!(seen.is_ok(), "waited in vain: {what}\n{}", self.log());
    }

    /// The status of a call; one that the gateway gives for another reason than expected is 999.
    pub(crate) async fn call(&self, (target, fields): (String, String)) -> u16 {
        let (status, said) = call(self.http, &target, &fields).await.unwrap_or_default();
        let body = said.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
        let body: Value = serde_json::from_str(body).unwrap_or_default();
        match (status, body["code"].as_str()) {
            (200, None) | (401, Some("900901")) | (503, Some("101503")) => status,
            _ => {
                eprintln!("{target}: {said}");
                999
            }
        }
    }
}

async fn call(at: SocketAddr, target: &str, fields: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(at).await.ok()?;
    let request =
        format!("GET {target} HTTP/1.1\r\nhost: {HOST}\r\n{fields}connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut said = String::new();
    stream.read_to_string(&mut said).await.ok()?;
    Some((said.split(' ').nth(1)?.parse().ok()?, said))
}

fn free() -> SocketAddr {
    let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    port.local_addr().expect("an address")
}

/// Says yes to everybody, and nothing to who asks for `/held`, whom it counts.
async fn backend(tasks: &Tasks, held: Arc<AtomicUsize>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let each = tasks.clone();
    tasks.spawn("backend", async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let held = Arc::clone(&held);
            each.spawn("backend connection", async move {
                let mut head = Vec::new();
                while stream.read_buf(&mut head).await.is_ok_and(|read| read > 0) {
                    if head.ends_with(b"\r\n\r\n") {
                        if head.starts_with(b"GET /held") {
                            held.fetch_add(1, Ordering::Relaxed);
                            continue;
                        }
                        head.clear();
                        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
                        drop(stream.write_all(answer).await);
                    }
                }
            });
        }
    });
    address
}
