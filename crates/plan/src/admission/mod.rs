//! May these changes be made?

mod admit;
mod cross;

pub use admit::{Admitted, Change, admit};
