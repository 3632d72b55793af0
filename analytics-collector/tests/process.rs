//! Does the program keep its promises when it is killed, restarted, and talked to by strangers?

#![expect(clippy::unwrap_used, reason = "what cannot be unwrapped fails the test")]

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chassis::pki::{self, Identity};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Code, Status};
use turnpike_proto::usage::v1::alerts_client::AlertsClient;
use turnpike_proto::usage::v1::analytics_client::AnalyticsClient;
use turnpike_proto::usage::v1::collector_client::CollectorClient;
use turnpike_proto::usage::v1::reports_client::ReportsClient;
use turnpike_proto::usage::v1::{
    CollectRequest, Event, Filter, ListAlertsRequest, LogsRequest, MonthlyRequest, QueryRequest,
    TailRequest, UsageRequest, WatchAlertsRequest,
};

#[path = "process/clickhouse.rs"]
mod clickhouse;
mod clickhouse_server;

const RULES: &str = "[alerts.rules.AbnormalRequestsPerMin]\nmode = \"fixed\"\nthreshold = 100\n";
const EVENTS: u64 = 50;
const PATIENCE: Duration = Duration::from_secs(30);

/// A collector of its own: folder, ports and certificates.
struct Stage {
    folder: TempDir,
    rpc: u16,
    operations: u16,
    /// Where the calls are kept; empty: in its own folder.
    clickhouse: String,
    /// More of the configuration.
    more: Vec<(&'static str, PathBuf)>,
    /// Its calls were so many days ago and less, but two at least; 0: just now.
    days_ago: u64,
    child: Option<Child>,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Stage {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let names = ["gateway", "admin", "analytics-collector"];
        pki::development(&folder.path().join("pki"), &names).unwrap();
        let (clickhouse, more, days_ago) = (String::new(), Vec::new(), 0);
        let (rpc, operations) = (free_port(), free_port());
        Self { folder, rpc, operations, clickhouse, more, days_ago, child: None }
    }

    fn start(&mut self) {
        let data = self.folder.path();
        let configuration = data.join("collector.toml");
        std::fs::write(&configuration, RULES).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_analytics-collector"));
        if !self.clickhouse.is_empty() {
            command
                .env("TURNPIKE_STORE_ENGINE", "clickhouse")
                .env("TURNPIKE_STORE_CLICKHOUSE_URLS", &self.clickhouse);
        }
        let child = command
            .env("TURNPIKE_SERVICE_DATA", data.join("data"))
            .env("TURNPIKE_PKI_DIRECTORY", data.join("pki"))
            .env("TURNPIKE_RPC_LISTEN", format!("127.0.0.1:{}", self.rpc))
            .env("TURNPIKE_OPERATIONS_LISTEN", format!("127.0.0.1:{}", self.operations))
            .env("TURNPIKE_STORE_FLUSH_ROWS", "300")
            .envs(self.more.iter().cloned())
            .arg("--config")
            .arg(&configuration)
            .env("TURNPIKE_TELEMETRY_LOG", "warn")
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        self.child = Some(child);
    }

    /// kill -9.
    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    fn channel(&self, name: &str) -> Channel {
        channel(&self.folder.path().join("pki"), name, self.rpc)
    }

    /// Sends batches of one spool from `from` on until `enough` are acknowledged or the
    /// connection breaks; says the last one that was acknowledged.
    async fn collect(&self, from: u64, enough: u64) -> u64 {
        let (sender, batches) = mpsc::channel(8);
        let sending = async move {
            for sequence in from..=enough {
                if sender.send(batch(sequence, self.days_ago)).await.is_err() {
                    break;
                }
            }
        };
        let receiving = async {
            let mut acknowledged = from - 1;
            let mut client = CollectorClient::new(self.channel("gateway"));
            let Ok(answers) = client.collect(ReceiverStream::new(batches)).await else {
                return acknowledged;
            };
            let mut answers = answers.into_inner();
            while let Ok(Some(answer)) = answers.message().await {
                assert!(answer.sequence > acknowledged, "{} again", answer.sequence);
                acknowledged = answer.sequence;
            }
            acknowledged
        };
        let ((), acknowledged) = tokio::join!(sending, receiving);
        acknowledged
    }

    async fn calls(&self) -> Result<u64, Status> {
        let mut client = AnalyticsClient::new(self.channel("admin"));
        let answer =
            client.usage(UsageRequest { filter: Some(self.filter()), interval: None }).await?;
        Ok(answer.into_inner().rows.iter().map(|row| row.calls).sum())
    }

    /// How many calls are found, 100 at most.
    async fn found(&self) -> Result<usize, Status> {
        let mut client = AnalyticsClient::new(self.channel("admin"));
        let request = LogsRequest { filter: Some(self.filter()), ..LogsRequest::default() };
        Ok(client.logs(request).await?.into_inner().calls.len())
    }

    /// The last hour, and the days of the calls.
    fn filter(&self) -> Filter {
        let since_s = now_us() / 1_000_000 - 3600 - i64::try_from(self.days_ago * 86_400).unwrap();
        let since = prost_types::Timestamp { seconds: since_s, nanos: 0 };
        Filter { since: Some(since), ..Filter::default() }
    }

    /// Waits for calls that are handed on, of which there are so many and no more.
    async fn until_calls(&self, expected: u64) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while self.calls().await.unwrap() < expected {
            assert!(tokio::time::Instant::now() < deadline, "{expected} do not arrive");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(self.calls().await.unwrap(), expected);
    }

    /// What Prometheus scrapes.
    async fn metrics(&self) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.operations)).await.unwrap();
        let request = b"GET /metrics HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    async fn until_listening(&self) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", self.rpc)).await.is_err() {
            assert!(tokio::time::Instant::now() < deadline, "nobody listens");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn until_up(&self) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while let Err(status) = self.calls().await {
            assert!(tokio::time::Instant::now() < deadline, "{status}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn channel(pki: &Path, name: &str, port: u16) -> Channel {
    let identity = Identity::named(pki, name).unwrap();
    let address = format!("https://127.0.0.1:{port}");
    chassis::rpc::channel(&identity, &address, "analytics-collector").unwrap()
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[expect(clippy::disallowed_methods, reason = "the program under test has the real time")]
fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_micros()).unwrap()
}

fn batch(sequence: u64, days_ago: u64) -> CollectRequest {
    let days = if days_ago > 0 { 2 + sequence % (days_ago - 1) } else { 0 };
    let at_us = now_us() - 1_000 - i64::try_from(days * 86_400_000_000).unwrap();
    let event = |n: u64| Event {
        at_us,
        api: "orders".to_owned(),
        api_version: "1.0.0".to_owned(),
        application: format!("app{}", n % 5),
        path: format!("/orders/{sequence}/{n}"),
        status: 200,
        total_us: 1000 + n,
        client_ip: vec![203, 0, 113, 7],
        ..Event::default()
    };
    CollectRequest {
        source: "g".to_owned(),
        epoch: "e".to_owned(),
        sequence,
        events: (0..EVENTS).map(event).collect(),
        dropped: 0,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_events_are_there_once_however_often_the_program_is_killed() {
    let mut stage = Stage::new();
    let (mut acknowledged, enough) = (0, 1500);
    let mut interrupted = 0;
    for life in 0_u64.. {
        stage.start();
        stage.until_up().await;
        let stored = stage.calls().await.unwrap();
        assert!(stored >= acknowledged * EVENTS, "{stored} of {acknowledged} batches");
        assert_eq!(stored % EVENTS, 0, "a batch is there in part");
        if life == 8 {
            acknowledged = stage.collect(acknowledged + 1, enough).await;
            break;
        }
        let pid = stage.child.as_ref().unwrap().id().to_string();
        let killing = async {
            tokio::time::sleep(Duration::from_millis(20 + 41 * life)).await;
            Command::new("kill").args(["-9", &pid]).status().unwrap();
        };
        let (last, ()) = tokio::join!(stage.collect(acknowledged + 1, enough), killing);
        acknowledged = last;
        interrupted += u64::from(last < enough);
        stage.kill();
    }
    assert!(interrupted >= 4, "only {interrupted} of the kills came in between");
    assert_eq!((acknowledged, stage.calls().await.unwrap()), (enough, enough * EVENTS));
}

#[tokio::test(flavor = "multi_thread")]
async fn events_can_be_asked_for_within_a_fifth_of_a_second_and_alerts_arrive() {
    let mut stage = Stage::new();
    stage.start();
    stage.until_up().await;
    let mut alerts = AlertsClient::new(stage.channel("admin"));
    let mut watch = alerts.watch(WatchAlertsRequest {}).await.unwrap().into_inner();
    // Enough for an alert also when a minute ends in between.
    for sequence in 1..=25 {
        assert_eq!(stage.collect(sequence, sequence).await, sequence);
        let asked = tokio::time::Instant::now();
        assert_eq!(stage.calls().await.unwrap(), sequence * EVENTS);
        let took = asked.elapsed();
        assert!(took < Duration::from_millis(200), "{took:?}");
    }
    let alert = tokio::time::timeout(PATIENCE, watch.message()).await.unwrap().unwrap().unwrap();
    assert_eq!((alert.r#type.as_str(), alert.api.as_str()), ("AbnormalRequestsPerMin", "orders"));
    let listed = alerts.list(ListAlertsRequest::default()).await.unwrap().into_inner().alerts;
    assert!(listed.iter().any(|listed| listed.id == alert.id));

    // After a kill the history is the same, and the same minute raises nothing again.
    stage.kill();
    stage.start();
    stage.until_up().await;
    let mut alerts = AlertsClient::new(stage.channel("admin"));
    let again = alerts.list(ListAlertsRequest::default()).await.unwrap().into_inner().alerts;
    assert_eq!(again, listed);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_collected_is_counted_listed_watched_and_written_down() {
    let mut stage = Stage::new();
    stage.start();
    stage.until_up().await;
    let mut client = AnalyticsClient::new(stage.channel("admin"));
    let application = "app3".to_owned();
    let watched = client.tail(TailRequest { application, ..TailRequest::default() });
    let mut watched = watched.await.unwrap().into_inner();
    assert_eq!(stage.collect(1, 2).await, 2);

    let seen = tokio::time::timeout(PATIENCE, watched.message()).await.unwrap().unwrap().unwrap();
    assert_eq!(seen.call.unwrap().path, "/orders/1/3");
    let (by, measures) = (vec!["application".to_owned()], vec!["calls".to_owned()]);
    let query = QueryRequest { by, measures, ..QueryRequest::default() };
    let counted = client.query(query).await.unwrap().into_inner();
    assert_eq!((counted.groups.len(), counted.groups[0].measures.as_slice()), (5, &[20.0][..]));
    let listed = client.logs(LogsRequest { page_size: 30, ..LogsRequest::default() });
    let listed = listed.await.unwrap().into_inner();
    assert_eq!((listed.calls.len(), listed.next_page_token.is_empty()), (30, false));

    let month = chrono::DateTime::from_timestamp_micros(now_us()).unwrap();
    let (year, month) = (chrono::Datelike::year(&month), chrono::Datelike::month(&month));
    let mut reports = ReportsClient::new(stage.channel("admin"));
    let report = reports.monthly(MonthlyRequest { year, month, format: 0 });
    let part = report.await.unwrap().into_inner().message().await.unwrap().unwrap();
    let written = String::from_utf8(part.content).unwrap();
    assert!(written.lines().last().unwrap().starts_with("total,,,,100,0,0,"), "{written}");

    let scraped = stage.metrics().await;
    let line = "turnpike_api_calls_total{api=\"orders\",version=\"1.0.0\"} 100";
    assert!(scraped.contains(line), "{scraped}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_meant_is_refused() {
    let mut stage = Stage::new();
    stage.start();
    stage.until_up().await;
    let mut client = AnalyticsClient::new(stage.channel("gateway"));
    let refused = client.usage(UsageRequest::default());
    assert_eq!(refused.await.unwrap_err().code(), Code::PermissionDenied);
    let batches = tokio_stream::iter([batch(1, 0)]);
    let refused = CollectorClient::new(stage.channel("admin")).collect(batches).await;
    assert_eq!(refused.unwrap_err().code(), Code::PermissionDenied);

    let strangers = tempfile::tempdir().unwrap();
    pki::development(strangers.path(), &["gateway"]).unwrap();
    let batches = tokio_stream::iter([batch(1, 0)]);
    let stranger = channel(strangers.path(), "gateway", stage.rpc);
    assert!(CollectorClient::new(stranger).collect(batches).await.is_err());
    assert_eq!(stage.calls().await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_asked_to_stop_ends_its_streams_and_exits_cleanly() {
    let mut stage = Stage::new();
    stage.start();
    stage.until_up().await;
    let (sender, batches) = mpsc::channel(1);
    sender.send(batch(1, 0)).await.unwrap();
    let mut client = CollectorClient::new(stage.channel("gateway"));
    let mut answers = client.collect(ReceiverStream::new(batches)).await.unwrap().into_inner();
    assert_eq!(answers.message().await.unwrap().unwrap().sequence, 1);
    let mut child = stage.child.take().unwrap();
    Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert!(!matches!(answers.message().await, Ok(Some(_))));
    let ended = tokio::task::spawn_blocking(move || child.wait().unwrap());
    let ended = tokio::time::timeout(PATIENCE, ended).await.unwrap().unwrap();
    assert_eq!(ended.code(), Some(0));
    drop(sender);
    stage.start();
    stage.until_up().await;
    assert_eq!(stage.calls().await.unwrap(), EVENTS);
}
