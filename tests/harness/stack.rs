//! A whole system of real programs on free loopback ports.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use chassis::Host;
use serde_json::Value;
use tempfile::TempDir;
use tonic::transport::Channel;

use crate::engines::{Etcd, Postgres};
use crate::process::{Process, program};
use crate::{Client, eventually, free_port};

/// Which engines keep the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engines {
    /// The stores inside the services.
    Embedded,
    /// etcd and PostgreSQL.
    ScaleOut,
}

/// The four services, by the names of their programs.
pub const SERVICES: [&str; 4] = ["analytics-collector", "key-manager", "control-plane", "gateway"];

const COLLECTOR: &str = "analytics-collector";

/// The ports of one system.
#[derive(Debug)]
struct Ports {
    http: u16,
    https: u16,
    rest: u16,
    control_plane: u16,
    tokens: u16,
    key_manager: u16,
    collector: u16,
    operations: [u16; 4],
}

/// A running system; everything ends and is deleted when it is dropped.
#[derive(Debug)]
pub struct Stack {
    services: [Option<Process>; 4],
    ports: Ports,
    extra: Vec<(&'static str, String)>,
    collects: bool,
    pub etcd: Option<Etcd>,
    pub postgres: Option<Postgres>,
    folder: TempDir,
}

impl Stack {
    /// Starts all four services and waits until each is ready.
    pub async fn start(engines: Engines) -> Self {
        Self::start_with(engines, &[]).await
    }

