//! What does one token cost, in processor time?
//!
//! Requests go through the endpoint as they would behind a port, on an SQLite file; the figure is
//! the time of all threads of the process. Goal: below 200 microseconds.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use chassis::Host;
use http::{HeaderMap, HeaderValue, Method, header};
use key_manager::bootstrap::assemble;
use key_manager::config::Config;
use key_manager::endpoint::{Authority, Peer, Request, answer};
use key_manager::registration::{Application, register};
use key_manager::store::{DatabaseUrl, SqlStore, Store};

const ROUNDS: u32 = 5_000;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut host = Host::development("key-manager", folder.path())?;
    host.data = folder.path().to_owned();
    let config: Config = toml::from_str(include_str!("../default.toml"))?;
    let url = DatabaseUrl::Own.under(&host.data);
    let store: Arc<dyn Store> = Arc::new(SqlStore::open(&url, &config.store, &host.clock).await?);
    let authority = assemble(&config, &host, store).await?;
    for algorithm in ["ES256", "RS256"] {
        let application = Application {
            name: "bench".to_owned(),
            scopes: vec!["orders.read".to_owned()],
            algorithm: algorithm.to_owned(),
            ..Application::default()
        };
        let client = register(&authority, &application).await?;
        let credentials = format!("{}:{}", client.client.id, client.secret.as_str());
        let request = request(&credentials)?;
        run(&authority, &request, ROUNDS / 10).await?;
        let before = cpu_us()?;
        run(&authority, &request, ROUNDS).await?;
        let each = (cpu_us()? - before) / u64::from(ROUNDS);
        eprintln!("{algorithm}: {each} us of processor time for one token");
    }
    Ok(())
}

async fn run(authority: &Authority, request: &Request, rounds: u32) -> anyhow::Result<()> {
    for _ in 0..rounds {
        let reply = answer(authority, request).await;
        anyhow::ensure!(reply.status() == 200, "{reply:?}");
    }
    Ok(())
}

fn request(credentials: &str) -> anyhow::Result<Request> {
    let mut headers = HeaderMap::new();
    let media = HeaderValue::from_static("application/x-www-form-urlencoded");
    headers.insert(header::CONTENT_TYPE, media);
    let basic = format!("Basic {}", STANDARD.encode(credentials));
    headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&basic)?);
    Ok(Request {
        method: Method::POST,
        path: "/oauth2/token".to_owned(),
        query: None,
        headers,
        body: Some(Bytes::from_static(b"grant_type=client_credentials")),
        peer: Peer { address: None, certificate: None, secure: true },
    })
}

/// User and system time of the process; the kernel counts in hundredths of a second.
fn cpu_us() -> anyhow::Result<u64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = stat.rsplit_once(')').unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<u64>);
    Ok(ticks.sum::<Result<u64, _>>()? * 10_000)
}
