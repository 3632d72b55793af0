//! Which services does the control plane call? The key manager, for the clients of
//! applications and for test keys, and programs of the operator that decide about requests.

mod clients;
mod deciders;

pub use clients::{Config, KeyManagerClients};
pub use deciders::{Deciders, DecidersConfig, DecidersError};
