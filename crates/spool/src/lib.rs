//! How does the analytics collector learn of each call, whatever becomes of the process that served it?
//!
//! Who serves calls encodes each (`call`) into a buffer (`recorder`); full buffers go over a bounded
//! lane to one thread (`keeper`) that appends them to segment files (`segment`, `spool`); the
//! `delivery` sends what is in the spool over gRPC (`collector`) and removes what was acknowledged.
//! `reporting` starts and ends all of it, and `leftovers` empties the place that a process before has
//! left. Who records never waits: what finds no room is dropped, counted and reported.

#![warn(missing_docs)]

mod bounds;
mod call;
mod collector;
mod delivery;
mod figures;
mod keeper;
mod leftovers;
mod recorder;
mod reporting;
mod segment;
mod spool;

pub use bounds::Bounds;
pub use call::{Call, Origin};
pub use collector::Collector;
pub use recorder::{Recorder, Recording};
pub use reporting::{Reporting, ReportingError};
pub use spool::SpoolError;
