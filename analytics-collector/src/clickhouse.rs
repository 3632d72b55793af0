//! How does the configuration become a ClickHouse that is written to and read from?

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use chassis::Secret;
use chassis::clock::Clock;

use crate::config;
use crate::store::clickhouse::{Account, Asker, Bounds, Name, Server, Shipper, Table};
use crate::store::{Limits, Reader, Settings, Store};

/// Rows wait for so long for others to be sent along.
const GATHER_US: i64 = 1_000_000;
/// The largest answer to a question.
const LARGEST: usize = 128 << 20;

/// How a store behaves that hands on what it has.
pub fn settings(settings: Settings, config: &config::ClickHouse) -> Settings {
    let waiting = u64::try_from(config.waiting_mb.0).unwrap_or(u64::MAX);
    Settings {
        flush_after_us: settings.flush_after_us.min(GATHER_US),
        hand_on: Some(waiting.saturating_mul(1 << 20)),
        ..settings
    }
}

/// Who reads from it, and who writes to it. Nothing is sent yet.
pub fn start(
    store: &config::Store,
    limits: Limits,
    kept: &Arc<Store>,
    clock: &Clock,
) -> anyhow::Result<(Reader, Shipper)> {
    ensure!(
        !kept.has_counts(),
        "the folder of the store has counts of calls that are older than store.retention, which \
         ClickHouse does not keep; start with another folder (store.directory)"
    );
    let config = &store.clickhouse;
    ensure!(!config.urls.is_empty(), "urls is empty");
    let account = Account {
        urls: config.urls.clone(),
        username: config.username.clone(),
        password: password(&config.password_file)?,
        authorities: authorities(&config.ca)?,
    };
    let name = |text: &str| text.parse::<Name>();
    let table = Table {
        database: name(&config.database)?,
        cluster: Some(config.cluster.as_str()).filter(|it| !it.is_empty()).map(name).transpose()?,
        kept_us: i64::try_from(store.retention.0.as_micros()).unwrap_or(i64::MAX),
    };
    let server = |timeout: Duration, at_once, largest| {
        Server::new(account.clone(), Bounds { timeout, at_once, largest }, clock.clone())
    };
    let writing = server(config.timeout.0, 1, 1 << 20)?;
    let reading = server(limits.timeout, limits.concurrency, LARGEST)?;
    let shipper = Shipper::new(Arc::clone(kept), writing, table.clone())?;
    let asker = Box::new(Asker::new(reading, table, limits));
    Ok((Reader::ClickHouse(asker), shipper))
}

fn password(file: &Path) -> anyhow::Result<Option<Secret>> {
    if file.as_os_str().is_empty() {
        return Ok(None);
    }
    let text = fs::read_to_string(file).context("cannot read password_file")?;
    Ok(Some(Secret::new(text.trim())))
}

fn authorities(file: &Path) -> anyhow::Result<Vec<u8>> {
    if file.as_os_str().is_empty() {
        return Ok(Vec::new());
    }
    fs::read(file).context("cannot read ca")
}
