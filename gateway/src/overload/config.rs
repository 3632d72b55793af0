//! What is too much?

use std::time::Duration;

/// The `[overload]` section.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How long work may wait for its turn in a worker before calls are answered 503; zero: any
    /// time.
    #[serde(with = "chassis::config::duration")]
    pub queue_delay: Duration,
    /// How long the 503 of a call is held back when nearly all calls are let go of.
    #[serde(with = "chassis::config::duration")]
    pub hold: Duration,
    /// Bytes that the process may take; empty: what its control group or the machine has.
    pub memory: String,
    /// The share of it from which kept connections end and calls are let go of.
    pub memory_soft: f64,
    /// The share of it from which no connection is accepted.
    pub memory_hard: f64,
    /// What `Retry-After` says.
    #[serde(with = "chassis::config::duration")]
    pub retry_after: Duration,
    /// File descriptors that clients and backends leave free.
    pub spare_descriptors: u64,
}

/// What is told to each worker.
#[derive(Clone, Copy, Debug)]
pub struct Overload {
    /// As configured.
    pub queue_delay: Duration,
    /// As configured.
    pub hold: Duration,
    /// Seconds.
    pub retry_after_s: u32,
}

impl Default for Overload {
    fn default() -> Self {
        Self { queue_delay: Duration::ZERO, hold: Duration::ZERO, retry_after_s: 1 }
    }
}

impl Config {
    /// What workers have to know.
    pub fn of_workers(&self) -> Overload {
        Overload {
            queue_delay: self.queue_delay,
            hold: self.hold,
            retry_after_s: u32::try_from(self.retry_after.as_secs().max(1)).unwrap_or(u32::MAX),
        }
    }
}
