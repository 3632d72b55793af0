//! What runs: three members of etcd, two control planes, three gateways and a backend.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use chassis::Host;
use harness::process::{Process, program};
use harness::{Backend, Client, Cluster, Issuer, Network, Place, eventually};
use serde_json::Value;
use tempfile::TempDir;
use tonic::transport::Channel;
use turnpike_proto::admin::v1::gateways_client::GatewaysClient;
use turnpike_proto::admin::v1::{GatewayState, ListGatewaysRequest};

pub(crate) const PLANES: usize = 2;
pub(crate) const GATEWAYS: usize = 3;
/// All are in step again after at most this; it is long because the machine may be busy.
pub(crate) const IN_STEP: Duration = Duration::from_mins(1);

/// The fleet. The order of its parts is that of their end.
pub(crate) struct Fleet {
    pub(crate) planes: Vec<Node>,
    pub(crate) gateways: Vec<Node>,
    pub(crate) cluster: Cluster,
    pub(crate) backend: Backend,
    pub(crate) issuer: Issuer,
    /// How often control planes may have listed all resources.
    pub(crate) loads_explained: u64,
    folder: TempDir,
    pub(crate) network: Network,
}

/// A program in its place.
pub(crate) struct Node {
    pub(crate) place: Place,
    name: String,
    program: &'static str,
    folder: PathBuf,
    process: Option<Process>,
    /// What its metrics had counted when it was killed.
    before: Counts,
}

/// What is counted of reloads.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// By control planes: how often all resources were listed.
    pub(crate) loads: u64,
    /// By both sides: transactions that carried everything.
    pub(crate) full_syncs: u64,
    /// By gateways: transactions that did not lead to the promised hash.
    pub(crate) failed_syncs: u64,
    /// By gateways: changes put in force.
    pub(crate) transactions: u64,
}

/// Where a gateway is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) epoch: String,
    pub(crate) revision: u64,
    pub(crate) hash: String,
}

impl Fleet {
    /// Starts everything and waits until it is ready.
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut network = Network::new();
        let cluster = Cluster::start(&mut network, folder.path()).await;
        let outside = network.outside().address();
        let backend = Backend::start_at(outside, "b").await;
        chassis::pki::development(&folder.path().join("pki"), &["admin"]).expect("certificates");
        let mut fleet = Self {
            planes: Vec::new(),
            gateways: Vec::new(),
            cluster,
            backend,
            issuer: Issuer::new("https://issuer.test"),
            loads_explained: 0,
            folder,
            network,
        };
        for number in 0..PLANES {
            fleet.add_plane(number).await;
        }
        for number in 0..GATEWAYS {
            fleet.add_gateway(number);
        }
        fleet
    }

    async fn add_plane(&mut self, number: usize) {
        let name = format!("plane-{}", number + 1);
        let mut node = self.node(name, "control-plane");
        let (address, urls) = (node.place.address(), self.cluster.urls());
        node.configure(&format!(
            "[rest]\nlisten = \"{address}:9443\"\n[rpc]\nlisten = \"{address}:9444\"\n\
             [store]\nengine = \"etcd\"\n[etcd]\nendpoints = {urls:?}\n\
             [key_manager]\naddress = \"https://127.0.0.1:9454\"\n"
        ));
        // All control planes of a system open secrets with one key.
        if let Some(first) = self.planes.first() {
            let key = first.data().join("master.key");
            fs::create_dir_all(node.data()).expect("a folder");
            fs::copy(key, node.data().join("master.key")).expect("the key");
        }
        node.launch();
        self.loads_explained += 1;
        node.ready().await;
        self.planes.push(node);
    }

    fn add_gateway(&mut self, number: usize) {
        let servers: Vec<String> = self.planes.iter().map(Node::rpc).collect();
        let mut node = self.node(format!("gateway-{}", number + 1), "gateway");
        let address = node.place.address();
        node.configure(&format!(
            "[receiver]\nhttp = [\"{address}:8080\"]\nhttps = [\"{address}:8443\"]\nworkers = 2\n\
             [control_plane]\naddresses = {servers:?}\n[key_manager]\naddress = \"off\"\n\
             [collector]\naddress = \"off\"\n"
        ));
        node.launch();
        self.gateways.push(node);
    }

    fn node(&mut self, name: String, program: &'static str) -> Node {
        let (place, folder) = (self.network.place(), self.folder.path().to_owned());
        Node { place, name, program, folder, process: None, before: Counts::default() }
    }

    /// A channel to a control plane with an administrator's certificate.
    pub(crate) fn channel(&self, plane: usize) -> Channel {
        let host = Host::development("admin", self.folder.path()).expect("a host");
        let address = self.planes[plane].rpc();
        chassis::rpc::channel(&host.tls, &address, "control-plane").expect("a channel")
    }

    /// Where every gateway is; none: one does not say.
    pub(crate) async fn held(&self) -> Option<Vec<Held>> {
        let mut all = Vec::new();
        for gateway in &self.gateways {
            all.push(gateway.held().await?);
        }
        Some(all)
    }

    /// Waits until all control planes and gateways are at `revision` with the same objects.
    pub(crate) async fn in_step(&self, revision: u64, when: &str) {
        let what = format!("all are at revision {revision} {when}");
        eventually(&what, IN_STEP, async || {
            for plane in &self.planes {
                (plane.figure("config_revision").await? == revision).then_some(())?;
            }
            let held = self.held().await?;
            let first = held.first()?;
            let same = held.iter().all(|one| one == first && one.revision == revision);
            same.then_some(())?;
            let states = self.states().await?;
            let confirmed = (0..GATEWAYS).all(|number| {
                let node = format!("gateway-{}", number + 1);
                let fits = |state: &GatewayState| state.node == node && state.connected;
                states.iter().any(|state| fits(state) && state.in_sync && state.applied == revision)
            });
            confirmed.then_some(())
        })
        .await;
    }

    /// What all control planes say of gateways.
    async fn states(&self) -> Option<Vec<GatewayState>> {
        let mut states = Vec::new();
        for plane in 0..PLANES {
            let mut client = GatewaysClient::new(self.channel(plane));
            let asked = client.list(ListGatewaysRequest::default());
            let listed = tokio::time::timeout(Duration::from_secs(2), asked).await.ok()?;
            states.extend(listed.ok()?.into_inner().gateways);
        }
        Some(states)
    }

    /// The counts of all control planes over all their lives.
    pub(crate) async fn counts(&self) -> (Counts, Vec<Counts>) {
        let mut planes = Counts::default();
        for plane in &self.planes {
            planes = planes.and(plane.counts().await);
        }
        let mut gateways = Vec::new();
        for gateway in &self.gateways {
            gateways.push(gateway.counts().await);
        }
        (planes, gateways)
    }
}

