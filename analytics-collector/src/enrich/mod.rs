//! What does the collector add to an event, and what does it take away?
//!
//! `geo` says where an address is; `address` keeps as much of the address as the operator wants kept;
//! `agent` says what kind of program has called.

pub mod address;
pub mod agent;
pub mod geo;

#[cfg(test)]
pub(crate) mod geo_tests;

pub use address::{Addresses, Keep, KeyError};
pub use agent::{Agent, Agents};
pub use geo::Geo;
