//! A gateway alone: the real program with a directory of resource files, and nothing around it.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::process::{Process, program};
use crate::{Client, eventually, free_port};

/// A running gateway; it ends and its files are deleted when it is dropped.
#[derive(Debug)]
pub struct Alone {
    process: Process,
    http: SocketAddr,
    https: SocketAddr,
    folder: TempDir,
}

impl Alone {
    /// Serves `resources` with further lines of the section `[receiver]`, and is ready.
    pub async fn start(resources: &str, receiver: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let [http, https, operations] = [(); 3].map(|()| local(free_port()));
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("resources")).expect("a folder");
        fs::write(path("resources/all.yaml"), resources).expect("a file");
        let config = format!(
            "[service]\ndata = \"{data}\"\n[static]\nresources = \"{resources}\"\n\
             [pki]\ndirectory = \"{pki}\"\n[operations]\nlisten = \"{operations}\"\n\
             [receiver]\nhttp = [\"{http}\"]\nhttps = [\"{https}\"]\n{receiver}\n",
            data = path("data").display(),
            resources = path("resources").display(),
            pki = path("pki").display(),
        );
        fs::write(path("gateway.toml"), config).expect("a file");
        let mut command = Command::new(program("gateway"));
        command.arg("--config").arg(path("gateway.toml"));
        let process = Process::start("gateway", &mut command, &path("gateway.log"));
        eventually("the gateway is ready", Duration::from_secs(30), || async move {
            let asked =
                Client::new(operations).try_call("GET", "/readyz", &[], bytes::Bytes::new()).await;
            asked.is_ok_and(|answer| answer.status == 200).then_some(())
        })
        .await;
        Self { process, http, https, folder }
    }

    /// Where calls go in clear text.
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// Where calls go under TLS.
    pub fn https(&self) -> SocketAddr {
        self.https
    }

    /// The number of its process.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Whether it is still there.
    pub fn is_running(&mut self) -> bool {
        self.process.is_running()
    }

    /// The folder of its files, with `resources`, `pki` and `gateway.log`.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}
