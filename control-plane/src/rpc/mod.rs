//! Which services does the control plane call? The key manager, for the clients of
//! applications and for test keys.

mod clients;

pub use clients::{Config, KeyManagerClients};
