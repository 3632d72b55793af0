//! An etcd of the test's own: Debian's, on free loopback ports, in a folder that goes away.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

const ETCD: &str = "/usr/bin/etcd";
const ETCDCTL: &str = "/usr/bin/etcdctl";

pub(crate) struct Server {
    pub(crate) folder: tempfile::TempDir,
    data: PathBuf,
    client: SocketAddr,
    peer: SocketAddr,
    tls: Vec<String>,
    process: Option<Child>,
}

pub(crate) fn is_installed() -> bool {
    let installed = Path::new(ETCD).exists();
    if !installed {
        eprintln!("left out: {ETCD} is not installed");
    }
    installed
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::start_with(tempfile::tempdir().unwrap(), Vec::new())
    }

    /// `tls` are the flags that turn TLS on.
    pub(crate) fn start_with(folder: tempfile::TempDir, tls: Vec<String>) -> Self {
        let data = folder.path().join("data");
        let (client, peer) = (free(), free());
        let mut server = Self { folder, data, client, peer, tls, process: None };
        server.run();
        server
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.client
    }

    fn run(&mut self) {
        let scheme = if self.tls.is_empty() { "http" } else { "https" };
        let client = format!("{scheme}://{}", self.client);
        let peer = format!("http://{}", self.peer);
        let process = Command::new(ETCD)
            .args(["--name", "one", "--log-level", "error", "--logger", "zap"])
            .arg("--data-dir")
            .arg(&self.data)
            .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &format!("one={peer}")])
            .args(&self.tls)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.process = Some(process);
        for _ in 0..500 {
            if TcpStream::connect(self.client).is_ok() {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
        panic!("etcd does not listen on {}", self.client);
    }

    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    pub(crate) fn restart(&mut self) {
        self.kill();
        self.run();
    }

    pub(crate) fn snapshot(&self) {
        self.ctl(&["snapshot", "save", &self.saved()]);
    }

    /// Goes on from the snapshot, as its manual says: a new folder and, unless `as_before`, a
    /// token of its own, which makes it a new cluster.
    pub(crate) fn restore(&mut self, as_before: bool) {
        self.kill();
        self.data = self.folder.path().join("restored");
        let peer = format!("http://{}", self.peer);
        let token = if as_before { "etcd-cluster" } else { "restored" };
        self.ctl(&[
            "snapshot",
            "restore",
            &self.saved(),
            "--name",
            "one",
            "--data-dir",
            self.data.to_str().unwrap(),
            "--initial-cluster",
            &format!("one={peer}"),
            "--initial-advertise-peer-urls",
            &peer,
            "--initial-cluster-token",
            token,
        ]);
        self.run();
    }

    fn saved(&self) -> String {
        self.folder.path().join("snapshot.db").to_str().unwrap().to_owned()
    }

    /// Runs `etcdctl` against this server.
    pub(crate) fn ctl(&self, arguments: &[&str]) {
        let scheme = if self.tls.is_empty() { "http" } else { "https" };
        let done = Command::new(ETCDCTL)
            .env("ETCDCTL_API", "3")
            .args(["--endpoints", &format!("{scheme}://{}", self.client)])
            .args(arguments)
            .output()
            .unwrap();
        assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port that was free a moment ago.
fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
