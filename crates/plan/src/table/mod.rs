//! What does a gateway run, all resources together?

mod apis;
mod denials;
mod entry;
mod next;
mod others;
mod plan;
mod products;
mod subscribers;

pub use plan::{Hit, Plan};
