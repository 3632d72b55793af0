//! How are calls kept in a ClickHouse, each of them once, and asked for there?
//!
//! Segments are fixed and durable before anybody sends them. `parts` cuts one into blocks that
//! ClickHouse stores whole or not at all, each with a name of its own; `ship` sends the blocks and
//! asks by their names where it does not know what came of one. `rollup` has the server count old calls, in
//! words of `counts`, and `ledger` says which counts are in force. `schema` knows the tables, `tables`
//! makes them, `ask` answers questions, and `server` speaks HTTP.

pub mod ask;
pub mod counts;
pub mod ledger;
pub mod parts;
pub mod rollup;
pub mod schema;
pub mod server;
pub mod ship;
pub mod tables;

#[cfg(test)]
mod account_tests;
#[cfg(test)]
pub(crate) mod front;
#[cfg(test)]
mod rollup_tests;
#[cfg(test)]
mod ship_tests;

pub use ask::Asker;
pub use rollup::{Roller, RollupError};
pub use server::{Account, Bounds, Server, ServerError};
pub use ship::{ShipError, Shipper};
pub use tables::{Name, NameError, Tables};
