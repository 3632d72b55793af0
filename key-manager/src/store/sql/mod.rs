//! How is the contract kept in SQL, once for SQLite and PostgreSQL?
//!
//! Statements are plain enough for both: `$1` placeholders, TEXT and BIGINT, `RETURNING`. The only
//! code that knows sqlx.

mod database;
mod failure;
mod migrate;
mod url;

mod attempts;
mod audit;
mod authenticators;
mod clients;
mod codes;
mod consents;
mod devices;
mod families;
mod gateway_keys;
mod keys;
mod ledger;
mod links;
mod passkeys;
mod pushed;
mod revocations;
mod sessions;
mod sql_store;
mod sweep;
mod used;
mod users;

pub use database::Config;
pub use sql_store::SqlStore;
pub use url::{DatabaseUrl, DatabaseUrlError};
