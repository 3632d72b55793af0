//! What does a relay have to know about WebSocket (RFC 6455)?
//!
//! How a connection becomes one, and where its frames begin and end. Payloads are nobody's business
//! here.

mod frames;
mod handshake;

pub use frames::{CloseCode, Frames, MOST_HEAD, close, ping};
pub use handshake::{Handshake, HandshakeError, RefusedError, is_wanted, key};
