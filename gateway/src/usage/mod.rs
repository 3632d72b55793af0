//! Which calls were made, and how does the analytics collector learn of each of them?
//!
//! A worker encodes of a call (`event`) what its API lets be known (`mask`) into its buffer (`recorder`); full buffers go over a bounded
//! lane to one thread (`keeper`) that appends them to segment files (`segment`, `spool`); the
//! `delivery` sends what is in the spool and removes what was acknowledged. `reporting` starts and
//! ends all of it, and `leftovers` empties the place that a gateway before has left. Workers never wait: what finds no room is dropped, counted and reported.

mod config;
mod delivery;
mod event;
mod figures;
mod keeper;
mod leftovers;
mod mask;
mod recorder;
mod reporting;
mod segment;
mod spool;

pub use config::Config;
pub use event::{Call, Origin};
pub use recorder::{Recorder, Recording};
pub use reporting::{Reporting, ReportingError};
pub use spool::{Bounds, SpoolError};
