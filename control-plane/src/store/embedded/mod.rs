//! How does a single control plane keep its resources without a server beside it?
//!
//! In one redb file: `tables` reads and writes it, `beside` does what belongs to no transaction,
//! `store` gives it the face of a `Store`, and `watch` follows its log, each watcher at its own pace.

mod beside;
mod store;
mod tables;
mod watch;

pub use store::Embedded;
