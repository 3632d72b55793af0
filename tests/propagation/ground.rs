//! What runs: a control plane, with its embedded store or on etcd, and at most one real gateway.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use chassis::pki::Identity;
use harness::engines::Etcd;
use harness::process::{Process, program};
use harness::{Backend, Client, eventually, free_port};
use prost_types::Timestamp;
use serde_json::Value;
use tempfile::TempDir;
use tonic::transport::Channel;
use turnpike_proto::admin::v1::ApplyRequest;
use turnpike_proto::admin::v1::apis_client::ApisClient;
use turnpike_proto::admin::v1::apply_client::ApplyClient;
use turnpike_proto::config::v1::resource::Resource as Any;
use turnpike_proto::config::v1::{Api, Resource};

const PATIENCE: Duration = Duration::from_mins(2);
/// APIs in one transaction.
const BATCH: usize = 500;

/// What keeps the resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    Embedded,
    Etcd,
}

/// What runs; it ends when it is dropped.
pub(crate) struct Ground {
    gateway: Option<Process>,
    plane: Option<Process>,
    _etcd: Option<Etcd>,
    backend: Backend,
    plane_rpc: SocketAddr,
    plane_operations: SocketAddr,
    gateway_http: SocketAddr,
    gateway_operations: SocketAddr,
    folder: TempDir,
}

/// A change that was acknowledged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Made {
    pub(crate) revision: u64,
    /// When its transaction was handed to the store, in microseconds since the Unix epoch.
    pub(crate) stamped_us: i64,
    /// How long its writer waited.
    pub(crate) took: Duration,
}

impl Engine {
    pub(crate) const ALL: [Self; 2] = [Self::Embedded, Self::Etcd];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Etcd => "etcd",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|engine| engine.name() == name)
    }
}

