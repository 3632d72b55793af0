//! What does the collector add to an event, and what does it take away?
//!
//! `geo` says in which country an address is; `address` keeps as much of the address as the
//! operator wants kept.

pub mod address;
pub mod geo;

#[cfg(test)]
pub(crate) mod geo_tests;

pub use address::{Addresses, Keep, KeyError};
pub use geo::Geo;
