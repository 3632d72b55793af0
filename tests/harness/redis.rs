//! How is a real Redis had for a test: one server, a master with a replica and a sentinel, a cluster?
//!
//! Debian's `redis-server`, on free loopback ports, in folders that go away with it. Where
//! `TURNPIKE_REDIS_SERVER` names another program (Valkey's), that one. Speaks through `redis-cli`.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);

/// One server.
#[derive(Debug)]
pub struct Redis {
    folder: tempfile::TempDir,
    address: SocketAddr,
    flags: Vec<String>,
    process: Option<Child>,
}

/// A master, a replica, and a sentinel that puts one in place of the other.
#[derive(Debug)]
pub struct Watched {
    /// The servers; the first one is the master at first.
    pub servers: [Redis; 2],
    /// Who watches them.
    pub sentinel: Redis,
}

/// What a sentinel calls the master.
pub const MASTER: &str = "limits";

impl Redis {
    /// A server that writes down every change before it answers.
    pub fn start() -> Self {
        Self::start_with(&["--appendonly", "yes", "--appendfsync", "always"])
    }

    /// A server with these flags.
    pub fn start_with(flags: &[&str]) -> Self {
        let flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let folder = tempfile::tempdir().expect("a folder");
        let mut server = Self { folder, address: free(), flags, process: None };
        server.run();
        server
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same, as gateways are told it.
    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// Ends it without a word.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("it runs");
            process.wait().expect("it has ended");
        }
    }

    /// Starts it again on the same data and port.
    pub fn restart(&mut self) {
        self.kill();
        self.run();
    }

    /// It goes on accepting connections and answers nothing.
    pub fn hang(&self) {
        self.signal("-STOP");
    }

    /// It answers again.
    pub fn go_on(&self) {
        self.signal("-CONT");
    }

    /// What it answers to a command.
    pub fn cli(&self, words: &[&str]) -> String {
        let said = Command::new("redis-cli")
            .args(["-h", "127.0.0.1", "-p", &self.address.port().to_string()])
            .args(words)
            .output()
            .expect("redis-cli");
        String::from_utf8_lossy(&said.stdout).trim().to_owned()
    }

    fn signal(&self, signal: &str) {
        let process = self.process.as_ref().expect("it runs");
        let sent = Command::new("kill").args([signal, &process.id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "{signal}");
    }

    fn run(&mut self) {
        let program = std::env::var("TURNPIKE_REDIS_SERVER");
        let program = program.unwrap_or_else(|_| "redis-server".to_owned());
        let mut command = Command::new(program);
        // A sentinel has its configuration first.
        let (files, flags): (Vec<_>, Vec<_>) = self
            .flags
            .iter()
            .partition(|flag| Path::new(flag).extension().is_some_and(|it| it == "conf"));
        command
            .args(files)
            .args(["--port", &self.address.port().to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--loglevel", "warning"])
            .args(["--logfile", "server.log"])
            .args(flags)
            .current_dir(self.folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        self.process = Some(command.spawn().expect("redis-server; ./test installs it"));
        let (address, log) = (self.address, self.folder.path().join("server.log"));
        eventually(&format!("a server listens on {address} ({})", log.display()), || {
            TcpStream::connect(address).is_ok()
        });
        eventually("it answers", || self.cli(&["ping"]) == "PONG");
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Watched {
    /// Starts all three; the sentinel acts when the master has been silent for half a second.
    pub fn start() -> Self {
        let master = Redis::start();
        let port = master.address.port().to_string();
        let of = format!("127.0.0.1 {port}");
        let replica = Redis::start_with(&["--appendonly", "yes", "--replicaof", &of]);
        eventually("the replica follows", || {
            replica.cli(&["info", "replication"]).contains("master_link_status:up")
        });
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("sentinel.conf");
        let lines = [
            format!("sentinel monitor {MASTER} 127.0.0.1 {port} 1"),
            format!("sentinel down-after-milliseconds {MASTER} 500"),
            format!("sentinel failover-timeout {MASTER} 2000"),
        ];
        std::fs::write(&file, lines.join("\n") + "\n").expect("a file");
        let sentinel = Redis::start_in(folder, &file);
        eventually("the sentinel knows the replica", || {
            let known = sentinel.cli(&["sentinel", "replicas", MASTER]);
            known.contains(&replica.address.port().to_string())
        });
        Self { servers: [master, replica], sentinel }
    }
}

impl Redis {
    fn start_in(folder: tempfile::TempDir, file: &Path) -> Self {
        let flags = vec![file.display().to_string(), "--sentinel".to_owned()];
        let mut server = Self { folder, address: free(), flags, process: None };
        server.run();
        server
    }
}

/// Starts a cluster of three masters.
pub fn cluster() -> Vec<Redis> {
    let flags = ["--cluster-enabled", "yes", "--cluster-node-timeout", "1000"];
    let nodes: Vec<_> = (0..3).map(|_| Redis::start_with(&flags)).collect();
    let addresses = nodes.iter().map(|node| node.address.to_string());
    let made = Command::new("redis-cli")
        .args(["--cluster", "create"])
        .args(addresses)
        .args(["--cluster-replicas", "0", "--cluster-yes"])
        .output()
        .expect("redis-cli");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stdout));
    for node in &nodes {
        eventually("every node knows the cluster", || {
            node.cli(&["cluster", "info"]).contains("cluster_state:ok")
        });
    }
    nodes
}

/// Whether there is one on this machine; says so where there is none.
pub fn is_installed() -> bool {
    let installed = PathBuf::from("/usr/bin/redis-server").exists();
    if !installed {
        eprintln!("left out: redis-server is not installed");
    }
    installed
}

/// A port of the loopback address that nobody uses, that no outgoing connection takes while the server is
/// down, and with another free one 10,000 above it, where a cluster's nodes speak to each other.
fn free() -> SocketAddr {
    const FIRST: u32 = 12_000;
    const COUNT: u32 = 10_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Suites that run side by side begin at different places.
    let begin = std::process::id().wrapping_mul(131);
    let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    loop {
        let next = begin.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(FIRST + next % COUNT).expect("below 32768");
        if is_free(port) && is_free(port + 10_000) {
            return SocketAddr::from(([127, 0, 0, 1], port));
        }
    }
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let since = Instant::now();
    while !holds() {
        assert!(since.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}
