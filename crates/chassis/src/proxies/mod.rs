//! For whom does a proxy speak?
//!
//! `trusted` says which proxies are believed and who their client is; `hops` reads the standard field in
//! which some of them say it.

mod hops;
mod trusted;

pub use hops::{Hop, elements};
pub use trusted::{NetworkError, Proxies, Source};
