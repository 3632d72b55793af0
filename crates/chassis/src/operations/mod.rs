//! What can an operator ask of a running process?

mod answer;
mod route;
mod serve;

#[cfg(test)]
mod operations_tests;

pub use route::{Ask, Reply, Route, loglevel};
pub use serve::{Config, Error, Open, Port, serve};
