//! Does the key manager keep its promises, on SQLite and on PostgreSQL alike?

mod databases;
mod postgres;
mod stand;

mod endpoints;
mod errors;
mod keys;
mod outage;
mod process;
mod restart;
mod revocations;
mod rpc;
mod store;
