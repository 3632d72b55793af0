//! What can an operator ask of a running gateway besides health and metrics?
//!
//! `routes` are the paths; `dump` is what `/config_dump` tells, with the health of `backends` and the
//! `certificates` in force.

mod backends;
mod certificates;
mod dump;
mod routes;

pub use routes::{Sources, routes};
