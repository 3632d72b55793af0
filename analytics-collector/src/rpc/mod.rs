//! What does the collector ask of the control plane?
//!
//! `follow` hears which rules and channels were applied; `from_proto` reads them, and `disk` keeps the last ones.
//! `blocks` has callers turned away.

mod blocks;
mod disk;
mod follow;
mod from_proto;

pub use blocks::ControlPlaneBlocks;
pub use disk::Disk;
pub use follow::Following;
