//! How long is the past kept?

use std::time::Duration;

use serde::Deserialize;

/// Section `[history]`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// At most so many transactions.
    pub transactions: u64,
    /// At most so many bytes of them, as they are stored.
    #[serde(with = "chassis::config::size")]
    pub bytes: u64,
    /// None that is older.
    #[serde(with = "chassis::config::duration")]
    pub keep: Duration,
}

/// Section `[audit]`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditConfig {
    /// How long lines are kept.
    #[serde(with = "chassis::config::duration")]
    pub keep: Duration,
}
