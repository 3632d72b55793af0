//! How are a real etcd and a real PostgreSQL had for a test?

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::process::Process;
use crate::{eventually, free_port};

/// An etcd server of our own.
#[derive(Debug)]
pub struct Etcd {
    pub url: String,
    process: Option<Process>,
    folder: PathBuf,
    ports: (u16, u16),
}

impl Etcd {
    /// Starts Debian's `etcd` below `folder`.
    pub async fn start(folder: &Path) -> Self {
        let ports = (free_port(), free_port());
        let mut etcd = Self {
            url: format!("http://127.0.0.1:{}", ports.0),
            process: None,
            folder: folder.to_owned(),
            ports,
        };
        etcd.restart().await;
        etcd
    }

    /// Kills it, if it runs, and starts it again on the same data.
    pub async fn restart(&mut self) {
        if let Some(process) = self.process.take() {
            process.kill();
        }
        let peer = format!("http://127.0.0.1:{}", self.ports.1);
        let mut command = Command::new("etcd");
        command
            .args(["--name", "n1", "--log-level", "error", "--initial-cluster-state", "new"])
            .args(["--listen-client-urls", &self.url, "--advertise-client-urls", &self.url])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &format!("n1={peer}")])
            .arg("--data-dir")
            .arg(self.folder.join("etcd"));
        self.process = Some(Process::start("etcd", &mut command, &self.folder.join("etcd.log")));
        let url = self.url.clone();
        eventually("etcd answers", Duration::from_secs(20), || {
            let healthy = Command::new("etcdctl")
                .env("ETCDCTL_API", "3")
                .args(["--endpoints", &url, "endpoint", "health"])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|status| status.success());
            async move { healthy.then_some(()) }
        })
        .await;
    }
}

/// A PostgreSQL server of our own.
#[derive(Debug)]
pub struct Postgres {
    pub url: String,
    _process: Process,
}

impl Postgres {
    /// Makes a cluster below `folder` and starts it. PostgreSQL refuses to run as root; then it
    /// runs as the user `postgres`, which Debian's package has made.
    pub async fn start(folder: &Path) -> Self {
        let data = folder.join("postgres");
        fs::create_dir_all(&data).expect("a data folder");
        let root = is_root();
        if root {
            // Every folder above must let the other user pass.
            for above in data.ancestors().take_while(|path| path.starts_with(std::env::temp_dir()))
            {
                run(Command::new("chmod").arg("o+x").arg(above));
            }
            run(Command::new("chown").arg("postgres").arg(&data));
        }
        let programs = newest_programs();
        let mut make = command(&programs.join("initdb"), root);
        make.arg("-D").arg(&data).args(["-U", "turnpike", "-A", "trust", "--no-sync"]);
        run(make.stdout(Stdio::null()));
        let port = free_port();
        let mut start = command(&programs.join("postgres"), root);
        start
            .arg("-D")
            .arg(&data)
            .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-k"])
            .arg(&data);
        let process = Process::start("postgres", &mut start, &folder.join("postgres.log"));
        let ready = programs.join("pg_isready");
        eventually("PostgreSQL answers", Duration::from_secs(30), || {
            let up = Command::new(&ready)
                .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-q"])
                .status()
                .is_ok_and(|status| status.success());
            async move { up.then_some(()) }
        })
        .await;
        Self { url: format!("postgres://turnpike@127.0.0.1:{port}/postgres"), _process: process }
    }
}

fn is_root() -> bool {
    let out = Command::new("id").arg("-u").output().expect("id");
    out.stdout.starts_with(b"0\n")
}

fn command(program: &Path, root: bool) -> Command {
    if !root {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
    command
}

fn run(command: &mut Command) {
    let status = command.status().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(status.success(), "{command:?} failed");
}

/// Debian keeps each major version in a folder of its own.
fn newest_programs() -> PathBuf {
    let mut found: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .expect("PostgreSQL is not installed; ./test installs it")
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(|path| path.join("initdb").exists())
        .collect();
    found.sort();
    found.pop().expect("PostgreSQL's programs")
}
