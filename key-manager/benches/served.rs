//! How many tokens and answers does one core of a key manager serve, over gRPC as gateways ask for them?
//!
//! The real program with its store in a file, and a load that is not counted: the figure is the
//! processor time of the program. Then the latency at half of that pace. Goals: 10,000 tokens and 20,000
//! answers to introspection a second and core; p99 below 2 ms.
//!
//! `cargo bench -p key-manager --bench served`; `TURNPIKE_BENCH_STORE` names a PostgreSQL instead.
#![expect(
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "it measures: it reads the clock and divides counts"
)]

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chassis::Host;
use tonic::transport::Channel;
use turnpike_proto::identity::v1::clients_client::ClientsClient;
use turnpike_proto::identity::v1::introspection_client::IntrospectionClient;
use turnpike_proto::identity::v1::token_endpoint_client::TokenEndpointClient;
use turnpike_proto::identity::v1::{
    ForwardRequest, HeaderField, IntrospectRequest, RegisterClientRequest,
};

/// Requests under way at a time, over so many connections.
const AT_ONCE: u64 = 32;
const CONNECTIONS: u64 = 4;
const SPAN: Duration = Duration::from_secs(5);

/// One question, again and again.
#[derive(Clone)]
enum Question {
    Token(ForwardRequest),
    Introspect(IntrospectRequest),
}

struct Served {
    process: Child,
    rpc: SocketAddr,
    folder: tempfile::TempDir,
}

impl Drop for Served {
    fn drop(&mut self) {
        // It is gone already, or it ends here.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> anyhow::Result<()> {
    let served = Served::start()?;
    let admin = served.channel("control-plane")?;
    ready(&admin).await?;
    let gateways: Vec<Channel> =
        (0..CONNECTIONS).map(|_| served.channel("gateway")).collect::<Result<_, _>>()?;
    let (signed, opaque) = (client(&admin, "").await?, client(&admin, "opaque").await?);
    let first = gateways.first().context("a channel")?;
    let (jwt, sealed) = (token(first, &signed).await?, token(first, &opaque).await?);
    let introspect = |token: &str| {
        let token = token.to_owned();
        Question::Introspect(IntrospectRequest { token, ..IntrospectRequest::default() })
    };
    let table = [
        ("token, ES256", Question::Token(signed)),
        ("token, opaque", Question::Token(opaque)),
        ("introspection of a JWT", introspect(&jwt)),
        ("introspection of an opaque token", introspect(&sealed)),
    ];
    for (name, question) in table {
        // Warm: connections, caches, the clock of the processor.
        served.load(&gateways, &question, Duration::from_secs(1), None).await?;
        let (each_us, pace, _) = served.load(&gateways, &question, SPAN, None).await?;
        let half = pace / 2.0;
        let (_, _, latencies) = served.load(&gateways, &question, SPAN, Some(half)).await?;
        eprintln!(
            "{name}: {each_us:.1} us of processor time, {:.0}/s and core; at {half:.0}/s p50 {} us, p99 {} us",
            1e6 / each_us,
            at(&latencies, 50),
            at(&latencies, 99),
        );
    }
    Ok(())
}

impl Served {
    fn start() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let [https, rpc, operations] = [free()?, free()?, free()?];
        let path = folder.path().display().to_string();
        chassis::pki::development(&folder.path().join("pki"), &["gateway", "control-plane"])?;
        let store = std::env::var("TURNPIKE_BENCH_STORE").unwrap_or_default();
        let config = format!(
            "[service]\ndata = \"{path}/data\"\n[pki]\ndirectory = \"{path}/pki\"\n\
             [https]\nlisten = \"{https}\"\n[rpc]\nlisten = \"{rpc}\"\n\
             [operations]\nlisten = \"{operations}\"\n[store]\nurl = \"{store}\"\n"
        );
        let file = folder.path().join("key-manager.toml");
        fs::write(&file, config)?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_key-manager"));
        command.arg("--config").arg(&file).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn()?;
        Ok(Self { process, rpc, folder })
    }

    fn channel(&self, caller: &'static str) -> anyhow::Result<Channel> {
        let host = Host::development(caller, self.folder.path())?;
        let address = format!("https://{}", self.rpc);
        Ok(chassis::rpc::channel(&host.tls, &address, "key-manager")?)
    }

