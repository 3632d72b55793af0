//! What is there to say about a service as such?

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

/// The section `[service]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceConfig {
    /// Where the service keeps its state; made when absent.
    pub data: PathBuf,
    /// The name of this instance among its like; the host name when empty.
    pub id: String,
    /// How long work in flight may take to end after SIGTERM.
    #[serde(with = "super::duration")]
    pub drain: Duration,
}
