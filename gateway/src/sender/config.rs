//! How many connections to backends may there be, and for how long?

use std::time::Duration;

/// The `[sender]` section.
#[derive(Clone, Debug, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How long an address may take to accept a connection, TLS included.
    #[serde(with = "chassis::config::duration")]
    pub connect_timeout: Duration,
    /// How long a connection is kept unused.
    #[serde(with = "chassis::config::duration")]
    pub idle_timeout: Duration,
    /// Unused connections kept per backend address and worker.
    pub max_idle: usize,
    /// Streams at once on one HTTP/2 connection to a backend, where the backend allows as many.
    pub http2_streams: usize,
    /// An HTTP/2 connection on which a backend has been silent for so long is asked with a ping;
    /// zero: never.
    #[serde(with = "chassis::config::duration")]
    pub http2_ping: Duration,
    /// Connections per backend address and worker, where an endpoint does not say it; a call that
    /// needs one more gets 503. So that one slow backend does not take all there are.
    pub max_per_server: usize,
    /// How long a token endpoint may take, and a call wait for it.
    #[serde(with = "chassis::config::duration")]
    pub token_timeout: Duration,
    /// Connections to backends per worker, all together; a call that needs one more gets 503.
    pub max_connections: usize,
    /// Copies of calls on their way to mirrors at a time, per worker, and never more than a quarter
    /// of the connections; further ones are dropped and counted.
    pub max_copies: usize,
}
