//! How does a service ask a server that somebody else named? (KM-130)
//!
//! A connection per request, bounded in time and size, and no redirect is followed. Where the address
//! comes from a client or a document, the `reach` keeps the request out of our own networks: the name
//! is resolved once, every address it has is looked at, and one of those is dialled.

mod client;
mod reach;
mod signature;

#[cfg(test)]
mod outbound_tests;

pub use client::{Client, Error, Rules};
pub use reach::{Allowed, AllowedError, Reach};
pub use signature::{SIGNATURE, signature};