    /// The same with further settings, `("gateway", "[section]\nkey = …")`; `{folder}` is the folder of
    /// its files.
    pub async fn start_with(engines: Engines, extra: &[(&'static str, &str)]) -> Self {
        Self::start_some(engines, extra, true).await
    }

    /// The same with embedded stores and without the analytics collector, where nobody counts.
    pub async fn start_uncounted(extra: &[(&'static str, &str)]) -> Self {
        Self::start_some(Engines::Embedded, extra, false).await
    }

    async fn start_some(engines: Engines, extra: &[(&'static str, &str)], collects: bool) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (etcd, postgres) = match engines {
            Engines::Embedded => (None, None),
            Engines::ScaleOut => {
                (Some(Etcd::start(folder.path()).await), Some(Postgres::start(folder.path()).await))
            }
        };
        let mut stack = Self {
            services: [None, None, None, None],
            ports: Ports {
                http: free_port(),
                https: free_port(),
                rest: free_port(),
                control_plane: free_port(),
                tokens: free_port(),
                key_manager: free_port(),
                collector: free_port(),
                operations: [free_port(), free_port(), free_port(), free_port()],
            },
            extra: extra.iter().map(|(name, text)| (*name, (*text).to_owned())).collect(),
            collects,
            etcd,
            postgres,
            folder,
        };
        // The services make their own certificates; the command line's is made by who starts them.
        chassis::pki::development(&stack.pki(), &["admin"]).expect("certificates");
        let wanted = SERVICES.into_iter().filter(|name| collects || *name != COLLECTOR);
        for name in wanted.clone() {
            stack.launch(name);
        }
        for name in wanted {
            stack.ready(name).await;
        }
        stack
    }

    /// Further settings of a service, from its next start on.
    pub fn set(&mut self, name: &'static str, text: &str) {
        self.extra.push((name, text.to_owned()));
    }

    /// Starts one service without waiting for it.
    pub fn launch(&mut self, name: &'static str) {
        let folder = self.folder.path();
        let config = folder.join(format!("{name}.toml"));
        fs::write(&config, self.config(name)).expect("a configuration file");
        let mut command = Command::new(program(name));
        command.arg("--config").arg(&config);
        let log = folder.join(format!("{name}.log"));
        self.services[index(name)] = Some(Process::start(name, &mut command, &log));
    }

    /// Starts one service and waits until it is ready.
    pub async fn restart(&mut self, name: &'static str) {
        self.launch(name);
        self.ready(name).await;
    }

    /// Waits until the service says that it is ready.
    pub async fn ready(&mut self, name: &'static str) {
        let address = self.operations(name);
        let service = self.services[index(name)].as_mut();
        assert!(
            service.is_some_and(Process::is_running),
            "{name} ended; its log: {}",
            self.log(name)
        );
        eventually(&format!("{name} is ready"), Duration::from_secs(30), || async move {
            let answer =
                Client::new(address).try_call("GET", "/readyz", &[], bytes::Bytes::new()).await;
            answer.is_ok_and(|answer| answer.status == 200).then_some(())
        })
        .await;
    }

    /// Ends a service as a power cut would.
    pub fn kill(&mut self, name: &'static str) {
        self.services[index(name)].take().expect("a running service").kill();
    }

    /// Asks a service to end and waits for that.
    pub fn stop(&mut self, name: &'static str) {
        let status = self.services[index(name)].take().expect("a running service").stop();
        assert!(status.success(), "{name} ended with {status}; its log: {}", self.log(name));
    }

    /// Whether a service is still there.
    pub fn is_running(&mut self, name: &'static str) -> bool {
        self.services[index(name)].as_mut().is_some_and(Process::is_running)
    }

    /// The resident memory of a service in MB, now and at most so far.
    pub fn memory(&self, name: &str) -> (f64, f64) {
        self.services[index(name)].as_ref().expect("a running service").memory()
    }

    /// Where calls go in clear text.
    pub fn gateway(&self) -> SocketAddr {
        local(self.ports.http)
    }

    /// The ports that listen, with words for each.
    pub fn listeners(&self) -> Vec<(&'static str, SocketAddr)> {
        let ports = &self.ports;
        let mut all = vec![
            ("gateway http", ports.http),
            ("gateway https", ports.https),
            ("control plane REST", ports.rest),
            ("control plane gRPC", ports.control_plane),
            ("key manager HTTPS", ports.tokens),
            ("key manager gRPC", ports.key_manager),
            ("collector gRPC", ports.collector),
        ];
        all.extend(SERVICES.into_iter().zip(ports.operations));
        all.into_iter().map(|(name, port)| (name, local(port))).collect()
    }

    /// The operations address of a service.
    pub fn operations(&self, name: &str) -> SocketAddr {
        local(self.ports.operations[index(name)])
    }

    /// The gRPC address of the control plane, the key manager or the collector.
    pub fn rpc(&self, name: &str) -> String {
        let port = match name {
            "control-plane" => self.ports.control_plane,
            "key-manager" => self.ports.key_manager,
            _ => self.ports.collector,
        };
        format!("https://127.0.0.1:{port}")
    }

    /// The address of the REST API, and the administrator's token.
    pub fn rest(&self) -> (SocketAddr, String) {
        let token = self.folder().join("control-plane/admin.token");
        (local(self.ports.rest), fs::read_to_string(token).expect("the administrator's token"))
    }

    /// A channel to the gRPC port of a service with the certificate of `caller`.
    pub fn channel(&self, caller: &'static str, name: &str) -> Channel {
        let host = Host::development(caller, self.folder()).expect("a host");
        chassis::rpc::channel(&host.tls, &self.rpc(name), name).expect("a channel")
    }

    /// The `iss` of the key manager's tokens, below which its endpoints are.
    pub fn issuer(&self) -> String {
        format!("https://127.0.0.1:{}/oauth2", self.ports.tokens)
    }

    /// A caller in front of the gateway.
    pub fn client(&self) -> Client {
        Client::new(self.gateway())
    }

    /// A folder for the test's own files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The folder of the certificates.
    pub fn pki(&self) -> PathBuf {
        self.folder().join("pki")
    }

    /// Writes a file and returns its path.
    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.folder().join(name);
        fs::write(&path, text).expect("a file");
        path.to_string_lossy().into_owned()
    }

    /// Runs the command line and returns what it answered, whatever that was.
    pub async fn try_turnpike(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(arguments);
        // A command that hangs fails its own test and not the whole suite.
        let output =
            tokio::time::timeout(Duration::from_mins(1), command.kill_on_drop(true).output());
        let said = output.await.unwrap_or_else(|_| panic!("turnpike {arguments:?} hangs"));
        said.expect("the command line")
    }

    /// The command line with the addresses of this system, to be started.
    pub fn command(&self, arguments: &[&str]) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(program("turnpike"));
        command
            .args(arguments)
            .env("TURNPIKE_DATA", self.folder())
            .env("TURNPIKE_HOME", self.folder().join("home"))
            .env("TURNPIKE_SERVER", self.rpc("control-plane"))
            .env("TURNPIKE_KEY_MANAGER", self.rpc("key-manager"))
            .env("TURNPIKE_ANALYTICS", self.rpc("analytics-collector"))
            .env("TURNPIKE_GATEWAY", format!("http://{}", self.gateway()))
            .env(
                "TURNPIKE_TOKEN_ENDPOINT",
                format!("https://127.0.0.1:{}/oauth2/token", self.ports.https),
            );
        command
    }

    /// Runs the command line with `-o json`, which must succeed, and returns what it printed.
    pub async fn turnpike(&self, arguments: &[&str]) -> Value {
        let arguments: Vec<&str> = arguments.iter().copied().chain(["-o", "json"]).collect();
        let output = self.try_turnpike(&arguments).await;
        let (out, err) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "turnpike {}: {err}{out}", arguments.join(" "));
        serde_json::from_str(&out).unwrap_or_else(|_| Value::String(out.trim().to_owned()))
    }

    /// Publishes resources and waits until every gateway serves them.
    pub async fn apply(&self, resources: &str) {
        let file = self.file("apply.yaml", resources);
        self.turnpike(&["apply", "-f", &file, "--wait", "all"]).await;
    }

    /// A consumer key and secret for the application.
    pub async fn generate_keys(&self, application: &str) -> (String, String) {
        let keys = self
            .turnpike(&["keys", "generate", "--app", application, "--type", "production"])
            .await;
        let text = |name: &str| keys[name].as_str().unwrap_or_default().to_owned();
        (text("consumerKey"), text("consumerSecret"))
    }

    /// An access token for the application, asked for through the gateway.
    pub async fn token(&self, application: &str) -> String {
        let answer = self.turnpike(&["token", "--app", application]).await;
        match answer {
            Value::String(token) => token,
            other => other["accessToken"].as_str().expect("a token").to_owned(),
        }
    }

    /// All calls of the API that the collector has counted.
    pub async fn counted(&self, api: &str) -> u64 {
        let usage = self.turnpike(&["analytics", "usage", "--api", api, "--since", "1h"]).await;
        usage["rows"].as_array().into_iter().flatten().map(|row| number(&row["calls"])).sum()
    }

    /// Everything that a service has logged.
    pub fn log(&self, name: &str) -> String {
        fs::read_to_string(self.folder().join(format!("{name}.log"))).unwrap_or_default()
    }

    fn config(&self, name: &str) -> String {
        let (ports, folder) = (&self.ports, self.folder().display());
        let common = format!(
            "[service]\ndata = \"{folder}/{name}\"\n[pki]\ndirectory = \"{folder}/pki\"\n\
             [operations]\nlisten = \"{}\"\n",
            self.operations(name)
        );
        let own = match name {
            "gateway" => format!(
                "[receiver]\nhttp = [\"127.0.0.1:{}\"]\nhttps = [\"127.0.0.1:{}\"]\nworkers = 2\n\
                 [control_plane]\naddress = \"{}\"\n[key_manager]\naddress = \"{}\"\n\
                 [collector]\naddress = \"{}\"\n",
                ports.http,
                ports.https,
                self.rpc("control-plane"),
                self.rpc("key-manager"),
                if self.collects { self.rpc(COLLECTOR) } else { "off".to_owned() },
            ),
            "key-manager" => {
                let store = self
                    .postgres
                    .as_ref()
                    .map(|postgres| format!("[store]\nurl = \"{}\"\n", postgres.url));
                format!(
                    "[https]\nlisten = \"127.0.0.1:{0}\"\n[rpc]\nlisten = \"127.0.0.1:{1}\"\n\
                     [issuer]\nurl = \"https://127.0.0.1:{0}/oauth2\"\n\
                     [control_plane]\naddress = \"{2}\"\n{3}[collector]\naddress = \"{4}\"\n",
                    ports.tokens,
                    ports.key_manager,
                    self.rpc("control-plane"),
                    store.unwrap_or_default(),
                    if self.collects { self.rpc(COLLECTOR) } else { String::new() },
                )
            }
            "control-plane" => {
                let store = self.etcd.as_ref().map(|etcd| {
                    format!("[store]\nengine = \"etcd\"\n[etcd]\nendpoints = [\"{}\"]\n", etcd.url)
                });
                format!(
                    "[rest]\nlisten = \"127.0.0.1:{}\"\n[rpc]\nlisten = \"127.0.0.1:{}\"\n\
                     [key_manager]\naddress = \"{}\"\n[collector]\naddress = \"{}\"\n{}",
                    ports.rest,
                    ports.control_plane,
                    self.rpc("key-manager"),
                    if self.collects { self.rpc(COLLECTOR) } else { String::new() },
                    store.unwrap_or_default()
                )
            }
            _ => format!(
                "[rpc]\nlisten = \"127.0.0.1:{}\"\n[control_plane]\naddress = \"{}\"\n",
                ports.collector,
                self.rpc("control-plane"),
            ),
        };
        let extra: Vec<&str> = self
            .extra
            .iter()
            .filter(|(service, _)| *service == name)
            .map(|(_, text)| text.as_str())
            .collect();
        let extra = extra.join("\n").replace("{folder}", &folder.to_string());
        format!("{common}{own}{extra}\n")
    }
}

/// A number as proto3 JSON writes it: 64-bit ones are text.
pub fn number(value: &Value) -> u64 {
    match value {
        Value::String(text) => text.parse().unwrap_or_default(),
        other => other.as_u64().unwrap_or_default(),
    }
}

fn index(name: &str) -> usize {
    SERVICES.iter().position(|service| *service == name).expect("a service's name")
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}
