//! Is there more to do than can be done, and what is left undone then?
//!
//! Each worker has a `gate` that measures how long work waits for its turn and lets go of as many
//! calls as it must, lowest tier first. The `memory` of the process is watched beside the workers;
//! the `descriptors` are dealt out at the start, so that clients alone cannot use them up.

mod config;
mod descriptors;
mod gate;
mod memory;

pub use config::{Config, Overload};
pub use descriptors::{Descriptors, descriptors};
pub use gate::Gate;
pub use memory::{Memory, MemoryError, watch};
