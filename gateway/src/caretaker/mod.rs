//! Who looks after the servers of backends while no call does?
//!
//! Tasks beside the workers: one resolves names, one asks servers how they are. What they find is
//! in force for all workers at once, and no call waits for it.

mod checks;
mod names;

pub use checks::checking;
pub use names::resolving;
