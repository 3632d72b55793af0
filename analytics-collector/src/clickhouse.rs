//! How does the configuration become a ClickHouse that is written to and read from?

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use chassis::Secret;
use chassis::clock::Clock;
use url::{Host, Url};

use crate::config;
use crate::store::clickhouse::rollup::LONGEST;
use crate::store::clickhouse::{Account, Asker, Bounds, Name, Roller, Server, Shipper, Tables};
use crate::store::{Limits, Reader, Settings, Store};

/// Rows wait for so long for others to be sent along.
const GATHER_US: i64 = 1_000_000;
/// The largest answer to a question.
const LARGEST: usize = 128 << 20;

/// Who writes to a ClickHouse.
#[derive(Debug)]
pub struct Writers {
    /// Hands calls on.
    pub shipper: Shipper,
    /// Has old ones counted.
    pub roller: Roller,
}

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
) -> anyhow::Result<(Reader, Writers)> {
    ensure!(
        !kept.has_counts(),
        "the folder of the store has counts of calls that are older than store.retention, which are \
         not handed on to a ClickHouse; start with another folder (store.directory)"
    );
    let config = &store.clickhouse;
    ensure!(!config.urls.is_empty(), "urls is empty");
    let password = password(&config.password_file)?;
    if password.is_some() && !config.password_in_clear {
        ensure_covered(&config.urls)?;
    }
    let account = Account {
        urls: config.urls.clone(),
        username: config.username.clone(),
        password,
        authorities: authorities(&config.ca)?,
    };
    let name = |text: &str| text.parse::<Name>();
    let tables = Tables {
        database: name(&config.database)?,
        cluster: Some(config.cluster.as_str()).filter(|it| !it.is_empty()).map(name).transpose()?,
        kept_us: kept.levels().longest_us(),
    };
    let server = |timeout: Duration, at_once, largest| {
        Server::new(account.clone(), Bounds { timeout, at_once, largest }, clock.clone())
    };
    let writing = server(config.timeout.0, 1, 1 << 20)?;
    let reading = server(limits.timeout, limits.concurrency, LARGEST)?;
    let counting = server(LONGEST, 1, LARGEST)?;
    let shipper = Shipper::new(Arc::clone(kept), writing, tables.clone())?;
    let roller = Roller::new(Arc::clone(kept), counting, tables.clone(), limits.threads)?;
    let asker = Box::new(Asker::new(reading, tables, limits));
    Ok((Reader::ClickHouse(asker), Writers { shipper, roller }))
}

/// A password that is read on its way is everybody's.
fn ensure_covered(urls: &[Url]) -> anyhow::Result<()> {
    let is_here = |url: &Url| match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    let open = urls.iter().find(|url| url.scheme() != "https" && !is_here(url));
    if let Some(url) = open {
        bail!(
            "the password would go in the clear to {}; use https://, or say \
             password_in_clear = true for a network of your own",
            url.origin().ascii_serialization()
        );
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a password may go to an address.
    #[track_caller]
    fn check(url: &str, may: bool) {
        let said = ensure_covered(&["https://a:1".parse().unwrap(), url.parse().unwrap()]);
        assert_eq!(said.is_ok(), may, "{said:?}");
        if let Err(error) = said {
            let error = error.to_string();
            assert!(error.contains(url) && error.contains("password_in_clear"), "{error}");
        }
    }

    #[test]
    fn a_password_goes_to_other_machines_by_tls_alone() {
        check("https://clickhouse:8443", true);
        check("http://clickhouse:8123", false);
        check("http://192.0.2.1:8123", false);
        check("http://localhost.example:8123", false);
    }

    #[test]
    fn on_this_machine_it_may_go_in_the_clear() {
        check("http://localhost:8123", true);
        check("http://127.0.0.2:8123", true);
        check("http://[::1]:8123", true);
    }
}
