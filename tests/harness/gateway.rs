//! Further gateways of a system: what reaches one of them has to reach all.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::process::{Process, program};
use crate::{Client, Stack, eventually, free_port};

/// A gateway beside that of a `Stack`; it ends when it is dropped.
#[derive(Debug)]
pub struct Gateway {
    name: String,
    process: Option<Process>,
    http: SocketAddr,
    operations: SocketAddr,
    config: PathBuf,
    log: PathBuf,
}

impl Gateway {
    /// Starts one and waits until it is ready. It believes what its callers say of whom they speak for
    /// (`X-Forwarded-For`).
    pub async fn beside(stack: &Stack, name: &str) -> Self {
        Self::through(stack, name, &stack.rpc("key-manager")).await
    }

    /// The same with a label, for the groups that select it.
    pub async fn labelled(stack: &Stack, name: &str, label: (&str, &str)) -> Self {
        let labels = format!("[gateway.labels]\n{} = \"{}\"\n", label.0, label.1);
        let (control_plane, key_manager) = (stack.rpc("control-plane"), stack.rpc("key-manager"));
        Self::configured(stack, name, &control_plane, &key_manager, &labels).await
    }

    /// The same, where the key manager is reached at an address of its own.
    pub async fn through(stack: &Stack, name: &str, key_manager: &str) -> Self {
        Self::between(stack, name, &stack.rpc("control-plane"), key_manager).await
    }

    /// The same, where the control plane is reached at an address of its own.
    pub async fn under(stack: &Stack, name: &str, control_plane: &str) -> Self {
        Self::between(stack, name, control_plane, &stack.rpc("key-manager")).await
    }

    async fn between(stack: &Stack, name: &str, control_plane: &str, key_manager: &str) -> Self {
        Self::configured(stack, name, control_plane, key_manager, "").await
    }

    async fn configured(
        stack: &Stack,
        name: &str,
        control_plane: &str,
        key_manager: &str,
        more: &str,
    ) -> Self {
        let [http, https, operations] = [(); 3].map(|()| local(free_port()));
        let folder = stack.folder();
        let config = format!(
            "[service]\ndata = \"{folder}/{name}\"\nid = \"{name}\"\n\
             [pki]\ndirectory = \"{folder}/pki\"\n[operations]\nlisten = \"{operations}\"\n\
             [receiver]\nhttp = [\"{http}\"]\nhttps = [\"{https}\"]\nworkers = 2\n\
             trusted_proxies = [\"127.0.0.0/8\"]\n\
             [control_plane]\naddress = \"{control_plane}\"\n[key_manager]\naddress = \"{key_manager}\"\n\
             [collector]\naddress = \"off\"\n{more}",
            folder = folder.display(),
        );
        let path = folder.join(format!("{name}.toml"));
        fs::write(&path, config).expect("a configuration file");
        let log = folder.join(format!("{name}.log"));
        let name = name.to_owned();
        let mut gateway = Self { name, process: None, http, operations, config: path, log };
        gateway.restart().await;
        gateway
    }

    /// Ends as a power cut would.
    pub fn kill(&mut self) {
        self.process.take().expect("a running gateway").kill();
    }

    /// Starts it and waits until it is ready.
    pub async fn restart(&mut self) {
        let mut command = Command::new(program("gateway"));
        command.arg("--config").arg(&self.config);
        self.process = Some(Process::start(&self.name, &mut command, &self.log));
        let operations = self.operations;
        eventually(&format!("{} is ready", self.name), Duration::from_secs(30), || async move {
            let asked =
                Client::new(operations).try_call("GET", "/readyz", &[], bytes::Bytes::new()).await;
            asked.is_ok_and(|answer| answer.status == 200).then_some(())
        })
        .await;
    }

    /// Where calls go in clear text.
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// Its operations port.
    pub fn operations(&self) -> SocketAddr {
        self.operations
    }

    /// A caller in front of it.
    pub fn client(&self) -> Client {
        Client::new(self.http)
    }
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}
