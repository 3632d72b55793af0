//! How do several control planes share their resources?
//!
//! Through etcd. `connection` finds a member that answers, `generation` is the key that puts all
//! transactions into one line, `epoch` notices a restored cluster, `store` gives it the face of a
//! `Store`, and `watch` follows the prefix. No other folder knows `etcd_client`.

mod beside;
mod config;
mod connection;
mod epoch;
mod generation;
mod keys;
mod leased;
mod store;
mod transaction;
mod watch;

pub use config::Config;
pub use leased::{Lease, Leased};
pub use store::Etcd;