impl Ground {
    /// A control plane that is ready.
    pub(crate) async fn start(engine: Engine) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let etcd = match engine {
            Engine::Embedded => None,
            Engine::Etcd => Some(Etcd::start(folder.path()).await),
        };
        chassis::pki::development(&folder.path().join("pki"), &["admin", "gateway"])
            .expect("certificates");
        let [plane_rpc, plane_operations, gateway_http, gateway_operations, rest, https] =
            [(); 6].map(|()| SocketAddr::from(([127, 0, 0, 1], free_port())));
        let store = etcd.as_ref().map_or_else(String::new, |etcd| {
            format!("[store]\nengine = \"etcd\"\n[etcd]\nendpoints = [\"{}\"]\n", etcd.url)
        });
        let mut ground = Self {
            gateway: None,
            plane: None,
            plane_rpc,
            plane_operations,
            gateway_http,
            gateway_operations,
            folder,
            backend: Backend::start("b").await,
            _etcd: etcd,
        };
        ground.configure(
            "control-plane",
            plane_operations,
            &format!("[rest]\nlisten = \"{rest}\"\n[rpc]\nlisten = \"{plane_rpc}\"\n{store}"),
        );
        ground.configure(
            "gateway",
            gateway_operations,
            &format!(
                "[receiver]\nhttp = [\"{gateway_http}\"]\nhttps = [\"{https}\"]\nworkers = 1\n\
                 [control_plane]\naddress = \"https://{plane_rpc}\"\n\
                 [key_manager]\naddress = \"off\"\n[collector]\naddress = \"off\"\n"
            ),
        );
        ground.start_plane().await;
        ground
    }

    pub(crate) async fn start_plane(&mut self) {
        self.plane = Some(self.launch("control-plane"));
        ready(self.plane_operations).await;
    }

    pub(crate) fn kill_plane(&mut self) {
        self.plane.take().expect("a control plane").kill();
    }

    /// Starts the gateway and waits until it is ready.
    pub(crate) async fn start_gateway(&mut self) {
        self.gateway = Some(self.launch("gateway"));
        ready(self.gateway_operations).await;
    }

    /// Ends it in order: what it holds is on disk then.
    pub(crate) fn stop_gateway(&mut self) {
        assert!(self.gateway.take().expect("a gateway").stop().success());
    }

    /// Starts the gateway and calls `target` again and again; how long the first 200 took.
    pub(crate) async fn boot(&mut self, target: &str) -> Duration {
        let begun = Instant::now();
        self.gateway = Some(self.launch("gateway"));
        while begun.elapsed() < PATIENCE {
            let mut client = Client::new(self.gateway_http);
            let answer = client.try_call("GET", target, &[], Bytes::new()).await;
            if answer.is_ok_and(|answer| answer.status == 200) {
                return begun.elapsed();
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        panic!("the gateway does not serve");
    }

    /// Whether the gateway knows the route of this target.
    pub(crate) async fn routes(&self, target: &str) -> bool {
        let mut client = Client::new(self.gateway_http);
        let answer = client.try_call("GET", target, &[], Bytes::new()).await;
        answer.is_ok_and(|answer| answer.status != 404)
    }

    /// A channel to the control plane with the certificate of `caller`.
    pub(crate) fn channel(&self, caller: &str) -> Channel {
        let identity = Identity::named(&self.folder.path().join("pki"), caller).expect("identity");
        let address = format!("https://{}", self.plane_rpc);
        chassis::rpc::channel(&identity, &address, "control-plane").expect("a channel")
    }

    /// Stores the APIs from `first` on.
    pub(crate) async fn load(&self, first: usize, count: usize) {
        let mut client = ApplyClient::new(self.channel("admin"));
        let all: Vec<usize> = (first..first + count).collect();
        for batch in all.chunks(BATCH) {
            apply(&mut client, batch, &self.backend.url()).await;
        }
    }

    /// Changes one API, and returns when that is durable.
    pub(crate) async fn edit(&self, client: &mut ApisClient<Channel>, number: usize) -> Made {
        let begun = Instant::now();
        let backend = self.other_backend();
        let answer = Box::pin(client.put(api(number, &backend))).await;
        let answer = answer.expect("a change").into_inner();
        let took = begun.elapsed();
        let metadata = answer.metadata.unwrap_or_default();
        let stamped_us = metadata.updated_at.as_ref().map_or(0, micros);
        Made { revision: metadata.revision, stamped_us, took }
    }

    /// The backend at another path each time.
    pub(crate) fn other_backend(&self) -> String {
        format!("{}/{}", self.backend.url(), now_us())
    }

    /// When the gateway put each revision in force, in microseconds since the Unix epoch.
    pub(crate) fn swaps(&self) -> BTreeMap<u64, i64> {
        self.logged("gateway", "in force")
    }

    /// When the store said of each revision that it is durable.
    pub(crate) fn commits(&self) -> BTreeMap<u64, i64> {
        self.logged("control-plane", "committed")
    }

    fn logged(&self, name: &str, message: &str) -> BTreeMap<u64, i64> {
        let log = fs::read_to_string(self.folder.path().join(format!("{name}.log")));
        let log = log.unwrap_or_default();
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let fitting = |line: Value| {
            let at: Timestamp = line["timestamp"].as_str()?.parse().ok()?;
            (line["message"] == message).then_some(())?;
            Some((line["revision"].as_u64()?, micros(&at)))
        };
        lines.filter_map(fitting).collect()
    }

    /// Resident memory of the control plane in MB, now and at most.
    pub(crate) fn plane_memory(&self) -> (f64, f64) {
        self.plane.as_ref().expect("a control plane").memory()
    }

    /// The same of the gateway.
    pub(crate) fn gateway_memory(&self) -> (f64, f64) {
        self.gateway.as_ref().expect("a gateway").memory()
    }

    fn launch(&self, name: &str) -> Process {
        let path = |file: String| self.folder.path().join(file);
        let mut command = Command::new(program(name));
        command.arg("--config").arg(path(format!("{name}.toml")));
        Process::start(name, &mut command, &path(format!("{name}.log")))
    }

    fn configure(&self, name: &str, operations: SocketAddr, own: &str) {
        let folder = self.folder.path().display();
        let common = format!(
            "[service]\ndata = \"{folder}/{name}\"\n[pki]\ndirectory = \"{folder}/pki\"\n\
             [telemetry]\nformat = \"json\"\nlog = \"info,control_plane::manage=debug\"\n[operations]\nlisten = \"{operations}\"\n"
        );
        let file: PathBuf = self.folder.path().join(format!("{name}.toml"));
        fs::write(file, common + own).expect("a configuration file");
    }
}

/// Programs from elsewhere than from where this one is.
pub(crate) fn take_programs_from(folder: &str) {
    harness::process::take_programs_from(folder.into());
}

/// Stores these APIs in one transaction.
pub(crate) async fn apply(client: &mut ApplyClient<Channel>, numbers: &[usize], backend: &str) {
    let resource = |number: &usize| Resource { resource: Some(Any::Api(api(*number, backend))) };
    let resources = numbers.iter().map(resource).collect();
    let request = ApplyRequest { resources, ..ApplyRequest::default() };
    let answer = client.apply(request).await.expect("APIs").into_inner();
    assert!(answer.problems.is_empty(), "{:?}", answer.problems);
}

/// Where the API of this number is called.
pub(crate) fn target(number: usize) -> String {
    format!("/api-{number}/1/items/7")
}

pub(crate) fn now_us() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock");
    i64::try_from(now.as_micros()).unwrap_or(i64::MAX)
}

pub(crate) fn micros(at: &Timestamp) -> i64 {
    at.seconds * 1_000_000 + i64::from(at.nanos / 1000)
}

fn api(number: usize, backend: &str) -> Api {
    let text = format!(
        "{{apiVersion: turnpike/v1, kind: Api, metadata: {{name: api-{number}, version: \"1\"}}, \
         spec: {{context: /api-{number}, lifecycle: PUBLISHED, endpoints: {{production: {{urls: \
         [\"{backend}\"]}}}}, operations: [{{method: GET, path: \
         \"/items/{{id}}\", auth: none}}]}}}}\n"
    );
    let (mut resources, problems) = plan::read_document(&text, "");
    assert!(problems.is_empty(), "{problems:?}");
    match resources.pop().and_then(|one| one.resource) {
        Some(Any::Api(api)) => api,
        other => panic!("no API: {other:?}"),
    }
}

async fn ready(operations: SocketAddr) {
    eventually("it is ready", PATIENCE, || async move {
        let asked = Client::new(operations).try_call("GET", "/readyz", &[], Bytes::new()).await;
        asked.is_ok_and(|answer| answer.status == 200).then_some(())
    })
    .await;
}
