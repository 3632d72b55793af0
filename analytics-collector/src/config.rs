//! What can be configured? `default.toml` says it to people.

use std::path::PathBuf;
use std::time::Duration;

use chassis::config::duration;
use serde::de::{Deserialize, Deserializer, Error as _};
use url::Url;

use crate::alert::channel::{MailServer, deliver};
use crate::alert::rules;
use crate::edge::from_event;
use crate::enrich::{self, geo};

/// The whole configuration.
#[derive(Clone, Debug, serde::Deserialize)]
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
    /// `[control_plane]`
    pub control_plane: chassis::rpc::ControlPlanes,
    /// `[series]`
    pub series: Series,
}

/// Where events are kept.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Store {
    /// Who keeps them for long.
    pub engine: Engine,
    /// The folder; empty: the service's.
    pub directory: PathBuf,
    /// How long events are kept.
    pub retention: Span<1_000, { u64::MAX }>,
    /// How long counts of them are kept.
    pub rollups: Rollups,
    /// How long batches gather for one fsync.
    pub group: Span<0, 100>,
    /// How long rows stay in memory.
    pub flush_after: Span<1_000, 3_600_000>,
    /// How many rows stay in memory.
    pub flush_rows: Count<1, 65_536>,
    /// `[store.clickhouse]`
    pub clickhouse: ClickHouse,
}

/// Who keeps events for long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// The collector, in files of its own.
    Embedded,
    /// A ClickHouse.
    ClickHouse,
}

/// Which ClickHouse keeps the events, and how it is reached.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClickHouse {
    /// Addresses of its replicas, any of which has everything.
    #[serde(deserialize_with = "urls")]
    pub urls: Vec<Url>,
    /// The database.
    pub database: String,
    /// The user; empty: the server's default one.
    pub username: String,
    /// A file with the password, read at the start; empty: there is none.
    pub password_file: PathBuf,
    /// The password goes in the clear to other machines, too.
    pub password_in_clear: bool,
    /// A PEM file with authorities it is believed by, beside those of the system; empty: none.
    pub ca: PathBuf,
    /// The cluster whose servers all have the tables; empty: one server.
    pub cluster: String,
    /// How long an insert may take.
    pub timeout: Span<1_000, 600_000>,
    /// Megabytes that may wait for it.
    pub waiting_mb: Count<1, 1_048_576>,
}

impl Store {
    /// How long anything is known of a call: the longest of the retention and the levels.
    pub fn kept(&self) -> Duration {
        let Rollups { minute, hour, day } = self.rollups;
        self.retention.0.max(minute).max(hour).max(day)
    }
}

fn urls<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Url>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    let url = |text: &String| match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(url),
        _ => Err(D::Error::custom(format!("`{text}` is no http:// or https:// address"))),
    };
    texts.iter().map(url).collect()
}

/// How long counts of calls are kept, from when the calls were.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rollups {
    /// By the minute.
    #[serde(with = "duration")]
    pub minute: Duration,
    /// By the hour.
    #[serde(with = "duration")]
    pub hour: Duration,
    /// By the day.
    #[serde(with = "duration")]
    pub day: Duration,
}

/// The query engine's bounds.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Query {
    /// Queries at the same time.
    pub concurrency: Count<1, 64>,
    /// Threads for all of them.
    pub threads: Count<1, 1024>,
    /// Memory for all of them.
    pub memory_mb: Count<64, 1_048_576>,
    /// How long one may take.
    pub timeout: Span<1, 3_600_000>,
    /// Places from which fewer clients called are not shown.
    pub smallest_group: Count<0, 1_000_000>,
}

/// What is scraped of the calls.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Series {
    /// API versions with series of their own.
    pub apis: Count<0, 10_000>,
}

/// What of an address is kept.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Address {
    /// How much.
    pub keep: enrich::Keep,
}

/// What is an alert.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alerts {
    /// How long none is raised for the same subject.
    pub suppression: Span<0, 86_400_000>,
    /// How many are kept.
    pub history: Count<1, 1_000_000>,
    /// Of each kind of thing so many are known.
    pub series: Count<8, 1_000_000>,
    /// `[alerts.rules.<Type>]`
    pub rules: rules::Settings,
    /// `[[alerts.overrides]]`
    pub overrides: rules::Overrides,
    /// `[[alerts.channels]]`
    pub channels: Vec<deliver::Config>,
    /// A PEM file with authorities that webhooks are believed by, beside those of the system; empty:
    /// none.
    pub authorities: PathBuf,
    /// `[alerts.mail]`
    pub mail: MailServer,
}

/// A span of time within bounds, milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Span<const MIN_MS: u64, const MAX_MS: u64>(pub Duration);

/// A number within bounds.
#[derive(Clone, Copy, Debug)]
pub struct Count<const MIN: usize, const MAX: usize>(pub usize);

impl<'de, const MIN_MS: u64, const MAX_MS: u64> Deserialize<'de> for Span<MIN_MS, MAX_MS> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let span = duration::deserialize(deserializer)?;
        let (min, max) = (Duration::from_millis(MIN_MS), Duration::from_millis(MAX_MS));
        if (min..=max).contains(&span) {
            return Ok(Self(span));
        }
        let most = if MAX_MS == u64::MAX { "more".to_owned() } else { duration::show(max) };
        Err(D::Error::custom(format!("it must be {} to {most}", duration::show(min))))
    }
}

impl<'de, const MIN: usize, const MAX: usize> Deserialize<'de> for Count<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let count = usize::deserialize(deserializer)?;
        if (MIN..=MAX).contains(&count) {
            return Ok(Self(count));
        }
        Err(D::Error::custom(format!("it must be {MIN} to {MAX}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(file: &str, answer: &str) {
        let parsed = chassis::config::parse::<Config>(include_str!("../default.toml"), file);
        let said = match parsed {
            Ok(_) => "ok".to_owned(),
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
        check("[store]\ngroup = \"1s\"", "it must be 0ms to 100ms");
    }

    #[test]
    fn a_clickhouse_is_named_by_addresses() {
        let file =
            "[store]\nengine = \"clickhouse\"\n[store.clickhouse]\nurls = [\"http://a:8123\"]";
        check(file, "ok");
        check(&file.replace("http://a", "a"), "`a:8123` is no http://");
        check("[store]\nengine = \"oracle\"", "oracle");
    }

    #[test]
    fn a_number_out_of_its_bounds_is_refused() {
        check("[store]\nflush_rows = 0", "it must be 1 to 65536");
        check("[query]\nmemory_mb = 1", "it must be 64 to 1048576");
    }

    #[test]
    fn an_unknown_way_of_keeping_addresses_is_refused() {
        check("[address]\nkeep = \"some\"", "some");
    }

    #[test]
    fn rules_and_channels_are_read() {
        let rule = "[alerts.rules.UnusualIPAccess]\nmode = \"fixed\"\nthreshold = 7\nsuppression = \"1h\"\n";
        check(rule, "ok");
        check(&rule.replace("mode", "most"), "most");
        check(&rule.replace("Unusual", "Usual"), "UsualIPAccess");
        check("[[alerts.overrides]]\napi = \"a\"\ntype = \"KeySharing\"\nenabled = false", "ok");
        check("[[alerts.channels]]\nname = \"a\"\nwebhook = \"https://a\"\nsecret = \"s\"", "ok");
        check("[[alerts.channels]]\nname = \"a\"\nurl = \"https://a\"", "url");
    }

    #[test]
    fn an_unknown_key_is_refused_with_the_nearest_one() {
        check("[store]\nretension = \"1d\"", "retention");
    }
}