impl Node {
    /// Where it answers gRPC.
    pub(crate) fn rpc(&self) -> String {
        format!("https://{}:9444", self.place.address())
    }

    /// Where it takes calls.
    pub(crate) fn http(&self) -> SocketAddr {
        (self.place.address(), 8080).into()
    }

    /// Ends as a power cut would.
    pub(crate) async fn kill(&mut self) {
        self.before = self.counts().await;
        self.process.take().expect("a running program").kill();
    }

    /// Starts on what it has on disk.
    pub(crate) fn launch(&mut self) {
        let mut command = self.place.command(program(self.program));
        command.arg("--config").arg(self.config());
        let log = self.folder.join(format!("{}.log", self.name));
        self.process = Some(Process::start(&self.name, &mut command, &log));
    }

    /// Waits until it says that it is ready.
    pub(crate) async fn ready(&self) {
        eventually(&format!("{} is ready", self.name), IN_STEP, async || {
            self.ask("/readyz").await.map(|_| ())
        })
        .await;
    }

    async fn held(&self) -> Option<Held> {
        let dump = self.ask("/config_dump?kind=KeyManager").await?;
        let dump: Value = serde_json::from_slice(&dump).ok()?;
        let text = |name: &str| dump[name].as_str().map(str::to_owned);
        let revision = dump["revision"].as_u64()?;
        Some(Held { epoch: text("epoch")?, revision, hash: text("stateHash")? })
    }

    async fn counts(&self) -> Counts {
        let text =
            self.ask("/metrics").await.map(|text| String::from_utf8_lossy(&text).into_owned());
        let text = text.unwrap_or_default();
        self.before.and(Counts {
            loads: sum(&text, "store_loads_total"),
            full_syncs: sum(&text, "config_full_syncs_total"),
            failed_syncs: sum(&text, "config_failed_syncs_total"),
            transactions: sum(&text, "config_transactions_total"),
        })
    }

    pub(crate) async fn figure(&self, name: &str) -> Option<u64> {
        let text = self.ask("/metrics").await?;
        Some(sum(&String::from_utf8_lossy(&text), name))
    }

    async fn ask(&self, path: &str) -> Option<Bytes> {
        let mut client = Client::new((self.place.address(), 9445).into());
        let asked = client.try_call("GET", path, &[], Bytes::new());
        let answer = tokio::time::timeout(Duration::from_secs(2), asked).await.ok()?.ok()?;
        (answer.status == 200).then_some(answer.body)
    }

    fn configure(&self, own: &str) {
        let (folder, address) = (self.folder.display(), self.place.address());
        let common = format!(
            "[service]\ndata = \"{}\"\nid = \"{}\"\n[pki]\ndirectory = \"{folder}/pki\"\n\
             [operations]\nlisten = \"{address}:9445\"\n",
            self.data().display(),
            self.name
        );
        fs::write(self.config(), common + own).expect("a configuration file");
    }

    fn config(&self) -> PathBuf {
        self.folder.join(format!("{}.toml", self.name))
    }

    fn data(&self) -> PathBuf {
        self.folder.join(&self.name)
    }
}

impl Counts {
    fn and(self, more: Self) -> Self {
        Self {
            loads: self.loads + more.loads,
            full_syncs: self.full_syncs + more.full_syncs,
            failed_syncs: self.failed_syncs + more.failed_syncs,
            transactions: self.transactions + more.transactions,
        }
    }
}

/// The sum of a metric over its labels.
fn sum(text: &str, name: &str) -> u64 {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let named = lines
        .filter(|line| line.split(['{', ' ']).next().is_some_and(|found| found.ends_with(name)));
    named.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}
