//! Has this series ever behaved so before?
//!
//! Four looks at each point: its `level` against a little before, its `season` (what this time of the
//! day is like), its `shape` (the curve of the last half hour, if a point is a minute) and its `range`.
//! What is large for one series is nothing for another, so each look is measured by its own `record`:
//! how far beyond everything of the last days.

mod detector;
mod level;
mod range;
mod record;
mod season;
mod shape;

pub use detector::{Novelty, Seen, Sign};
