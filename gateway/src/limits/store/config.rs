//! Which Redis or Valkey counts for all gateways, and how is it reached?

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Deserializer, de::Error as _};

/// A call waits no longer than this, whatever is configured.
const MOST_PATIENCE: Duration = Duration::from_millis(20);

/// The section `[limits.store]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `redis://HOST:PORT`, with TLS `rediss://HOST:PORT`; of a cluster some of its nodes, with Sentinel the
    /// sentinels. Empty: there is none.
    pub urls: Vec<String>,
    /// What stands behind them.
    pub mode: Mode,
    /// What the sentinels call the master.
    pub master: String,
    /// The number of the database; 0 in a cluster.
    pub database: u16,
    /// Whom the engine knows this gateway as; empty: its default user.
    pub username: String,
    /// A file with the password, read when the gateway starts; empty: there is none.
    pub password_file: PathBuf,
    /// As `username`, at the sentinels.
    pub sentinel_username: String,
    /// As `password_file`, at the sentinels.
    pub sentinel_password_file: PathBuf,
    /// A PEM file with the authorities that its certificate is verified by; empty: those of the system.
    pub ca: PathBuf,
    /// PEM files of the certificate that this gateway shows, and of its key; empty: it shows none.
    pub certificate: PathBuf,
    /// See `certificate`.
    pub key: PathBuf,
    /// How long a call waits for an answer; at most 20 ms.
    #[serde(deserialize_with = "patience")]
    pub timeout: Duration,
    /// What the names of all its keys begin with.
    pub prefix: String,
}

/// What stands behind the addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// One server.
    Single,
    /// A cluster.
    Cluster,
    /// Sentinels, which know the master.
    Sentinel,
}

fn patience<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let span = chassis::config::duration::deserialize(deserializer)?;
    if span.is_zero() || span > MOST_PATIENCE {
        return Err(D::Error::custom("a call waits from 1ms to 20ms"));
    }
    Ok(span)
}

impl Config {
    /// Whether there is one.
    pub fn is_on(&self) -> bool {
        !self.urls.is_empty()
    }
}
