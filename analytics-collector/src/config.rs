//! What can be configured? `default.toml` says it to people.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::edge::from_event;
use crate::enrich::{self, geo};

/// The whole configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `[service]`
    pub service: chassis::config::ServiceConfig,
    /// `[rpc]`
    pub rpc: chassis::rpc::Config,
    /// `[operations]`
    pub operations: chassis::operations::Config,
    /// `[pki]`
    pub pki: chassis::pki::Config,
    /// `[telemetry]`
    pub telemetry: chassis::telemetry::Config,
    /// `[collect]`
    pub collect: from_event::Config,
    /// `[store]`
    pub store: Store,
    /// `[query]`
    pub query: Query,
    /// `[address]`
    pub address: Address,
    /// `[geo]`
    pub geo: geo::Config,
    /// `[alerts]`
    pub alerts: Alerts,
}

/// Where events are kept.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Store {
    /// The folder; empty: the service's.
    pub directory: PathBuf,
    /// How long events are kept.
    #[serde(with = "chassis::config::duration")]
    pub retention: Duration,
    /// How long batches gather for one fsync.
    #[serde(with = "chassis::config::duration")]
    pub group: Duration,
    /// How long rows stay in memory.
    #[serde(with = "chassis::config::duration")]
    pub flush_after: Duration,
    /// How many rows stay in memory.
    pub flush_rows: usize,
}

/// The query engine's bounds.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Query {
    /// Queries at the same time.
    pub concurrency: usize,
    /// Threads for all of them.
    pub threads: usize,
    /// Memory for all of them.
    pub memory_mb: usize,
    /// How long one may take.
    #[serde(with = "chassis::config::duration")]
    pub timeout: Duration,
}

/// What of an address is kept.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Address {
    /// How much.
    pub keep: enrich::Keep,
}

/// What is an alert.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alerts {
    /// More calls in a minute are one; 0: off.
    pub requests_per_minute: u64,
    /// How long none is raised for the same subject.
    #[serde(with = "chassis::config::duration")]
    pub suppression: Duration,
    /// How many are kept.
    pub history: usize,
}

/// A value that cannot work.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key} {why}")]
pub struct Unusable {
    key: &'static str,
    why: &'static str,
}

impl Config {
    /// Whether the values make sense, beyond their types.
    pub fn check(&self) -> Result<(), Unusable> {
        let rules = [
            (!self.store.retention.is_zero(), "store.retention", "must not be 0"),
            (
                self.store.group <= Duration::from_millis(100),
                "store.group",
                "must be at most 100ms",
            ),
            (!self.store.flush_after.is_zero(), "store.flush_after", "must not be 0"),
            (
                (1..=65_536).contains(&self.store.flush_rows),
                "store.flush_rows",
                "must be 1 to 65536",
            ),
            ((1..=64).contains(&self.query.concurrency), "query.concurrency", "must be 1 to 64"),
            ((1..=1024).contains(&self.query.threads), "query.threads", "must be 1 to 1024"),
            (self.query.memory_mb >= 64, "query.memory_mb", "must be at least 64"),
            (!self.query.timeout.is_zero(), "query.timeout", "must not be 0"),
            (self.geo.check >= Duration::from_secs(1), "geo.check", "must be at least 1s"),
            (
                (1..=1_000_000).contains(&self.alerts.history),
                "alerts.history",
                "must be 1 to 1000000",
            ),
        ];
        match rules.into_iter().find(|(holds, _, _)| !holds) {
            Some((_, key, why)) => Err(Unusable { key, why }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(file: &str, answer: &str) {
        let parsed = chassis::config::parse::<Config>(include_str!("../default.toml"), file);
        let said = match parsed {
            Ok(config) => config.check().map_or_else(|error| error.to_string(), |()| "ok".into()),
            Err(error) => error.to_string(),
        };
        assert!(said.contains(answer), "{said}");
    }

    #[test]
    fn the_defaults_make_sense() {
        check("", "ok");
    }

    #[test]
    fn a_group_may_not_make_sources_wait_long() {
        check("[store]\ngroup = \"1s\"", "store.group must be at most 100ms");
    }

    #[test]
    fn an_unknown_way_of_keeping_addresses_is_refused() {
        check("[address]\nkeep = \"some\"", "some");
    }

    #[test]
    fn an_unknown_key_is_refused_with_the_nearest_one() {
        check("[store]\nretension = \"1d\"", "retention");
    }
}
