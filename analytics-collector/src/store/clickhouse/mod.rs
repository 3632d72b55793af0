//! How are calls kept in a ClickHouse, each of them once, and asked for there?
//!
//! Segments are fixed and durable before anybody sends them. `parts` cuts one into blocks that
//! ClickHouse stores whole or not at all, each with a name of its own; `ship` sends the blocks and
//! asks by their names where it does not know what came of one. `schema` makes the table, `ask`
//! answers questions, and `server` speaks HTTP.

pub mod ask;
pub mod parts;
pub mod schema;
pub mod server;
pub mod ship;

#[cfg(test)]
mod account_tests;
#[cfg(test)]
pub(crate) mod front;
#[cfg(test)]
mod ship_tests;

pub use ask::Asker;
pub use schema::{Name, NameError, Table};
pub use server::{Account, Bounds, Server, ServerError};
pub use ship::{ShipError, Shipper};
