//! Which services does the control plane call? The key manager, for the clients of
//! applications and for test keys, programs of the operator that decide about requests, and the analytics
//! collector, for whoever asks about calls and alerts.

mod clients;
mod collector;
mod deciders;

pub use clients::{Config, KeyManagerClients};
pub use collector::{Collector, CollectorConfig, Forward};
pub use deciders::{Deciders, DecidersConfig, DecidersError};
