//! What does a gateway run, all resources together?

mod apis;
mod customs;
mod denials;
mod entry;
mod listed;
mod next;
mod numbers;
mod others;
mod plan;
mod policy_sets;
mod products;
mod rights;
mod subscribers;

pub use plan::{Hit, Plan};
