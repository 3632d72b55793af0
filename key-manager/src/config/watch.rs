//! What is written down, looked at and told of?

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use spool::Bounds;

use super::value;
use crate::audit::AuditRules;
use crate::fraud::FraudRules;

/// `[fraud]`: from when on something is looked at.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FraudConfig {
    pub burst_floor: u32,
    #[serde(deserialize_with = "value::times")]
    pub burst_times: f64,
    pub stuffing: usize,
    pub guesses: usize,
    #[serde(deserialize_with = "value::seconds")]
    pub window: i64,
    pub watched: usize,
    /// An MMDB file; empty: none.
    pub places: PathBuf,
}

impl FraudConfig {
    pub const fn rules(&self) -> FraudRules {
        FraudRules {
            burst_floor: self.burst_floor,
            burst_times: self.burst_times,
            stuffing: self.stuffing,
            guesses: self.guesses,
            window_seconds: self.window,
            watched: self.watched,
        }
    }
}

/// `[collector]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CollectorConfig {
    /// Empty: nobody is told.
    pub address: String,
    /// Whether it is told of requests for tokens too.
    pub events: bool,
    /// Room on disk for what waits for it, above which the oldest is dropped.
    pub spool_limit: Bounds,
    /// Where this key manager stands, in every event; empty: events do not say.
    pub region: String,
}

/// `[audit]`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditConfig {
    #[serde(deserialize_with = "value::seconds")]
    pub keep: i64,
    #[serde(deserialize_with = "value::span")]
    pub flush: Duration,
    pub counted: usize,
}

impl AuditConfig {
    pub const fn rules(self) -> AuditRules {
        AuditRules { keep_seconds: self.keep, counted: self.counted }
    }
}
