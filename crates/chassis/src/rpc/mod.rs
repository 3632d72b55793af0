//! How do services call each other?
//!
//! gRPC over mutual TLS, and nothing else. Reading order: `serve` opens a port for `services`,
//! each of which says in its `allow` table who may call it; `accept` turns TCP connections into
//! streams with a known peer; `guard` asks the table, tells an `ear` whom it refuses, and opens the span; `channel` is the client, and
//! `control_planes` the one most often called.

mod accept;
mod allow;
mod channel;
mod control_planes;
mod ear;
mod error;
mod guard;
mod serve;
mod services;

#[cfg(test)]
mod rpc_tests;

pub use accept::{address_in, peer, peer_in};
pub use allow::Allow;
pub use channel::{channel, channel_without_certificate, traced};
pub use control_planes::ControlPlanes;
pub use ear::{Ear, Refused};
pub use error::Error;
pub use guard::Guard;
pub use serve::{Config, serve};
pub use services::Services;

/// The largest message that is received. tonic sets this per service and client:
/// `XServer::new(x).max_decoding_message_size(chassis::rpc::MESSAGE_BYTES)`, likewise on clients.
pub const MESSAGE_BYTES: usize = 16 * 1024 * 1024;
