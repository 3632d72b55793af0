//! Which calls are answered with what a backend said before?
//!
//! The rules are those of `crates/cache`; here they are put between a permitted call and its
//! backend. A call comes here with its permit and its admission: who may not call is not answered
//! from the cache either, and an answer from the cache counts against the limits like any other.

mod ask;
mod config;
mod figures;
mod keep;
mod purge;
mod renew;
mod serve;
mod target;

pub use config::Config;
pub use figures::Figures;
pub use purge::purge;
pub use serve::{Inbound, serve};
