//! What is measured? A real collector with its own folder, ports and certificates.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use chassis::pki::{self, Identity};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};
use tonic::transport::Channel;
use turnpike_proto::usage::v1::QueryRequest;
use turnpike_proto::usage::v1::analytics_client::AnalyticsClient;

const PATIENCE: Duration = Duration::from_mins(5);
/// Ticks of the processor's clock, as Linux tells them.
const TICKS_PER_SECOND: f64 = 100.0;

/// A collector; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Stage {
    program: PathBuf,
    folder: PathBuf,
    rpc: u16,
    operations: u16,
    child: Option<Child>,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Stage {
    pub(crate) fn new(program: &Path, folder: &Path) -> Self {
        fs::create_dir_all(folder).unwrap();
        let names = ["gateway", "admin", "analytics-collector"];
        pki::development(&folder.join("pki"), &names).unwrap();
        let (rpc, operations) = (free_port(), free_port());
        let (program, folder) = (program.to_owned(), folder.to_owned());
        Self { program, folder, rpc, operations, child: None }
    }

    /// On one core, or on all of them.
    pub(crate) async fn start(&mut self, core: Option<usize>) {
        let cores = std::fs::read_to_string("/sys/devices/system/cpu/online").unwrap();
        let cores = core.map_or_else(|| cores.trim().to_owned(), |core| core.to_string());
        let geo = std::env::var("TURNPIKE_GEO_DATABASE").unwrap_or_default();
        let child = Command::new("taskset")
            .args(["-c", &cores])
            .arg(&self.program)
            .env("TURNPIKE_SERVICE_DATA", self.folder.join("data"))
            .env("TURNPIKE_PKI_DIRECTORY", self.folder.join("pki"))
            .env("TURNPIKE_RPC_LISTEN", format!("127.0.0.1:{}", self.rpc))
            .env("TURNPIKE_OPERATIONS_LISTEN", format!("127.0.0.1:{}", self.operations))
            .env("TURNPIKE_COLLECT_OLDEST", "9d")
            .env("TURNPIKE_GEO_DATABASE", geo)
            .env("TURNPIKE_TELEMETRY_LOG", "error")
            .stdin(Stdio::null())
            .spawn();
        self.child = Some(child.unwrap());
        let deadline = Instant::now() + PATIENCE;
        let asked = || async {
            let mut client = AnalyticsClient::new(self.channel("admin"));
            client.query(QueryRequest::default()).await.map(drop)
        };
        while let Err(status) = asked().await {
            assert!(Instant::now() < deadline, "{status}");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// As whoever runs it stops it.
    pub(crate) fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = Command::new("kill").arg(child.id().to_string()).status();
            let _ = child.wait();
        }
    }

    pub(crate) fn channel(&self, name: &str) -> Channel {
        let identity = Identity::named(&self.folder.join("pki"), name).unwrap();
        let address = format!("https://127.0.0.1:{}", self.rpc);
        chassis::rpc::channel(&identity, &address, "analytics-collector").unwrap()
    }

    /// Waits until nothing is left in memory that a flush would take, and nothing to merge.
    pub(crate) async fn settle(&self) {
        let deadline = Instant::now() + PATIENCE;
        let mut quiet = 0;
        // A look for what there is to merge comes every 15 seconds.
        while quiet < 17 {
            let before = self.processor_seconds();
            sleep(Duration::from_secs(1)).await;
            let busy = self.processor_seconds() - before > 0.2;
            let waiting = self.metric("turnpike_collector_rows_in_memory").await > 0.0;
            quiet = if busy || waiting { 0 } else { quiet + 1 };
            assert!(Instant::now() < deadline, "the collector does not come to rest");
        }
    }

    /// One number that Prometheus scrapes; 0: there is none of this name.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let mut stream = TcpStream::connect(("127.0.0.1", self.operations)).await.unwrap();
        let request = b"GET /metrics HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let value = |line: &str| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok();
        answer.lines().find_map(value).unwrap_or(0.0)
    }

    /// What the collector took of the processor since it began, user and system.
    pub(crate) fn processor_seconds(&self) -> f64 {
        let stat = fs::read_to_string(self.process("stat")).unwrap();
        let (_, fields) = stat.rsplit_once(')').unwrap();
        let ticks = fields.split_whitespace().skip(11).take(2);
        ticks.map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / TICKS_PER_SECOND
    }

    /// The most memory that was resident, in MB.
    pub(crate) fn most_memory(&self) -> f64 {
        let status = fs::read_to_string(self.process("status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").trim().parse::<f64>().unwrap() / 1024.0
    }

    /// What lies on disk, in bytes.
    pub(crate) fn disk(&self) -> u64 {
        let folder = self.folder.join("data/segments");
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
    }

    fn process(&self, file: &str) -> String {
        format!("/proc/{}/{file}", self.child.as_ref().unwrap().id())
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
