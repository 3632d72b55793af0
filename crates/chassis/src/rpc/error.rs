//! Why is there no server, or no channel?

use std::net::SocketAddr;

use crate::pki;

/// What keeps services from calling each other.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is taken or not ours.
    #[error("cannot listen on {listen} (rpc.listen)")]
    Listen {
        /// What was configured.
        listen: SocketAddr,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The address of a service is not understood.
    #[error("`{0}` is no address of a service; write it like https://127.0.0.1:9454")]
    Address(String),
    /// Which one is meant?
    #[error("control_plane.address and control_plane.addresses are both set; one of them says it")]
    TwoWays,
    /// There is no TLS to speak.
    #[error("no mutual TLS")]
    Identity(#[from] pki::Error),
    /// The descriptors for server reflection are broken.
    #[error("the descriptors for reflection are refused")]
    Reflection(#[source] Box<tonic_reflection::server::Error>),
}
