//! What is inside the gateway, from the outermost floor to the innermost.
//!
//! A module imports only what stands below it here.

pub mod credentials;
pub mod generation;
pub mod operations;
pub mod trust;
pub mod snapshot;
pub mod usage;
pub mod rpc;
