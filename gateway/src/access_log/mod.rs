//! Which calls were made, one line of JSON each, for who reads files?
//!
//! Off by default. A worker writes lines (`line`) into a buffer of its own and hands it over when
//! it is full or a tick is over; one thread (`writer`) writes them to the file. Workers never wait:
//! what finds no room is dropped and counted.

mod config;
mod line;
mod writer;

pub use config::Config;
pub use writer::{AccessLog, Lines};
