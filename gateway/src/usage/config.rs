//! How much room may events take that wait for the collector, and what do all of them say?

use chassis::config::Secret;
use serde::Deserialize;
use spool::Bounds;

/// The section `[usage]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Size of the spool on disk, above which the oldest events are dropped.
    pub spool_limit: Bounds,
    /// Where this gateway stands, in every event; empty: events do not say.
    pub region: String,
    /// What digests of users are made with; gateways with the same make the same ones.
    pub mask_secret: Secret,
}
