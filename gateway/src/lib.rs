//! What is inside the gateway, from the outermost floor to the innermost.
//!
//! A module imports only what stands below it here.

pub mod bootstrap;
pub mod config;
pub mod receiver;
pub mod pipeline;
pub mod upstream;
pub mod handlers;
pub mod account;
pub mod worker;
pub mod router;
pub mod received;
pub mod credentials;
pub mod generation;
pub mod operations;
pub mod trust;
pub mod snapshot;
pub mod usage;
pub mod rpc;
pub mod sender;
pub mod alarm;
pub mod cells;
pub mod fault;
pub mod body;