    /// Asks for `span`; `pace` a second, or as fast as answers come. Processor time for each, answers a
    /// second, and sorted latencies in microseconds.
    async fn load(
        &self,
        channels: &[Channel],
        question: &Question,
        span: Duration,
        pace: Option<f64>,
    ) -> anyhow::Result<(f64, f64, Vec<u64>)> {
        let (before, begun) = (cpu_us(self.process.id())?, Instant::now());
        let given = Arc::new(AtomicU64::new(0));
        let mut askers = Vec::new();
        for channel in channels.iter().cycle().take(usize::try_from(AT_ONCE)?) {
            let (channel, question) = (channel.clone(), question.clone());
            let given = Arc::clone(&given);
            askers.push(tokio::spawn(async move {
                let mut latencies = Vec::new();
                while begun.elapsed() < span {
                    // Each question has its time, whether the last was answered late or not.
                    let place = given.fetch_add(1, Ordering::Relaxed);
                    let due = pace.map(|pace| begun + Duration::from_secs_f64(place as f64 / pace));
                    if let Some(due) = due {
                        tokio::time::sleep_until(due.into()).await;
                    }
                    let asked = due.unwrap_or_else(Instant::now);
                    ask(&channel, &question).await?;
                    latencies.push(u64::try_from(asked.elapsed().as_micros())?);
                }
                anyhow::Ok(latencies)
            }));
        }
        let mut latencies = Vec::new();
        for asker in askers {
            latencies.extend(asker.await??);
        }
        latencies.sort_unstable();
        let count = latencies.len() as f64;
        let used = (cpu_us(self.process.id())? - before) as f64;
        Ok((used / count, count / begun.elapsed().as_secs_f64(), latencies))
    }
}

async fn ask(channel: &Channel, question: &Question) -> anyhow::Result<()> {
    match question.clone() {
        Question::Token(request) => {
            let answer = TokenEndpointClient::new(channel.clone()).forward(request).await?;
            anyhow::ensure!(answer.get_ref().status == 200, "{answer:?}");
        }
        Question::Introspect(request) => {
            let answer = IntrospectionClient::new(channel.clone()).introspect(request).await?;
            anyhow::ensure!(answer.get_ref().active, "{answer:?}");
        }
    }
    Ok(())
}

/// A client, as the request for a token of its own.
async fn client(admin: &Channel, format: &str) -> anyhow::Result<ForwardRequest> {
    let asked = RegisterClientRequest {
        name: "bench".to_owned(),
        scopes: vec!["orders.read".to_owned()],
        access_token_format: format.to_owned(),
        ..RegisterClientRequest::default()
    };
    let made = ClientsClient::new(admin.clone()).register(asked).await?.into_inner();
    let basic = STANDARD.encode(format!("{}:{}", made.client_id, made.client_secret));
    let field = |name: &str, value: String| HeaderField {
        name: name.to_owned(),
        value: value.into_bytes(),
    };
    Ok(ForwardRequest {
        method: "POST".to_owned(),
        target: "/oauth2/token".to_owned(),
        headers: vec![
            field("content-type", "application/x-www-form-urlencoded".to_owned()),
            field("authorization", format!("Basic {basic}")),
        ],
        body: b"grant_type=client_credentials".to_vec(),
        secure: true,
        ..ForwardRequest::default()
    })
}

async fn token(gateway: &Channel, request: &ForwardRequest) -> anyhow::Result<String> {
    let mut endpoint = TokenEndpointClient::new(gateway.clone());
    let answer = endpoint.forward(request.clone()).await?.into_inner();
    let body: serde_json::Value = serde_json::from_slice(&answer.body)?;
    let token = body.get("access_token").and_then(serde_json::Value::as_str);
    Ok(token.context("a token")?.to_owned())
}

async fn ready(admin: &Channel) -> anyhow::Result<()> {
    let begun = Instant::now();
    loop {
        match client(admin, "").await {
            Ok(_) => return Ok(()),
            Err(error) if begun.elapsed() > Duration::from_secs(30) => return Err(error),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

fn at(sorted: &[u64], percent: usize) -> u64 {
    sorted.get(sorted.len() * percent / 100).copied().unwrap_or_default()
}

fn free() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// User and system time of a process; the kernel counts in hundredths of a second.
fn cpu_us(process: u32) -> anyhow::Result<u64> {
    let stat = fs::read_to_string(Path::new("/proc").join(process.to_string()).join("stat"))?;
    let (_, fields) = stat.rsplit_once(')').unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<u64>);
    Ok(ticks.sum::<Result<u64, _>>()? * 10_000)
}
