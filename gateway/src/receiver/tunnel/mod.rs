//! How do bytes pass between a client and a backend that have left HTTP for WebSocket?

mod relay;
mod way;

pub(super) use relay::{Bounds, Ends, relay};
