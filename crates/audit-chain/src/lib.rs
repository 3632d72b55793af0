//! Has anybody changed the record of what happened?
//!
//! A log of lines, each tied to the one before it by a hash under a key that is not where the lines
//! are. Whoever can write the lines and does not have the key cannot make a log that fits. Pure: no
//! I/O, no clock, no keys; who keeps a log brings the [`Chain`].
#![warn(missing_docs)]

mod line;
mod walk;

pub use line::{Chain, Head, Line, Note, text};
pub use walk::{Anchor, Break, CHECKPOINT, Verdict, Walk, checkpoint};
