//! Where are calls received, and how large, slow and many may clients be?

use std::net::SocketAddr;
use std::time::Duration;

use chassis::proxies::Source;

use crate::certificate::Told;
use crate::overload::Overload;
use crate::{credentials, sender};

/// The `[receiver]` section.
#[derive(Clone, Debug, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Addresses in the clear (HTTP/1.1, and HTTP/2 with prior knowledge).
    pub http: Vec<SocketAddr>,
    /// Addresses under TLS (HTTP/2 and HTTP/1.1 by ALPN).
    pub https: Vec<SocketAddr>,
    /// Threads that serve calls; 0: one per core.
    pub workers: usize,
    /// Client connections per worker; one more is closed at once.
    pub max_connections: usize,
    /// Client connections per client address, over all workers; one more is closed at once.
    /// 0: any number. This machine and trusted proxies are not counted.
    pub max_connections_per_address: u32,
    /// Bytes of a request head; 431 above.
    pub max_header_bytes: u32,
    /// Header fields of a request; 431 above.
    pub max_headers: usize,
    /// Bytes of a request target; 414 above.
    pub max_target_bytes: usize,
    /// Bytes of a request body, unless its API says otherwise; 413 above.
    #[serde(with = "super::size")]
    pub max_body: u64,
    /// From the first byte of a request head to its last.
    #[serde(with = "chassis::config::duration")]
    pub header_timeout: Duration,
    /// A connection without a call.
    #[serde(with = "chassis::config::duration")]
    pub idle_timeout: Duration,
    /// A client that neither sends the body it announced nor reads its answer.
    #[serde(with = "chassis::config::duration")]
    pub stall_timeout: Duration,
    /// Bytes per second that a client sends of its body and takes of its answer, on average.
    pub min_rate: u32,
    /// The file of the certificate that is shown where no `Certificate` resource names the host;
    /// empty: that of `[pki]`.
    pub certificate: String,
    /// The file of its key.
    pub key: String,
    /// Whether clients are asked for a certificate.
    pub client_certificates: Asked,
    /// The file of authorities that sign certificates of clients, beside the `Certificate`
    /// resources of use `client_ca`; empty: none.
    pub client_authorities: String,
    /// How much of a client's certificate backends are told.
    pub forward_client_certificate: Told,
    /// A TLS handshake.
    #[serde(with = "chassis::config::duration")]
    pub tls_timeout: Duration,
    /// A side of a WebSocket that says nothing is asked with a ping, and given up after as long
    /// again; zero: never.
    #[serde(with = "chassis::config::duration")]
    pub websocket_idle: Duration,
    /// Bytes of a message of a WebSocket, all its fragments together, unless its API says
    /// otherwise; 1009 above. Zero: any number.
    #[serde(with = "super::size")]
    pub websocket_max_message: u64,
    /// HTTP/2 streams at once on a connection.
    pub max_streams: u32,
    /// HTTP/2 frames of each kind that carry nothing, beyond what the connection's calls need.
    pub max_control_frames: u32,
    /// HTTP/2 streams that are reset, beyond those that are answered.
    pub max_resets: u32,
    /// How long connections are still accepted after readiness has turned red, so that load
    /// balancers notice before.
    #[serde(with = "chassis::config::duration")]
    pub drain_pause: Duration,
    /// How long a connection without a call is kept open during the drain: its next call may be on
    /// its way.
    #[serde(with = "chassis::config::duration")]
    pub drain_idle: Duration,
    /// How long calls may go on after that.
    #[serde(with = "chassis::config::duration")]
    pub drain: Duration,
    /// Networks (CIDR) of proxies that are believed.
    pub trusted_proxies: Vec<String>,
    /// The field in which they say for whom they speak; the other one is believed of nobody.
    pub client_from: Source,
    /// Those of the addresses above where every connection begins with a PROXY header.
    pub proxy_protocol: Vec<SocketAddr>,
}

/// Whether clients are asked for a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Asked {
    /// They are not.
    None,
    /// They are; one that is shown must be good.
    Optional,
    /// Without a good one there is no connection.
    Required,
}

/// What the data path is configured with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Towards clients.
    pub receiver: Config,
    /// Towards backends.
    pub sender: sender::Config,
    /// Under overload.
    pub overload: Overload,
    /// Of callers.
    pub credentials: credentials::Config,
    /// JWTs for backends that each worker keeps.
    pub jwts: usize,
}
