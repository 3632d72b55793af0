//! Which services does the control plane call? The key manager, for the clients of applications.

mod clients;

pub use clients::{Config, KeyManagerClients};
